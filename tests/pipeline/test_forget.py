"""Stretches that no forecast looks at."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from engines import HOUR_MS, START_MS, Counter, an_engine, at_hour, forecasts, power, wave

from forecaster.records import Closed, Forget, ModelReady, Verified
from forecaster.settings import Exclusion
from forecaster.testing import a_group


def test_what_is_forgotten_was_never_seen() -> None:
    """A broken sensor's readings, forgotten, leave forecasts within 1 % of those of a run without them."""
    group = a_group(seasons=(24,), lookback=168)
    broken, clean = an_engine(group), an_engine(group)
    for engine, value in ((broken, b"5000"), (clean, None)):
        for hour in range(120):
            message = power(hour, 10 + np.sin(hour / 24 * 2 * np.pi))
            if 50 <= hour < 60 and value is not None:
                message = replace(message, payload=value)
            engine.handle([] if 50 <= hour < 60 and value is None else [message])
    stretch = Exclusion(stream="a", since_ms=START_MS + 50 * HOUR_MS, until_ms=START_MS + 60 * HOUR_MS)

    broken.handle([Forget("household", stretch)])

    expected, found = (forecasts(engine.handle([power(120, 10), power(121, 10)])) for engine in (clean, broken))
    assert expected.keys() == found.keys()
    for key, quantiles in expected.items():
        np.testing.assert_allclose(found[key], quantiles, rtol=0.01)


def test_what_is_yet_to_come_of_a_forgotten_stretch_is_kept_and_not_looked_at() -> None:
    """A holiday told ahead: the history has it, the forecast goes on as if nothing had been measured."""
    engine = an_engine(a_group(seasons=(24,), lookback=168))
    engine.handle([power(hour, 10) for hour in range(72)])
    engine.handle([Forget("household", Exclusion(stream="a", since_ms=at_hour(70), until_ms=at_hour(96)))])

    effects = engine.handle([power(hour, 1000) for hour in range(72, 97)])

    kept = [one.values.item() for one in effects if isinstance(one, Closed)]
    assert kept == [10.0, *[1000.0] * 24]
    assert all(one.truth.max() <= 10 for one in effects if isinstance(one, Verified))
    np.testing.assert_allclose(forecasts(effects)["a", at_hour(96)], 10, rtol=1e-5)
    assert 1000 in [one.truth.item() for one in engine.handle([power(97, 10)]) if isinstance(one, Verified)]


def test_a_snapshot_between_a_fault_and_its_end_changes_nothing() -> None:
    """How it was before is known after a restart too."""
    engine, again = an_engine(), an_engine()
    engine.handle(wave(30))
    engine.handle([power(hour, 5000) for hour in range(30, 34)])
    assert again.restore(*engine.state(), {}) == {}
    forget = Forget("household", Exclusion(stream="a", since_ms=at_hour(30), until_ms=at_hour(34)))

    found, expected = (forecasts(one.handle([forget, power(34, 10)])) for one in (again, engine))

    assert found.keys() == expected.keys() == {("a", at_hour(33)), ("a", at_hour(34))}
    for key, quantiles in expected.items():
        np.testing.assert_array_equal(found[key], quantiles)


def test_what_one_fault_taught_does_not_come_back_with_another_that_is_forgotten() -> None:
    """What had been learned by the second was learned from the first; their order is nothing."""
    one, other = an_engine(), an_engine()
    for engine in (one, other):
        engine.handle(wave(100))
        engine.handle([power(hour, 5000) for hour in range(100, 104)])
        engine.handle(wave(130)[104:])
    fault, spike = (
        Forget("household", Exclusion(stream="a", since_ms=at_hour(first), until_ms=at_hour(end)))
        for first, end in ((100, 104), (126, 127))
    )

    one.handle([fault, spike])
    other.handle([spike, fault])

    found, expected = (forecasts(engine.handle([power(130, 10)])) for engine in (one, other))
    np.testing.assert_allclose(found["a", at_hour(130)], expected["a", at_hour(130)], rtol=1e-5)


def test_what_many_streams_learned_is_kept_where_it_cannot_be_learned_again_in_time() -> None:
    """A hundred thousand forecasts from four thousand steps each; what was learned of ranges is better than nothing."""
    homes = [f"{number}" for number in range(52)]
    group = a_group(lookback=4000)
    kept, found = an_engine(group), an_engine(group)
    for engine in (kept, found):
        engine.handle(
            [power(hour, 10 + np.sin(hour**2) * (20 if hour < 40 else 1), h) for hour in range(100) for h in homes]
        )

    found.handle([Forget("household", Exclusion(stream="*", since_ms=at_hour(-1), until_ms=at_hour(1)))])

    expected, told = (forecasts(engine.handle([power(100, 10, home) for home in homes])) for engine in (kept, found))
    for home in homes:
        np.testing.assert_allclose(told[home, at_hour(100)], expected[home, at_hour(100)], atol=1)


def test_only_streams_that_had_something_forgotten_are_rebuilt() -> None:
    """The hidden state of the others goes on; theirs has walked over what is learned again."""
    engine = an_engine()
    engine.handle(wave(20, ("a", "b")))
    engine.handle([ModelReady("household", "0001", Counter())])

    engine.handle(wave(30, ("a", "b"))[40:])
    engine.handle([Forget("household", Exclusion(stream="b", since_ms=at_hour(27), until_ms=at_hour(28)))])
    engine.handle([Forget("household", Exclusion(stream="a", since_ms=0, until_ms=1))])
    found = forecasts(engine.handle([power(30, 10), power(30, 11, "b")]))

    assert [found[home, at_hour(30)][0, 0] for home in "ab"] == pytest.approx([15.0, 11.0])
