"""What a network begins with: a linear regression, and mixtures in which simple forecasts that were right weigh more.

A gate that begins alike for all leads takes hundreds of updates to learn that the next step resembles the last one and
the farthest does not; with little history there are no hundreds of updates.

Shape letters: **S** streams, **H** horizon, **K** candidates, **R** numbers that a regression sees, **D** domains.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from forecaster.nets import loss
from forecaster.nets.batches import Batch, apart
from forecaster.nets.features import DOMAINS, Domain, Strip, local_of
from forecaster.nets.phases import look
from forecaster.nets.regression import FAR, Equations, lagged
from forecaster.nets.shape import Shape
from forecaster.records import Array

SAMPLE = 24
"""Batches that are enough to tell."""

POWER, LEAST = 5.0, -8.0
"""A forecast whose error is 1 % larger weighs ``POWER`` % less; and the smallest logarithm of a weight."""


def worth(lessons: Iterable[Batch]) -> Tensor:
    """Logarithm of each candidate's weight at each lead, by its mean absolute error; the best has 0.

    Returns
    -------
    Tensor
        float32 (H, K); 0 for a lead of which nothing was observed. A single 0 where there is no batch at all.

    References
    ----------
    Bates & Granger (1969), "The Combination of Forecasts", Operational Research Quarterly 20(4): weights by the inverse
    of the squared error, a power of 2. Here the candidates are much alike, and the network learns on from there.
    """
    total, count = torch.zeros(1), torch.zeros(1)
    for batch in islice(lessons, SAMPLE):
        candidates = batch.seen.candidates  # (R, T', H, K)
        there = candidates.isfinite() & batch.observed[..., None]
        error = (batch.target[..., None] - candidates).abs().clamp(max=loss.FAR)
        total = total + error.where(there, 0.0).sum((0, 1))
        count = count + there.sum((0, 1))
    error = torch.where(count > 0, total / count, torch.inf).clamp(min=1e-9)
    least = F.pad(error, (0, 1), value=torch.inf).amin(-1, keepdim=True)  # of no candidate: infinite
    weight = -POWER * torch.log(error / least)
    return torch.where(least.isfinite(), weight.clamp(min=LEAST), 0.0)


ORIGINS, AT_ONCE = 20_000, 2000
"""Origins of all streams together that a regression learns from, about, and those of a stream taken in one go."""

EARLIER = 0.8
"""Part of each stream to learn from while the rest tells how strongly weights are to be drawn to zero."""

RIDGES = (10.0, 1.0, 1e-1, 1e-2, 1e-3)
"""How strongly weights are drawn to zero, as a part of the mean square of what is shown; of equals the first."""


class Sample(NamedTuple):
    """Some origins of a stream, in order of time.

    Attributes
    ----------
    shown, residuals
        float32 (n, R), and (n, H): what came, without the mean at its phase.
    early
        How many of the n lie in the earlier part of the stream.
    """

    shown: Array
    residuals: Array
    early: int


def regress(strip: Strip, shape: Shape) -> Array:
    """Weights of :mod:`forecaster.nets.regression` from whole streams, float32 (D, R, H).

    How strongly they are drawn to zero is what does best on the later part of each stream; then all of it is learned
    from.
    """
    return np.stack([solution(samples(strip, shape, domain), shape) for domain in DOMAINS])


def solution(drawn: Iterable[Sample], shape: Shape) -> Array:
    """Weights of one domain, (R, H)."""
    early, late, later = Equations.none(shape), Equations.none(shape), []
    for shown, residuals, cut in drawn:
        early.add(shown[:cut], residuals[:cut])
        late.add(shown[cut:], residuals[cut:])
        later.append((shown[cut:], residuals[cut:]))

    def error(ridge: float) -> float:
        weights = early.solved(ridge)
        return sum(float(np.abs(residuals - shown @ weights).sum()) for shown, residuals in later)

    return (early + late).solved(min(RIDGES, key=error))


def samples(strip: Strip, shape: Shape, domain: Domain) -> Iterator[Sample]:
    """Origins at even distances of each stream, with a season behind them and half of a horizon ahead."""
    leads = np.arange(1, shape.horizon + 1)
    every = max(1, int(np.isfinite(strip.values[:, 0]).sum()) // ORIGINS)
    for part in apart(strip):
        values, _ = domain(part.values[:, 0])
        past = values[:, : -shape.horizon]
        local = local_of(past, part.shift, shape)
        for row, stream in enumerate(values):
            grown = np.flatnonzero(local.readings[row] >= max(2, shape.fold))[::every]
            border = grown[0] + EARLIER * (grown[-1] - grown[0]) if len(grown) else 0
            for some in np.split(grown, list(range(AT_ONCE, len(grown), AT_ONCE))):
                origins = some + shape.lookback - 1
                location, scale = local.location[row, some][None], local.scale[row, some][None]  # (1, n)
                (expected,), (shown,) = lagged(past[row, None], origins, location, scale, shape)
                target = (look(stream, origins[:, None] + leads) - location.T) / scale.T
                residuals = np.clip(target - expected, -FAR, FAR)
                told = np.isfinite(residuals).mean(-1) >= 0.5
                early = int(np.searchsorted(some[told], border))
                yield Sample(shown[told], np.nan_to_num(residuals[told]).astype(np.float32), early)
