"""Ranges of a network that was too sure of itself, made wider by what the steps tell that it has not learned from.

Shape letters: **S** streams, **P** places, **H** horizon, **Q** levels.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from forecaster.records import Array

PLACES = 8
"""Leads at most at which the width is found, dense among the first; in between it is interpolated."""

WIDEST, TRIED = 2.0, 36
"""Largest width, and how many are tried."""

PRIOR = 20
"""Stretches without overlap, as long as the lead, that the guess is worth that a lead is like the one before it, and
that ranges are right at the first."""

PART = 0.5
"""What is done of what would have been best: the network that serves has learned from these steps too, and since."""


def places(horizon: int) -> Array:
    """Leads at which the width is found, counted from 0; int64 (P,)."""
    return np.unique(np.geomspace(1, horizon, min(PLACES, horizon)).round().astype(np.int64)) - 1


def width(missed: Sequence[Array], levels: tuple[float, ...], horizon: int) -> Array:
    """How wide the ranges of each lead should be, as a part of what they were; at least 1.

    At each place the width with the smallest pinball loss, the nearer to that of the place before (1 at the first) the
    fewer targets there were; and half of the way. A tail is often shorter than the horizon, and has no target for the
    last leads.

    Parameters
    ----------
    missed
        What came less the quantile, (S, P, Q) at each origin and the leads of :func:`places`; NaN where nothing came.
    levels
        Increasing, 0.5 among them.

    Returns
    -------
    Array
        float64 (H,), from 1 to the root of :data:`WIDEST`.
    """
    tried, leads = np.geomspace(1, WIDEST, TRIED), places(horizon)
    middle, level = levels.index(0.5), np.array(levels)
    logarithm, guess = np.zeros(len(leads)), 0.0
    for place, lead in enumerate(leads.tolist()):
        errors = np.concatenate([np.empty((0, len(levels))), *(origin[:, place] for origin in missed)])
        errors = errors[np.isfinite(errors).all(-1)]  # (n, Q)
        if len(errors):
            centre = errors[:, middle, None]
            wider = (centre + times * (errors - centre) for times in tried)
            loss = [np.maximum(level * error, (level - 1) * error).mean() for error in wider]
            apart = len(errors) / (lead + 1)
            guess += (np.log(tried[np.argmin(loss)]) - guess) * apart / (apart + PRIOR)
        logarithm[place] = guess
    between: Array = np.interp(np.log1p(np.arange(horizon)), np.log1p(leads), logarithm)
    return np.exp(PART * between)
