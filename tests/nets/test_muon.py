"""The optimiser: as far in every direction."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from forecaster.nets.muon import Muon, orthonormal


@pytest.mark.parametrize(("rows", "columns"), [(12, 12), (30, 8), (8, 30)])
def test_singular_values_come_near_one(rows: int, columns: int) -> None:
    """Of each matrix of a stack alone, however large it is."""
    torch.manual_seed(1)
    matrices = torch.randn(2, 3, rows, columns) * torch.tensor([1e-4, 1.0, 1e4])[:, None, None]

    values = torch.linalg.svdvals(orthonormal(matrices))

    assert values.max() < 1.3
    assert values.median() > 0.7


def test_nothing_to_learn_is_no_step() -> None:
    """A gradient of zeros."""
    weight = nn.Parameter(torch.ones(1, 3, 4))
    weight.grad = torch.zeros_like(weight)

    Muon({weight: 1}, lr=0.1, weight_decay=0.0, stride=0.2).step()

    assert weight.equal(torch.ones(1, 3, 4))


def test_parts_step_by_themselves() -> None:
    """A gate whose gradient is a thousand times smaller than that of the one beside it moves as far."""
    torch.manual_seed(1)
    weight = nn.Parameter(torch.zeros(1, 5, 8))
    weight.grad = torch.randn(1, 5, 8) * torch.tensor([1e3, 1.0]).repeat_interleave(4)

    Muon({weight: 2}, lr=0.1, weight_decay=0.0, stride=0.2).step()

    left, right = weight.detach().split(4, dim=-1)
    torch.testing.assert_close(left.norm(), right.norm(), rtol=0.3, atol=0.0)
