"""What every candidate had said, published or not, kept until its target comes.

Full forecasts are kept once, as published (:mod:`forecaster.pipeline.verify`). To correct and to choose it is enough
to follow one lead of each bucket, so the memory of a stream stays small: for lead r the last r forecasts, in a ring.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from forecaster.pipeline.table import Column, Table
from forecaster.records import Array


class Said(NamedTuple):
    """What had been said for a step, NaN where nothing.

    Attributes
    ----------
    network, naives
        Medians of the candidates, (B, K), NaN without a network, and (B, K, M).
    raw, corrected
        Quantiles chosen, and as published after correction, (B, K, Q).
    """

    network: Array
    naives: Array
    raw: Array
    corrected: Array


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
        self._leads = np.array(leads)
        self._rings = np.cumsum(self._leads) - self._leads  # first cell of the ring of each lead
        self._parts = np.cumsum([1, naives, levels])
        cells, kept = int(self._leads.sum()), 1 + naives + 2 * levels
        self._table = Table(
            {
                "origin": Column((cells,), np.int64, np.iinfo(np.int64).min),
                "said": Column((cells, kept), np.float32, np.nan),
            }
        )

    def add(self) -> int:
        """Slot of a new stream."""
        return self._table.add()

    def issue(self, slots: Array, index: int, network: Array, naives: Array, raw: Array, corrected: Array) -> None:
        """Remember forecasts made at the end of step ``index``: those of :class:`Said`, at all leads instead of K."""
        cells = (slots[:, None], self._rings + index % self._leads)
        some = self._leads - 1
        said = (network[:, some, None], naives[:, some], raw[:, some], corrected[:, some])
        self._table["origin"][cells] = index
        self._table["said"][cells] = np.concatenate(said, axis=-1)

    def said(self, slots: Array, index: int) -> Said:
        """What had been said for step ``index``."""
        origins = index - self._leads
        cells = (slots[:, None], self._rings + index % self._leads)  # a lead before, the ring was here too
        said = self._table["said"][cells].astype(np.float64)
        said[self._table["origin"][cells] != origins] = np.nan
        network, naives, raw, corrected = np.split(said, self._parts, axis=-1)
        return Said(network[..., 0], naives, raw, corrected)

    def state(self) -> dict[str, Array]:
        """Arrays for the snapshot."""
        return self._table.state()

    def restore(self, state: Mapping[str, Array]) -> None:
        """Take over what :meth:`state` gave."""
        self._table.restore(state)
