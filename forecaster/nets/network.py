"""The network: a recurrent memory that chooses among simple forecasts and corrects them; and a committee of such.

::

    step ──► recurrent ──► memory ──┐
                                    ├─► gate   ── softmax over candidates ──► base ─┐
    each lead's candidates,         ├─► residual × how lively that time is ─────────┴─► median
    calendar, known covariates ─────┘
                                    └─► gaps between quantiles, positive, summed outwards from the median

All leads come out in one pass. Without the gate a network this small loses to the naive forecast; without the unit
(:func:`forecaster.nets.features.spread`) it wins by half as much.

Shape letters: **B** batch, **T** steps, **H** horizon, **I** inputs, **J** lead features, **K** candidates,
**P** members, **L** layers, **Q** levels, **N** hidden size, **D** width of a lead, **R** rank.
"""

from __future__ import annotations

from statistics import NormalDist
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from forecaster.nets.cells import GATES
from forecaster.nets.features import Features, Strip, Usual, extract
from forecaster.nets.recurrent import Recurrent
from forecaster.nets.shape import Shape

LEAD, RANK = 64, 3
"""D, width of the vector that describes one lead, and R, how many different ways of growing with the lead there are."""

NARROWEST = 1e-3
"""Smallest distance between two quantiles to begin with, in local scales."""


class View(NamedTuple):
    """:class:`forecaster.nets.features.Features` as the network takes them.

    Attributes
    ----------
    inputs, candidates, leads
        float32, (B, T, I), (B, T', H, K), (B, T', H, J).
    """

    inputs: Tensor
    candidates: Tensor
    leads: Tensor


def view(features: Features) -> View:
    """Without copying."""
    return View(*map(torch.from_numpy, (features.inputs, features.candidates, features.leads)))


class Network(nn.Module):
    """Quantiles of every lead from the step just closed and the state carried so far.

    A committee: its members are alike, start from different weights, learn from different rows, and their quantiles
    are averaged. Where each errs in its own way the mean errs less. They are computed side by side, so that a further
    member costs less than the first.

    Parameters
    ----------
    shape
        What to build.
    usual
        Centre and spread of the channels; kept with the weights.

    References
    ----------
    Hansen & Salamon (1990), "Neural Network Ensembles", IEEE Transactions on Pattern Analysis and Machine Intelligence
    12(10).
    """

    centre: Tensor
    spread: Tensor
    width: Tensor

    def __init__(self, shape: Shape, usual: Usual) -> None:
        super().__init__()
        self.shape = shape
        self.register_buffer("centre", torch.from_numpy(usual.centre))
        self.register_buffer("spread", torch.from_numpy(usual.spread))
        self.register_buffer("width", torch.ones(shape.horizon))  # of the ranges, as a part of what was learned
        inputs, leads, candidates = widths(shape)
        members = shape.members
        self.recurrent = Recurrent(shape.cell, inputs, shape.hidden, shape.layers, shape.dropout, members)
        self.memory = Linear(members, shape.hidden, RANK * LEAD, bias=True)
        self.waves = nn.Parameter(waves(shape.horizon).repeat(members, 1, 1))
        self.place = nn.Parameter(torch.zeros(members, 1, 1, shape.horizon, LEAD))
        self.lead = Linear(members, leads + 2 * candidates, LEAD)
        self.norm = nn.LayerNorm(LEAD, elementwise_affine=False)
        self.gain = nn.Parameter(torch.ones(members, 1, 1, 1, LEAD))
        self.offset = nn.Parameter(torch.zeros(members, 1, 1, 1, LEAD))
        self.dropout = nn.Dropout(shape.dropout)
        self.head = Linear(members, LEAD, candidates + len(shape.levels))
        nn.init.zeros_(self.head.weight)
        start = bell(shape.levels, candidates).repeat(members, shape.horizon, 1)
        self.start = nn.Parameter(start[:, None, None])

    @property
    def usual(self) -> Usual:
        """Centre and spread of the channels, float64 (C,)."""
        return Usual(self.centre.numpy(), self.spread.numpy())

    def matrices(self) -> dict[nn.Parameter, int]:
        """Weights from one vector to others, and to how many others side by side; save those that forecast."""
        gates = GATES[self.shape.cell]
        recurrent = {weight: gates for name, weight in self.recurrent.named_parameters() if "bias" not in name}
        return {**recurrent, self.memory.weight: RANK, self.lead.weight: 1}

    def begin(self, worth: Tensor, ranges: Tensor) -> None:
        """Let gates begin with logarithms of weights (H, K), and quantiles so far from the median (H, Q).

        What :func:`forecaster.nets.start.worth` and :func:`forecaster.nets.start.ranges` give.
        """
        with torch.no_grad():
            gaps = inverse_softplus(ranges.diff(dim=-1))
            self.start[..., : worth.shape[-1]] = worth
            self.start[..., self.start.shape[-1] - gaps.shape[-1] :] = gaps

    def initial_state(self, streams: int) -> Tensor:
        """Zeros, shape (B, P, L, N)."""
        return self.recurrent.initial_state(streams).transpose(0, 1)

    def forward(self, seen: View, state: Tensor, every: int = 1) -> tuple[Tensor, Tensor]:
        """Step through T origins and forecast at the end of every so many.

        Parameters
        ----------
        seen
            What is known: ``inputs`` at each of the T origins, the rest only at those that forecast, T' of them.
        state
            Shape (B, P, L, N).
        every
            Of how many origins one forecasts; see :func:`forecaster.nets.batches.sharing`.

        Returns
        -------
        quantiles, state
            Scaled, (B, T', H, Q), strictly increasing along Q; and the state after the last origin.
        """
        everyone = View(*(tensor[None] for tensor in seen))
        quantiles, after = self.members(everyone, state.transpose(0, 1), every)
        mean = quantiles.mean(0)
        median = mean[..., self.shape.middle, None]
        return median + self.width[:, None] * (mean - median), after.transpose(0, 1)

    def dealt(self, seen: View, state: Tensor, every: int, leads: Tensor) -> tuple[Tensor, Tensor]:
        """As :meth:`forward`, but each row is forecast by one member only: rows in equal parts, the first to the first;
        and ranges are as wide as they are learned.

        So each learns from rows of its own. The state of a row is that of its member, (B, 1, L, N). Candidates and
        lead features are of some leads only, as are the quantiles; ``leads`` (H',) says of which.
        """
        hands = View(*(self._dealt(tensor) for tensor in seen))
        quantiles, after = self.members(hands, self._dealt(state)[:, :, 0], every, leads)
        return quantiles.flatten(0, 1), after.flatten(0, 1)[:, None]

    def _dealt(self, rows: Tensor) -> Tensor:
        """(B, ...) to (P, B / P, ...)."""
        members = self.shape.members
        return rows.reshape(members, len(rows) // members, *rows.shape[1:])

    def members(
        self, seen: View, state: Tensor, every: int, leads: Tensor | slice = slice(None)
    ) -> tuple[Tensor, Tensor]:
        """What each member says, (P, B, T', H, Q), and its state, (P, B, L, N).

        Parameters
        ----------
        seen
            As in :meth:`forward`, of each member or of all: with P or 1 before the shapes.
        state
            Shape (P, B, L, N).
        leads
            Which leads are shown and asked for.
        """
        memory, state = self.recurrent(seen.inputs, state)  # (P, B, T, N)
        asked = self.memory(memory[:, :, every - 1 :: every]).unflatten(-1, (RANK, LEAD))  # (P, B, T', R, D)
        present = seen.candidates.isfinite()
        candidates = seen.candidates.nan_to_num(0.0)
        calm = torch.log1p(candidates.abs()).copysign(candidates)
        told = torch.cat([calm, present, seen.leads], dim=-1)  # (P, B, T', H, 2 K + J)
        grown = self.waves[:, None, None, :, leads].mT @ asked  # (P, B, T', H, D)
        each = self.norm(grown + self.place[..., leads, :] + self.lead(told)) * self.gain + self.offset
        out = self.head(self.dropout(torch.tanh(each))) + self.start[..., leads, :]
        gate, residual, gaps = torch.split(out, [candidates.shape[-1], 1, len(self.shape.levels) - 1], dim=-1)
        lively = seen.leads[..., :1]
        median = choose(gate, candidates, present) + lively * residual  # (P, B, T', H, 1)
        below, above = torch.tensor_split(F.softplus(gaps), [self.shape.middle], dim=-1)
        lower = median - below.flip(-1).cumsum(-1).flip(-1)
        return torch.cat([lower, median, median + above.cumsum(-1)], dim=-1), state


class Linear(nn.Module):
    """A linear map for each of P members, which begin as those of ``torch.nn.Linear`` do."""

    def __init__(self, members: int, inputs: int, outputs: int, *, bias: bool = False) -> None:
        super().__init__()
        drawn = torch.empty(members, inputs + bias, outputs).uniform_(-(inputs**-0.5), inputs**-0.5)
        self.weight = nn.Parameter(drawn[:, :inputs].clone())
        self.bias = nn.Parameter(drawn[:, inputs:].clone()) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        """(P, ..., I) or, the same for all, (1, ..., I) to (P, ..., O)."""
        flat = x.flatten(1, -2).expand(len(self.weight), -1, -1)
        out = torch.bmm(flat, self.weight) if self.bias is None else torch.baddbmm(self.bias, flat, self.weight)
        return out.view(len(out), *x.shape[1:-1], out.shape[-1])


def bell(levels: tuple[float, ...], candidates: int) -> Tensor:
    """What the head begins with at a lead: all candidates alike, no residual, a bell curve around it; (K + Q,)."""
    places = torch.tensor([NormalDist().inv_cdf(level) for level in levels])
    return torch.cat([torch.zeros(candidates + 1), inverse_softplus(places.diff())])


def inverse_softplus(gaps: Tensor) -> Tensor:
    """What softplus turns into these gaps, or into a small one where there is none."""
    some = gaps.clamp(min=NARROWEST)
    return some + torch.log(-torch.expm1(-some))


def waves(horizon: int) -> Tensor:
    """Where the ways of growing with the lead begin: half a cosine, a whole one, … over the horizon, (R, H)."""
    place = (torch.arange(horizon) + 0.5) / horizon
    return torch.cos(torch.pi * torch.arange(RANK)[:, None] * place) / RANK**0.5


def choose(gate: Tensor, candidates: Tensor, present: Tensor) -> Tensor:
    """Mean of the candidates that are there, weighted by a softmax of the gate: (..., K) to (..., 1), 0 if none is.

    Written out: over so few columns it is much faster than ``torch.softmax``, and an empty row needs no care.
    """
    weight = torch.exp(gate.clamp(-15, 15)) * present
    return (weight * candidates).sum(-1, keepdim=True) / weight.sum(-1, keepdim=True).clamp(min=1e-9)


def widths(shape: Shape) -> tuple[int, int, int]:
    """I, J and K of a shape, found by asking for the features of an empty strip."""
    length = shape.lookback + shape.horizon
    empty = Strip(
        np.full((1, len(shape.channels), length), np.nan),
        np.zeros((length, shape.features), np.float32),
        np.zeros(length, np.int64),
    )
    ones = np.ones(len(shape.channels))
    found = extract(empty, shape, Usual(0 * ones, ones))
    return found.inputs.shape[-1], found.leads.shape[-1], found.candidates.shape[-1]
