"""Never worse than naive: how far a stream trusts each network, for each bucket of leads, by what has come true.

The candidates are the naive forecasts, the network, and three mixtures of it with each of them. All are made and scored
for every step, published or not, so a network that has lost can win back. What is published is the mean of the
candidates, those with small errors counting exponentially more: it takes the side of the winner where there is one, and
does not take turns where there is none. Without a network it is that of the naive forecasts alone.

Before that, how far the network's medians go to those of its second opinion is chosen in the same way. There the
differences are small, so the part that is usually right is given up only for much. After that, in the same way, how
much of what the mixture last erred by one step ahead is added to it: where a stream is smooth, the next error is much
like the last.

References
----------
Vovk (1990), "Aggregating strategies", COLT; Cesa-Bianchi & Lugosi (2006), "Prediction, learning, and games". Clements &
Hendry (1996), "Intercept corrections and structural change", Journal of Applied Econometrics 11(5).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from forecaster.pipeline.calibrate import spread
from forecaster.pipeline.shadow import NEVER, Said
from forecaster.pipeline.table import Column, Table
from forecaster.ports import PART_OF_SECOND
from forecaster.records import Array

TRUSTS = np.array([0.0, 0.25, 0.5, 0.75, 1.0])
"""Part of the network in each candidate."""

MEMORY, LEADS = 300, 34
"""Targets over which the rolling errors look back, exponentially, and so many times the lead where that is more: the
forecasts of one lead overlap, and their errors are alike for about as long as the lead."""

SHARPNESS = 100.0
"""With all these targets known, a candidate whose error is 1 % larger counts ``exp(-SHARPNESS / 100)`` of the best."""

DOUBT = 0.4
"""How much larger an error must be, before anything has come true, to count half of what it would. It fades as targets
come: few of them, alike as neighbours are, tell large differences but not small ones."""

ALONE = 0.05
"""A part smaller than this is left out, so that what is published says plainly what it comes from, and a silent night
is forecast as silent."""

FAITH = 5.0
"""How much the network, which has passed its gate, is preferred: it counts ``exp(FAITH)`` times the naive forecast, as
if that had an error 5 % larger once all these targets are known. Who of two about as good errs less changes with the
weather."""

BLUNTNESS, LEANING, LEANING_OF_AGAIN = 50.0, 5.0, 10.0
"""The same of candidates between a network and its second opinion, and between the mixture and itself with the newest
error added, where none is usual: a part that is larger or smaller by ``p`` than usual counts ``exp(-LEANING * p)``, and
one whose error is 1 % larger ``exp(-BLUNTNESS / 100)`` of the best."""

ENOUGH = 24
"""Targets that must have come before a choice is made; until then the network, which has passed its gate, stands.
Without one the first naive forecast stands until one has come of which they said different things."""


class Choice:
    """Rolling errors of the candidates of S streams for K buckets of leads, and what each last erred by.

    Parameters
    ----------
    leads
        The lead of each bucket that is followed, counted from 1; (K,).
    naives
        M, number of naive forecasts.
    """

    def __init__(self, leads: tuple[int, ...], naives: int) -> None:
        buckets = len(leads)
        self._memory = np.maximum(MEMORY, LEADS * np.array(leads))  # (K,)
        self._table = Table(
            {
                "naive_error": Column((buckets, naives), np.float64, 0.0),
                "error": Column((buckets, naives, len(TRUSTS)), np.float64, 0.0),  # of each with the network
                "naive_targets": Column((buckets,), np.int64, 0),
                "targets": Column((buckets,), np.int64, 0),  # with a network
                "part_error": Column((buckets, len(TRUSTS)), np.float64, 0.0),
                "part_targets": Column((buckets,), np.int64, 0),  # with a second opinion
                "again_error": Column((buckets, len(TRUSTS)), np.float64, 0.0),
                "again_targets": Column((buckets,), np.int64, 0),  # with an error that was known
                "newest": Column((), np.float64, np.nan),  # error one step ahead, in halves of the range
                "half": Column((), np.float64, np.nan),  # of that range
                "at": Column((), np.int64, NEVER),  # which step it was
            }
        )

    def add(self) -> int:
        """Slot of a new stream."""
        return self._table.add()

    def best_naive(self, slots: Array) -> Array:
        """Index of the naive forecast with the smallest rolling error, (B, K); the first before any has come true."""
        return self._table["naive_error"][slots].argmin(-1)

    def shares(self, slots: Array, served: Array) -> Array:
        """Parts of what is published, together 1: the network's, and that of each naive forecast; (B, K, 1 + M).

        Parameters
        ----------
        served
            For which streams a network forecasts, (B,).
        """
        table = self._table
        against = SHARPNESS * self._worse(slots, table["naive_error"][slots], "naive_targets")  # (B, K, M)
        against += np.log(np.exp(-against).sum(-1, keepdims=True))
        weight = np.insert(np.exp(-against), 0, 0.0, -1)  # (B, K, 1 + M)
        if served.any():
            weight[served] = self._beside(slots[served], against[served])
        untold = np.where(served[:, None], table["targets"][slots] < ENOUGH, table["naive_targets"][slots] == 0)
        stands = np.arange(weight.shape[-1]) == np.where(served, 0, 1)[:, None, None]
        part = np.where(untold[..., None], stands, weight)
        part[part < ALONE] = 0.0
        found: Array = part / part.sum(-1, keepdims=True)
        return found

    def _beside(self, slots: Array, against: Array) -> Array:
        """Parts of network and naive forecasts, (B, K, 1 + M), where of these alone each had ``exp(-against)``."""
        error = self._table["error"][slots]  # (B, K, M, 5)
        worse = self._worse(slots, error.reshape(*error.shape[:2], -1), "targets").reshape(error.shape)
        count = against[..., None] + SHARPNESS * worse + FAITH * (1 - TRUSTS)
        weight = np.exp(count.min((-1, -2), keepdims=True) - count)  # of the best 1, whatever the others
        weight /= weight.sum((-1, -2), keepdims=True)
        network = (weight * TRUSTS).sum((-1, -2))
        return np.concatenate([network[..., None], (weight * (1 - TRUSTS)).sum(-1)], -1)

    def second(self, slots: Array) -> Array:
        """How far the network's medians should go to those of its second opinion, (B, K) in [0, 1]."""
        return self._between(slots, "part_error", "part_targets", LEANING * np.abs(TRUSTS - PART_OF_SECOND))

    def moved(self, slots: Array, index: int, mixed: Array, width: Array) -> Array:
        """Medians (B, H) if they erred as at step ``index``; NaN where that is not known.

        Where ranges, so ``width`` (B, H), are smaller than then, by as much less.
        """
        error = np.where(self._table["at"][slots] == index, self._table["newest"][slots], np.nan)
        moved: Array = mixed + error[:, None] * np.minimum(self._table["half"][slots, None], width / 2)
        return moved

    def again(self, slots: Array) -> Array:
        """How far the mixture should be moved like this, (B, K) in [0, 1]; 0 where it helps little."""
        part = self._between(slots, "again_error", "again_targets", LEANING_OF_AGAIN * TRUSTS)
        return np.where(part < ALONE, 0.0, part)

    def unknown(self, slots: Array | slice) -> None:
        """The newest error tells nothing of what comes: another network forecasts, or it is to be forgotten."""
        self._table["at"][slots] = NEVER

    def _between(self, slots: Array, error: str, targets: str, unusual: Array) -> Array:
        """Mean of the parts (5,), as their errors and how unusual they are speak for them; (B, K)."""
        worse = self._worse(slots, self._table[error][slots], targets)
        weight = np.exp(-BLUNTNESS * worse - unusual)
        part: Array = (weight * TRUSTS).sum(-1) / weight.sum(-1)
        return part

    def _worse(self, slots: Array, error: Array, targets: str) -> Array:
        """How much worse than the best each candidate counts for, given rolling errors (B, K, C)."""
        least = error.min(-1, keepdims=True)
        behind = (error - least) / np.maximum(least, 1e-9 * error.max(-1, keepdims=True) + 1e-300)
        known = np.minimum(1.0, self._table[targets][slots] / self._memory)[..., None]
        worse: Array = known * behind**2 / (behind + DOUBT * (1 - known) + 1e-300)
        return worse

    def learn(self, slots: Array, index: int, said: Said, truth: Array) -> None:
        """The values (B,) of step ``index`` have come, of which that had been ``said`` in each bucket."""
        truth = truth.astype(np.float32).astype(np.float64)  # as what had been said is kept
        came = truth[:, None, None]
        network = said.network
        if np.isfinite(said.second).any():
            network = towards(said.second, self.second(slots), network)
            self._roll("part_error", "part_targets", slots, np.abs(came - between(said.network, said.second)))
        alike = (said.naives == said.naives[..., :1]).all(-1, keepdims=True)  # as in the first season: nothing is told
        self._roll("naive_error", "naive_targets", slots, np.where(alike, np.nan, np.abs(came - said.naives)))
        self._roll("error", "targets", slots, np.abs(came[..., None] - between(said.naives, network[..., None])))
        self._roll("again_error", "again_targets", slots, np.abs(came - between(said.mixed, said.moved)))
        half = spread(said.raw[:, 0]) / 2
        self._table["newest"][slots] = np.clip((truth - said.mixed[:, 0]) / half, -1.0, 1.0)  # a spike is no more
        self._table["half"][slots] = half
        self._table["at"][slots] = index

    def _roll(self, errors: str, targets: str, slots: Array, newest: Array) -> None:
        """Move rolling errors towards the newest ones (B, K, ...), as a plain mean at first; NaN teaches nothing."""
        each = (..., *[None] * (newest.ndim - 2))
        good = np.isfinite(newest.sum(tuple(range(2, newest.ndim))))  # (B, K)
        count = self._table[targets][slots] + good
        weight = np.maximum(1 / self._memory, 1 / np.maximum(count, 1))
        old = self._table[errors][slots]
        self._table[errors][slots] = np.where(good[each], old + weight[each] * (newest - old), old)
        self._table[targets][slots] = count

    def state(self) -> dict[str, Array]:
        """Arrays for the snapshot."""
        return self._table.state()

    def put(self, slots: Array, state: Mapping[str, Array]) -> None:
        """Some streams as they were when :meth:`state` gave this."""
        self._table.put(slots, state)

    def restore(self, state: Mapping[str, Array]) -> None:
        """Take over what :meth:`state` gave."""
        self._table.restore(state)


def between(one: Array, other: Array) -> Array:
    """The candidates between two medians (...), (..., 5)."""
    return one[..., None] + TRUSTS * (other - one)[..., None]


def towards(other: Array, part: Array, one: Array) -> Array:
    """A part of the way from one median to another, where there is another."""
    way = part * (other - one)
    return one + np.where(np.isnan(other), 0.0, way)
