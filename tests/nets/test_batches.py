"""What is made piece by piece is what is made in one go."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from worlds import dataset, homes, hourly_group

from forecaster.nets import batches
from forecaster.nets.batches import lesson, piece, whole
from forecaster.nets.features import Usual
from forecaster.nets.shape import shape_of


@pytest.mark.parametrize("every", [1, 3])
@pytest.mark.parametrize("steps", [119, 120, 121])
def test_pieces_are_the_whole(monkeypatch: pytest.MonkeyPatch, steps: int, every: int) -> None:
    """Bit for bit, whatever is left over at the end."""
    group = hourly_group()
    data = dataset(homes(2, 121), group)
    shape = shape_of(group, data.calendar.shape[-1])
    strip = whole(data, shape.horizon, shape.lookback, steps)
    usual = Usual(np.zeros(1), np.ones(1))
    monkeypatch.setattr(batches, "PIECE", 24 * shape.horizon)

    parts, all_at_once = lesson(strip, shape, usual, every), piece(strip, shape, usual, every)

    assert len(parts) == len(all_at_once)
    for one, other in zip(parts, all_at_once, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0, equal_nan=True)
