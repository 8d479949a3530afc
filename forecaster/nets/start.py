"""What a network begins with: in each lead's mixture, simple forecasts that have been right weigh more.

A gate that begins alike for all leads takes hundreds of updates to learn that the next step resembles the last one and
the farthest does not; with little history there are no hundreds of updates.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from statistics import NormalDist

import torch
import torch.nn.functional as F
from torch import Tensor

from forecaster.nets.batches import Batch
from forecaster.nets.loss import FAR
from forecaster.nets.network import choose

SAMPLE = 64
"""Batches that are enough to tell."""

NEAR, ERRORS = 8, 10_000
"""Leads within one part in so many of their number are as uncertain as each other: of one stream few errors of a lead
are known, and those alike. And so many errors are enough for a quantile."""

POWER, LEAST = 5.0, -8.0
"""A forecast whose error is 1 % larger weighs ``POWER`` % less; and the smallest logarithm of a weight."""


def worth(lessons: Iterable[Batch], horizon: int) -> Tensor:
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
    total = count = torch.zeros(1)
    for batch in islice(lessons, SAMPLE):
        candidates = batch.seen.candidates  # (R, T', H', K)
        there = candidates.isfinite() & batch.observed[..., None]
        error = (batch.target[..., None] - candidates).abs().clamp(max=FAR)
        none = error.new_zeros(horizon, error.shape[-1])
        total = total + none.index_add(0, batch.leads, error.where(there, 0.0).sum((0, 1)))
        count = count + none.index_add(0, batch.leads, there.sum((0, 1), dtype=torch.float32))
    error = torch.where(count > 0, total / count, torch.inf).clamp(min=1e-9)
    least = F.pad(error, (0, 1), value=torch.inf).amin(-1, keepdim=True)  # of no candidate: infinite
    weight = -POWER * torch.log(error / least)
    return torch.where(least.isfinite(), weight.clamp(min=LEAST), 0.0)


def ranges(lessons: Iterable[Batch], weight: Tensor, levels: tuple[float, ...]) -> Tensor:
    """How far quantiles lie from the mixture at each lead, by how far off that was, to both sides alike; (H, Q).

    Neighbouring leads tell of each other (:data:`NEAR`). A target beyond all scale, as of a sensor that wakes after a
    constant, says nothing about a range.

    Parameters
    ----------
    weight
        What :func:`worth` gave, (H, K).
    """
    nothing = torch.empty(0)
    leads, errors = [nothing.long()], [nothing]
    for batch in islice(lessons, SAMPLE):
        candidates = batch.seen.candidates  # (R, T', H', K)
        present = candidates.isfinite()
        mixture = choose(weight[batch.leads], candidates.nan_to_num(0.0), present)[..., 0]
        error = (batch.target - mixture).abs()
        there = batch.observed & present.any(-1) & (error < FAR)
        leads.append(batch.leads.expand(there.shape)[there])
        errors.append(error[there])
    lead, order = torch.cat(leads).sort(stable=True)
    error, level = torch.cat(errors)[order], torch.tensor(levels)
    here = torch.arange(len(weight))
    first = torch.searchsorted(lead, here - (here + 1) // NEAR)
    end = torch.searchsorted(lead, here + (here + 1) // NEAR, right=True)
    places = torch.tensor([NormalDist().inv_cdf(one) for one in levels]).repeat(len(weight), 1)
    for index, (begin, stop) in enumerate(zip(first.tolist(), end.tolist(), strict=True)):
        if begin < stop:
            near = error[begin : stop : 1 + (stop - begin) // ERRORS]
            places[index] = torch.sign(level - 0.5) * near.quantile((2 * level - 1).abs())
    return places
