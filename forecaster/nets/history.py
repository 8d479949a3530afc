"""How much history a training needs, and which part of it is held out. numpy only."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from forecaster.inputs import Dataset
from forecaster.records import Array
from forecaster.settings import Group


def needed(group: Group) -> int:
    """Observed steps of at least one stream below which training makes no sense.

    Three of the smallest seasons and a horizon: then the part before the tail still shows whole forecasts.
    """
    season = group.season
    return max(3 * season + group.horizon, 2 * group.horizon + 6)


def enough(dataset: Dataset, group: Group) -> bool:
    """Whether a training can start."""
    return bool(np.isfinite(dataset.values[:, 0]).sum(-1).max(initial=0) >= needed(group))


LONGEST = 1000
"""Steps held out at most: enough to tell two models apart."""


def split(dataset: Dataset, group: Group) -> tuple[int, int]:
    """Where learning ends and where the tail begins.

    Before the first step returned a network learns; between the two it is examined while it learns, to keep the best
    and to stop in time; from the second on is the tail on which it is judged. Only what passes
    learns on from all of it.

    The tail is a tenth of what is known of a typical stream, at least a horizon; the examination an eighth of the rest,
    at least a short season; both at most 1000 steps.
    """
    observed = np.isfinite(dataset.values[:, 0])
    known = observed.sum(-1)
    typical = int(np.median(known[known > 0]))
    last = int(np.flatnonzero(observed.any(0))[-1]) + 1
    season = group.season
    tail = max(group.horizon, min(typical // 10, LONGEST))
    exam = max(season, min((typical - tail) // 8, LONGEST))
    return last - tail - exam, last - tail


def of_streams(dataset: Dataset, chosen: Array) -> Dataset:
    """Some streams of a dataset, by their numbers."""
    names = tuple(dataset.streams[index] for index in chosen.tolist())
    return replace(dataset, streams=names, values=dataset.values[chosen])
