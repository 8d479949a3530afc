"""What every candidate had said, published or not, kept until its target comes.

Full forecasts are kept once, as published (:mod:`forecaster.pipeline.verify`). To correct and to choose it is enough
to follow one lead of each bucket, so the memory of a stream stays small: for lead r the last r forecasts.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from forecaster.pipeline.table import Column, Table
from forecaster.records import Array


class Shadow:
    """Forecasts of S streams at K followed leads.

    Parameters
    ----------
    leads
        The followed lead of each bucket, counted from 1.
    levels, naives
        Q and M.
    """

    def __init__(self, leads: tuple[int, ...], levels: int, naives: int) -> None:
        self._leads = leads
        columns = {f"origin{k}": Column((lead,), np.int64, np.iinfo(np.int64).min) for k, lead in enumerate(leads)}
        columns |= {f"network{k}": Column((lead,), np.float32, np.nan) for k, lead in enumerate(leads)}
        columns |= {f"raw{k}": Column((lead, levels), np.float32, np.nan) for k, lead in enumerate(leads)}
        columns |= {f"said{k}": Column((lead, levels), np.float32, np.nan) for k, lead in enumerate(leads)}
        columns |= {f"naive{k}": Column((lead, naives), np.float32, np.nan) for k, lead in enumerate(leads)}
        self._table = Table(columns)

    def add(self) -> int:
        """Slot of a new stream."""
        return self._table.add()

    def issue(self, slots: Array, index: int, network: Array, naives: Array, raw: Array, said: Array) -> None:
        """Remember forecasts made at the end of step ``index``.

        Parameters
        ----------
        network, naives
            Medians of the candidates, (B, H), NaN without a network, and (B, H, M).
        raw, said
            Quantiles chosen, and as published after correction, (B, H, Q).
        """
        for k, lead in enumerate(self._leads):
            at = index % lead
            self._table[f"origin{k}"][slots, at] = index
            for name, found in (("network", network), ("naive", naives), ("raw", raw), ("said", said)):
                self._table[f"{name}{k}"][slots, at] = found[:, lead - 1]

    def said(self, slots: Array, index: int, bucket: int) -> tuple[Array, Array, Array, Array]:
        """What had been said for step ``index``, NaN if nothing.

        Returns
        -------
        network, naives, raw, said
            Medians (B,) and (B, M), and quantiles (B, Q) and (B, Q); see :meth:`issue`.
        """
        origin = index - self._leads[bucket]
        at = origin % self._leads[bucket]
        there = self._table[f"origin{bucket}"][slots, at] == origin
        network, naives, raw, said = (
            self._table[f"{name}{bucket}"][slots, at].astype(np.float64) for name in ("network", "naive", "raw", "said")
        )
        for found in (network, naives, raw, said):
            found[~there] = np.nan
        return network, naives, raw, said

    def state(self) -> dict[str, Array]:
        """Arrays for the snapshot."""
        return self._table.state()

    def restore(self, state: Mapping[str, Array]) -> None:
        """Take over what :meth:`state` gave."""
        self._table.restore(state)
