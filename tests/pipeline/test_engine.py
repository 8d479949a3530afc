"""The fold: events in, effects out."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from engines import HOUR_MS, START_MS, Adviser, Counter, an_engine, at_hour, forecasts, kinds, power, wave
from hypothesis import given, settings
from hypothesis import strategies as st

from forecaster.inputs import Inputs
from forecaster.nets.baseline import Climatology, SeasonalNaive
from forecaster.ports import Predictor
from forecaster.records import (
    Accepted,
    Array,
    Closed,
    Drifted,
    Event,
    Issued,
    Message,
    ModelReady,
    Reject,
    Swapped,
    Tick,
    Verified,
)
from forecaster.settings import Step
from forecaster.testing import a_group, a_source


def test_a_step_that_closes_is_forecast_and_the_forecast_verified() -> None:
    """Readings of two hours: the first closes, is forecast, and the second, closed by the clock, is compared."""
    engine = an_engine()

    first = engine.handle([power(0.5, 10), power(1.5, 12)])
    second = engine.handle([Tick(START_MS + 2 * HOUR_MS)])

    assert kinds(first) == ["Accepted", "Closed", "Verified", "Issued"]
    assert kinds(second) == ["Closed", "Verified", "Issued"]
    closed, verified, issued = second
    assert isinstance(closed, Closed)
    assert isinstance(verified, Verified)
    assert isinstance(issued, Issued)
    assert (closed.series, closed.start_ms, closed.values.tolist()) == (["a"], START_MS + HOUR_MS, [12.0])
    assert verified.truth.tolist() == [12.0]
    np.testing.assert_array_equal(verified.quantiles[0, :, 2], [10.0, np.nan, np.nan])
    assert issued.origin_ms == START_MS + 2 * HOUR_MS
    assert issued.starts_ms.tolist() == [START_MS + hour * HOUR_MS for hour in (2, 3, 4)]
    assert issued.models == ["seasonal_naive"]


def test_bad_messages_are_values() -> None:
    """Each is a Reject with its reason; the good one beside them is used."""
    engine = an_engine(a_group(sources=(a_source(valid=(0.0, 100.0)),)))
    bad = [
        power(0.1, 1, topic="other"),
        power(0.1, 1, payload=b"\xff\x00"),
        power(0.1, 1, payload=b"NaN"),
        power(0.1, 101),
        power(0.1, 1, payload=b"1" * 1_000_000),
    ]

    effects = engine.handle([*bad, power(0.2, 50)])

    rejects = [effect.reason for effect in effects if isinstance(effect, Reject)]
    accepted = [effect.count for effect in effects if isinstance(effect, Accepted)]
    assert rejects == ["unknown_topic", "parse", "not_finite", "range", "too_large"]
    assert accepted == [1]


def test_a_full_group_refuses_more_streams() -> None:
    """Those it has go on."""
    engine = an_engine(a_group(max_streams=2))
    effects = engine.handle([power(0, 1, "a"), power(0, 1, "b"), power(0, 1, "c"), power(0.1, 1, "a")])
    assert [(effect.stream, effect.reason) for effect in effects if isinstance(effect, Reject)] == [
        ("c", "max_streams")
    ]


def test_retained_messages_are_used_once() -> None:
    """The first value of a stream may be a retained one; after that they are old news."""
    engine = an_engine()
    effects = engine.handle([power(0, 1, retained=True), power(0.1, 1, retained=True), power(0.2, 1)])
    assert [effect.reason for effect in effects if isinstance(effect, Reject)] == ["retained"]


def test_what_is_delivered_again_is_not_counted_again() -> None:
    """Known by packet identifier, although its arrival is another; what merely says the same is counted."""
    engine = an_engine(a_group(sources=(a_source(kind="amount", aggregate="sum"),)))
    pulse = power(0.1, 1, identifier=7)
    effects = engine.handle(
        [
            pulse,
            power(0.2, 1, identifier=8),
            power(0.3, 1, identifier=7, redelivered=True),
            power(0.4, 1, identifier=9, redelivered=True),
            Tick(START_MS + HOUR_MS),
        ]
    )
    closed = next(effect for effect in effects if isinstance(effect, Closed))
    assert closed.values.tolist() == [3.0]


def test_a_burst_of_one_millisecond_is_no_duplicate() -> None:
    """What waited at the broker while we were away arrives at once; without times of its own, all of it counts."""
    engine = an_engine(a_group(sources=(a_source(kind="amount", aggregate="sum"),)))
    effects = engine.handle([power(0.1, 1), power(0.1, 2), power(0.1, 3), Tick(START_MS + HOUR_MS)])
    assert [effect.values.tolist() for effect in effects if isinstance(effect, Closed)] == [[6.0]]


def test_time_in_the_messages_moves_a_replayed_clock() -> None:
    """With ``clock: events`` readings of years ago close their steps, and no tick is asked for."""
    engine = an_engine(a_group(sources=(a_source(value="$.v", time="$.t"),)), clock="events")
    old = [
        Message("home/a/power", b'{"v": 1, "t": "2013-05-01T00:00:00Z"}', START_MS),
        Message("home/b/power", b'{"v": 2, "t": "2013-05-01T01:00:00Z"}', START_MS),
    ]
    effects = engine.handle(old)
    assert [effect.series for effect in effects if isinstance(effect, Closed)] == [["a"]]
    assert engine.due_ms() is None


@pytest.mark.parametrize("step", [Step(unit="day", count=1, text="1d"), Step(unit="month", count=1, text="month")])
def test_what_is_known_ahead_may_come_first(step: Step) -> None:
    """Tomorrow's weather before any target, when no time has passed yet; it is there when the target comes."""
    weather = a_source(topic="weather", value="$.v", time="$.t", role="future")
    target = a_source(value="$.v", time="$.t")
    engine = an_engine(a_group(sources=(target, weather), step=step), clock="events")

    ahead = [Message("weather", b'{"v": 5, "t": "2013-05-%02dT00:00:00Z"}' % day, START_MS) for day in (1, 2)]
    measured = [Message("home/a/power", b'{"v": 1, "t": "2013-0%d-01T00:00:00Z"}' % m, START_MS) for m in (5, 6)]
    effects = engine.handle([*ahead, *measured])

    assert ("~weather#$.v", 5.0) in [
        (name, value)
        for effect in effects
        if isinstance(effect, Closed)
        for name, value in zip(effect.series, effect.values.tolist(), strict=True)
    ]


def test_groups_are_replayed_one_after_another() -> None:
    """The years of the first do not make those of the second too late."""
    groups = [
        a_group(name=name, sources=(a_source(topic=f"{name}/{{home}}", value="$.v", time="$.t"),))
        for name in ("heat", "power")
    ]
    engine = an_engine(*groups, clock="events")
    table = [
        Message(f"{name}/a", b'{"v": 1, "t": "2013-05-01T%02d:00:00Z"}' % hour, START_MS)
        for name in ("heat", "power")
        for hour in range(9)
    ]

    assert {"Reject"} & set(kinds(engine.handle(table))) == set()
    assert [engine.observed(name) for name in ("heat", "power")] == [8, 8]


@pytest.mark.parametrize("levels", [(0.5,), (0.5, 0.9), (0.1, 0.5)])
def test_levels_may_lie_on_one_side_of_the_median(levels: tuple[float, ...]) -> None:
    """Or be the median alone."""
    effects = an_engine(a_group(levels=levels)).handle(wave(40))

    assert np.isfinite(np.stack(list(forecasts(effects).values()))).all()


def test_a_value_far_out_of_its_range_is_an_anomaly() -> None:
    """Judged by the forecast made before it came."""
    engine = an_engine()
    engine.handle([power(h, 10 + h % 2) for h in range(40)])
    ordinary = engine.handle([power(40, 10), Tick(START_MS + 41 * HOUR_MS)])
    strange = engine.handle([power(41, 100), Tick(START_MS + 42 * HOUR_MS)])
    scores = [
        float(effect.anomaly[0])
        for effects in (ordinary, strange)
        for effect in effects
        if isinstance(effect, Verified)
    ][-2:]
    assert scores[0] < 1 < scores[1]


def test_errors_that_rise_for_good_are_drift() -> None:
    """Said once, some time after the world has changed; not before."""
    random = np.random.default_rng(1)
    engine = an_engine(a_group(seasons=(24,), lookback=48))
    drifts = []
    for hour in range(900):
        spread = 1.0 if hour < 600 else 6.0
        effects = engine.handle([power(hour, 10 + spread * random.normal(), home) for home in "abcdefgh"])
        drifts += [hour for effect in effects if isinstance(effect, Drifted)]
    assert len(drifts) >= 1
    assert 600 < drifts[0] < 660


def test_a_swap_rebuilds_the_hidden_state() -> None:
    """Walked over the steps its model asks for, then carried; what was forecast naively is forecast again."""
    engine = an_engine()
    engine.handle(wave(10))

    effects = engine.handle([ModelReady("household", "0001", Counter()), power(10, 10), power(11, 10)])

    assert effects[0] == Swapped(group="household", version="0001")
    issued = [effect for effect in effects if isinstance(effect, Issued)]
    assert [(one.origin_ms - START_MS) // HOUR_MS for one in issued] == [9, 10, 11]
    assert [one.models for one in issued] == [["0001"]] * 3
    assert [one.quantiles[0, 0, 0] for one in issued] == pytest.approx([4.0, 5.0, 6.0])


def test_a_swap_walks_no_stream_that_sleeps() -> None:
    """A stream silent for longer than a lookback begins afresh anyway; a thousand of them would take minutes."""
    engine, walked = an_engine(a_group(seasons=(), lookback=8)), set[str]()
    engine.handle([*wave(3, ("a", "b")), *(power(hour, 1) for hour in range(3, 30)), Tick(START_MS + 30 * HOUR_MS)])

    class Walked(Counter):
        def step(self, state: Array, inputs: Inputs) -> tuple[Array, Array]:
            walked.update(inputs.streams)
            return super().step(state, inputs)

    engine.handle([ModelReady("household", "0001", Walked())])

    assert walked == {"a"}


def test_a_second_opinion_is_heard() -> None:
    """About half of it at first, its state carried apart; where it says nothing the network stands."""
    engine = an_engine()
    engine.handle(wave(10, ("a", "b")))
    engine.handle([ModelReady("household", "0001", Counter(second=Adviser()))])
    now = [power(hour, 10, home) for hour in (10, 11) for home in "ab"]
    said = forecasts(engine.handle([*now, Tick(START_MS + 11 * HOUR_MS)]))
    medians = {(stream, (origin - START_MS) // HOUR_MS): row[0, 2] for (stream, origin), row in said.items()}
    for hour in (10, 11):  # what was said of hour 9 has come true by then
        assert medians.pop(("a", hour)) == pytest.approx((hour - 5 - 10 * (hour - 8)) / 2, abs=2)
    assert medians == pytest.approx({("b", 10): 5, ("b", 11): 6})


def test_a_forecast_that_errs_to_one_side_for_a_while_is_moved() -> None:
    """The level wanders slowly: what the value of yesterday was too low by an hour ago it will be too low by now."""
    engine, random = an_engine(a_group(seasons=(24,), lookback=168, horizon=3)), np.random.default_rng(0)
    hours = np.arange(900)
    values = 100 + 10 * np.sin(hours / 24 * 2 * np.pi) + np.cumsum(random.normal(size=900))
    said = forecasts(
        [e for hour, value in zip(hours, values, strict=True) for e in engine.handle([power(hour, value)])]
    )

    missed = [values[hour : hour + 3] - said["a", at_hour(hour)][:, 2] for hour in hours[600:890]]
    one, _, three = np.abs(missed).mean(0)
    a_day_ago = np.abs(values[624:] - values[600:-24]).mean()

    assert one < 0.5 * a_day_ago
    assert three < 0.7 * a_day_ago


def test_a_silent_night_is_forecast_as_silent() -> None:
    """Whatever the cloudy day erred by: where nothing is ever measured, nothing is added."""
    group, random = a_group(seasons=(24,), lookback=336, horizon=12), np.random.default_rng(0)
    engine, hours = an_engine(group, first=Climatology), np.arange(900)
    sun = np.maximum(0, np.sin((hours % 24 - 6) / 12 * np.pi)) * (hours % 24 > 6) * (hours % 24 < 18)
    clear = np.repeat(random.uniform(0.2, 1, 38), 24)[:900]
    values = np.round(100 * sun * clear, 1)
    said = forecasts(
        [e for hour, value in zip(hours, values, strict=True) for e in engine.handle([power(hour, value)])]
    )

    nights = [said["a", at_hour(hour)][lead] for hour in range(700, 888) for lead in range(12) if not sun[hour + lead]]
    assert np.abs(nights).max() < 1e-9


def test_a_new_model_is_not_moved_by_what_others_erred_by() -> None:
    """Its first forecast, made at once, is its own: how many steps it has seen."""
    engine, random = an_engine(a_group(seasons=(24,), lookback=168, horizon=3)), np.random.default_rng(0)
    engine.handle([power(hour, value) for hour, value in enumerate(np.cumsum(random.normal(size=700)))])

    (quantiles,) = forecasts(engine.handle([ModelReady("household", "0001", Counter())])).values()

    assert (quantiles == np.round(quantiles)).all()


def test_covariates_stand_beside_their_stream() -> None:
    """Past ones up to now, known ones ahead, each from its own home."""
    seen: list[Inputs] = []

    class Spy(SeasonalNaive):
        def step(self, state: Array, inputs: Inputs) -> tuple[Array, Array]:
            seen.append(inputs)
            return super().step(state, inputs)

    group = a_group(
        sources=(
            a_source(),
            a_source(topic="home/{home}/temperature", role="past"),
            a_source(topic="forecast", value="$.v", time="$.t", role="future"),
        )
    )
    engine = an_engine(group, first=Spy)
    ahead = json.dumps({"v": [1, 2, 3, 4, 5], "t": [(START_MS + h * HOUR_MS) // 1000 for h in range(5)]})
    engine.handle(
        [
            Message("home/a/temperature", b"20", START_MS),
            Message("forecast", ahead.encode(), START_MS),
            power(0.1, 7),
            Tick(START_MS + HOUR_MS),
        ]
    )

    inputs = seen[-1]
    assert inputs.values[0, :, -1].tolist() == [7.0, 20.0, 1.0]
    np.testing.assert_array_equal(inputs.future[0], [[np.nan] * 3, [np.nan] * 3, [2, 3, 4]])


@pytest.mark.parametrize("model", [None, Counter(), Counter(second=Adviser())])
def test_a_restored_engine_goes_on_as_if_nothing_happened(model: Predictor | None) -> None:
    """State through JSON and arrays and back: the next forecasts are the same, bit for bit."""
    engine, other = an_engine(), an_engine()
    engine.handle([*wave(20, ("a", "b")), ModelReady("household", "0001", model), power(20.2, 3)])
    arrays, meta = engine.state()

    misfits = other.restore(arrays, json.loads(json.dumps(meta)), {"household": model} if model else {})
    after = [power(20.7, 5), power(21.5, 5), power(22.5, 5, "b")]

    assert misfits == {}
    expected, found = forecasts(engine.handle(after)), forecasts(other.handle(after))
    assert expected.keys() == found.keys()
    for key, quantiles in expected.items():
        np.testing.assert_array_equal(found[key], quantiles)
    assert [one.streams for one in other.current()] == [one.streams for one in engine.current()]


def test_a_state_of_other_settings_is_refused() -> None:
    """The group starts empty and says why; the others keep theirs."""
    one, two = a_group(name="one"), a_group(name="two", sources=(a_source(topic="x/{id}"),))
    engine = an_engine(one, two)
    engine.handle(wave(3))
    arrays, meta = engine.state()

    other = an_engine(replace(one, horizon=5), two)

    assert other.restore(arrays, meta, {}) == {"one": "the settings of the group have changed"}
    assert [effect.series for effect in other.handle(wave(2)) if isinstance(effect, Closed)] == [["a"]]


def events_of(moments: list[tuple[int, int, int]]) -> list[Event]:
    """Messages of three homes and ticks, from (home, quarter of an hour, value), in time order."""
    events: list[Event] = []
    for home, quarter, value in sorted(moments, key=lambda moment: moment[1]):
        events.append(Tick(START_MS + quarter * HOUR_MS // 4) if home == 3 else power(quarter / 4, value, "abc"[home]))
    return events


MOMENTS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 60), st.integers(-50, 50)), max_size=40)


@settings(max_examples=40)
@given(MOMENTS, st.integers(0, 40))
def test_splitting_the_events_changes_no_forecast(moments: list[tuple[int, int, int]], cut: int) -> None:
    """handle(a + b) says what handle(a), handle(b) say."""
    events = events_of(moments)
    whole, split = an_engine(), an_engine()

    expected = forecasts(whole.handle(events))
    found = forecasts(split.handle(events[:cut])) | forecasts(split.handle(events[cut:]))

    assert expected.keys() == found.keys()
    for key, quantiles in expected.items():
        np.testing.assert_allclose(found[key], quantiles, rtol=1e-6)


@settings(max_examples=40)
@given(MOMENTS, st.integers(0, 40))
def test_an_engine_survives_being_restored_anywhere(moments: list[tuple[int, int, int]], cut: int) -> None:
    """After any event: snapshot, restore, go on."""
    events = events_of(moments)
    whole, first, second = an_engine(), an_engine(), an_engine()

    whole.handle(events[:cut])
    expected = forecasts(whole.handle(events[cut:]))
    first.handle(events[:cut])
    second.restore(*first.state(), {})
    found = forecasts(second.handle(events[cut:]))

    assert expected.keys() == found.keys()
    for key, quantiles in expected.items():
        np.testing.assert_array_equal(found[key], quantiles)


@settings(max_examples=40)
@given(MOMENTS)
def test_steps_are_contiguous_and_never_rewritten(moments: list[tuple[int, int, int]]) -> None:
    """Each series closes one step after the other, whatever arrives."""
    engine = an_engine()
    starts: dict[str, list[int]] = {}
    for event in events_of(moments):
        for effect in engine.handle([event]):
            if isinstance(effect, Closed):
                for name in effect.series:
                    starts.setdefault(name, []).append(effect.start_ms)
    for found in starts.values():
        assert set(np.diff(found).tolist()) <= {HOUR_MS}
