"""Pieces are the whole, and every batch has something to forecast, whatever the lengths."""

from __future__ import annotations

from math import gcd

import numpy as np
import pytest
import torch
from worlds import dataset, homes, hourly_group

from forecaster.nets import batches
from forecaster.nets.batches import examination, few, grown, lesson, piece, sharing, whole
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


@pytest.mark.parametrize("horizon", [6, 48, 2000])
@pytest.mark.parametrize("origins", [28, 40, 46, 47, 48, 49, 72, 121])
def test_every_batch_has_forecasts(origins: int, horizon: int) -> None:
    """However long the history and the horizon; those of an exam do not all lie at the same hours of the day."""
    group = hourly_group(horizon=horizon)
    data = dataset(homes(2, origins), group)
    shape = shape_of(group, data.calendar.shape[-1])
    strip = whole(data, horizon, shape.lookback, origins)
    usual, random = Usual(np.zeros(1), np.ones(1)), np.random.default_rng(0)

    taught = list(batches.batches(batches.pool([strip], shape, usual), 1, random))
    exam = examination(strip, shape, usual, max(0, origins - 48), random)

    assert all(batch.target.shape[1] * batch.every == batch.seen.inputs.shape[1] for batch in taught)
    assert all(batch.every == sharing(horizon, origins) for batch in taught)
    assert exam.target.shape[1] >= 1
    assert gcd(exam.every, 24) <= 3


def test_some_leads_are_learned_from_at_a_time_and_all_in_time() -> None:
    """Each lead goes with its own target, candidates and features."""
    group = hourly_group(horizon=48)
    data = dataset(homes(2, 200), group)
    shape = shape_of(group, data.calendar.shape[-1])
    usual, random = Usual(np.zeros(1), np.ones(1)), np.random.default_rng(0)
    source = batches.pool([whole(data, 48, shape.lookback, 200)], shape, usual)

    taught = [batch for _ in range(8) for batch in batches.batches(source, 1, random)]

    assert {len(batch.leads) for batch in taught} == {few(48)} == {12}
    assert set(torch.cat([batch.leads for batch in taught]).tolist()) == set(range(48))
    everything = torch.cat([source.target[..., None], *source.seen[1:]], dim=-1).float()
    for batch in taught[:3]:
        found = torch.cat([batch.target[..., None], *batch.seen[1:]], dim=-1)[0, 0]  # (H', 1 + K + J)
        known = everything[:, :, batch.leads].flatten(0, 1)
        assert any(torch.equal(found.nan_to_num(9), one.nan_to_num(9)) for one in known)


def test_some_are_shown_as_if_they_had_only_just_begun() -> None:
    """An eighth once more, with nothing known before some step; what is known after it is as it was."""
    group = hourly_group()
    data = dataset(homes(16, 121), group)
    shape = shape_of(group, data.calendar.shape[-1])
    strip = whole(data, shape.horizon, shape.lookback, 121)
    random = np.random.default_rng(0)

    young = batches.late(strip, random).values[:, 0]
    everything = next(batches.pools(strip, shape, Usual(np.zeros(1), np.ones(1)), random))

    known = np.isfinite(young)
    np.testing.assert_array_equal(young[known], strip.values[:, 0][known])
    assert (np.diff(known[:, : -shape.horizon].astype(int), axis=-1) >= 0).all()
    assert len({*known.sum(-1)}) > 8
    assert len(everything.target) == 16 + 2


@pytest.mark.parametrize("own_past", [True, False])
def test_a_stream_is_learned_from_as_soon_as_a_network_would_forecast_it(own_past: bool) -> None:
    """From the end of its first season on, also where it is unknown again for a while; without its past at once."""
    group = hourly_group(own_past=own_past)
    values = homes(2, 200)
    values[1, :50] = np.nan
    values[1, 100:110] = np.nan
    data = dataset(values, group)
    shape = shape_of(group, data.calendar.shape[-1])

    found = grown(whole(data, shape.horizon, shape.lookback, 200), shape)

    first = 23 if own_past else 0
    assert found[0].tolist() == [step >= first for step in range(200)]
    assert found[1].tolist() == [step >= 50 + first for step in range(200)]
