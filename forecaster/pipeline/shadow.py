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

NEVER = np.iinfo(np.int64).min
"""Before every step."""


class Said(NamedTuple):
    """What had been said for a step, NaN where nothing.

    Attributes
    ----------
    network, second
        Medians of the network and of its second opinion, (B, K), NaN without.
    naives
        Medians of the naive forecasts, (B, K, M).
    raw, corrected
        Quantiles chosen, and as published after correction, (B, K, Q).
    mixed, moved
        Medians of the mixture, before what it last erred by was added in part; and with all of that, (B, K).
    """

    network: Array
    second: Array
    naives: Array
    raw: Array
    corrected: Array
    mixed: Array
    moved: Array


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
        self._parts = np.cumsum([1, 1, naives, levels, levels, 1])
        cells, kept = int(self._leads.sum()), 4 + naives + 2 * levels
        self._table = Table(
            {
                "origin": Column((cells,), np.int64, NEVER),
                "said": Column((cells, kept), np.float32, np.nan),
            }
        )

    def add(self) -> int:
        """Slot of a new stream."""
        return self._table.add()

    def issue(self, slots: Array, index: int, every: Said) -> None:
        """Remember forecasts made at the end of step ``index``, at all leads instead of K."""
        cells = (slots[:, None], self._rings + index % self._leads)
        some = self._leads - 1
        said = [part[:, some].reshape(len(slots), len(some), -1) for part in every]
        self._table["origin"][cells] = index
        self._table["said"][cells] = np.concatenate(said, axis=-1)

    def said(self, slots: Array, index: int) -> Said:
        """What had been said for step ``index``."""
        origins = index - self._leads
        cells = (slots[:, None], self._rings + index % self._leads)  # a lead before, the ring was here too
        said = self._table["said"][cells].astype(np.float64)
        said[self._table["origin"][cells] != origins] = np.nan
        network, second, naives, raw, corrected, mixed, moved = np.split(said, self._parts, axis=-1)
        return Said(network[..., 0], second[..., 0], naives, raw, corrected, mixed[..., 0], moved[..., 0])

    def drop(self, slots: Array, first: int) -> None:
        """Nothing had been said at the end of step ``first`` and since."""
        origin = self._table["origin"][slots]
        self._table["origin"][slots] = np.where(origin >= first, NEVER, origin)

    def state(self) -> dict[str, Array]:
        """Arrays for the snapshot."""
        return self._table.state()

    def restore(self, state: Mapping[str, Array]) -> None:
        """Take over what :meth:`state` gave."""
        self._table.restore(state)
