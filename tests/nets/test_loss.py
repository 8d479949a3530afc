"""The pinball loss by hand."""

from __future__ import annotations

import pytest
import torch
from torch import tensor

from forecaster.nets.loss import FAR, pinball_loss

LEVELS = tensor([0.1, 0.5, 0.9])


def test_loss_by_hand() -> None:
    """Truth 3 against 1, 3 and 5: 0.1 · 2, 0 and 0.1 · 2, mean 0.4 / 3."""
    loss = pinball_loss(tensor([[[1.0, 3.0, 5.0]]]), tensor([[3.0]]), tensor([[1.0]]), LEVELS)

    assert loss.item() == pytest.approx(0.4 / 3)


def test_too_high_and_too_low_weigh_as_the_level_says() -> None:
    """At level 0.9 a truth above costs nine times a truth below."""
    low = pinball_loss(tensor([[[0.0]]]), tensor([[1.0]]), tensor([[1.0]]), tensor([0.9]))
    high = pinball_loss(tensor([[[2.0]]]), tensor([[1.0]]), tensor([[1.0]]), tensor([0.9]))

    assert (low.item(), high.item()) == pytest.approx((0.9, 0.1))


def test_gap_counts_nothing() -> None:
    """NaN where not observed changes neither the loss nor the gradient; nothing observed is 0."""
    forecast = torch.ones(1, 2, 3, requires_grad=True)

    pinball_loss(forecast, tensor([[2.0, torch.nan]]), tensor([[1.0, 0.0]]), LEVELS).backward()

    assert forecast.grad is not None
    assert torch.isfinite(forecast.grad).all()
    assert forecast.grad[0, 1].tolist() == [0, 0, 0]
    assert pinball_loss(forecast, tensor([[torch.nan] * 2]), torch.zeros(1, 2), LEVELS).item() == 0


def test_mad_truth_is_not_heard_louder() -> None:
    """A target far away in units of the local scale counts as one at the limit."""
    zero, one = torch.zeros(1, 1, 3), torch.ones(1, 1)

    assert pinball_loss(zero, one * 1e9, one, LEVELS) == pinball_loss(zero, one * FAR, one, LEVELS)


def test_smallest_at_the_quantile() -> None:
    """Over 1 … 100 no guess is better than the 90th for the 0.9-quantile."""
    truth = torch.arange(1.0, 101.0)[None]

    losses = [
        pinball_loss(torch.full((1, 100, 1), guess), truth, torch.ones(1, 100), tensor([0.9])).item()
        for guess in torch.arange(1.0, 101.0).tolist()
    ]

    assert min(losses) == pytest.approx(losses[89])
    assert losses[89] < losses[80]
    assert losses[89] < losses[98]
