"""Whatever a network says, what is published is not worse than naive for long."""

from __future__ import annotations

import numpy as np
from streams import Made, Thought, live

from forecaster.records import Array


def carried(windows: Array) -> tuple[Array, Array]:
    """Right for a series of which 0.95 is carried from hour to hour about 10, with innovations of 1."""
    part = 0.95 ** np.arange(1, 4)
    spread = np.sqrt(np.cumsum(0.95 ** (2 * np.arange(3))))
    return 10 + (windows[:, -1:] - 10) * part, np.broadcast_to(spread, (len(windows), 3))


def signal(random: np.random.Generator, steps: int, streams: int) -> Array:
    values = np.zeros((steps, streams))
    for step in range(1, steps):
        values[step] = 0.95 * values[step - 1] + random.normal(size=streams)
    return 10 + values


def test_noise_turns_a_stream_to_naive_and_a_signal_back() -> None:
    """The network's model is right, then the stream becomes white noise of the same size, then it is right again."""
    random, streams = np.random.default_rng(0), 3
    white = 10 + 3 * random.normal(size=(600, streams))
    told = live(
        np.concatenate([signal(random, 400, streams), white, signal(random, 600, streams)]), network=Made(carried)
    )

    assert all("0001" in source for source in told.sources(390, 400))  # of which the last value is nearly as right
    assert "0001" not in told.sources(700, 1000)
    assert "climatology" in " ".join(told.sources(990, 1000))
    published = np.abs(told.truth[1:] - told.quantiles[:-1, :, 0, 2])  # one step ahead
    own = np.abs(told.truth[1:] - (10 + 0.95 * (told.truth[:-1] - 10)))
    best = np.abs(told.truth[1:] - 10)  # nobody can know more of noise than its mean
    assert published[900:999].mean() < 1.1 * best[900:999].mean() < 0.9 * own[900:999].mean()
    assert published[1400:].mean() < 1.02 * own[1400:].mean() < 0.5 * best[1400:].mean()


def test_a_second_opinion_is_left_when_it_is_wrong_and_heard_when_it_is_right() -> None:
    """It takes every value for a part of a wave that is carried on, right for the first 600 hours only."""
    random, streams = np.random.default_rng(0), 3

    def persistent(windows: Array) -> Array:
        return np.repeat(windows[:, -1:], 3, axis=1)

    def mean(windows: Array) -> tuple[Array, Array]:
        return np.full((len(windows), 3), 10.0), np.full((len(windows), 3), 3.0)

    walk = 10 + 3 * np.sin(np.arange(600) / 40)[:, None] + 0.1 * random.normal(size=(600, streams))
    white = 10 + 3 * random.normal(size=(900, streams))
    told = live(np.concatenate([walk, white]), network=Made(mean, second=Thought(persistent)))
    away = np.abs(told.truth[1:] - told.quantiles[:-1, :, 0, 2])
    best = np.abs(told.truth[1:] - 10)
    assert away[500:599].mean() < 0.3 * best[500:599].mean()
    assert away[1300:].mean() < 1.1 * best[1300:].mean()


def test_a_network_that_is_lost_hardly_harms() -> None:
    """One far off from the beginning: from the third day on the naive forecast is published."""
    random = np.random.default_rng(1)
    lost = Made(lambda windows: (np.full((len(windows), 3), 1000.0), np.ones((len(windows), 3))))
    told = live(10 + random.normal(size=(120, 3)), network=lost)
    assert not any("0001" in source for source in told.sources(48, 120))
    assert (np.abs(told.quantiles[72:, ..., 2] - 10) < 3).all()
