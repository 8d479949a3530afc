"""A start: from snapshot and journal, from the journal alone, from the history, from whatever is left."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lives import HOUR_MS, Adder, Disk, Forecasts, Life, closed, forecasts

from forecaster.ports import Predictor
from forecaster.records import Event, Message, ModelReady, Tick, Verified
from forecaster.settings import Group
from forecaster.testing import MemoryJournal, a_group, a_source, at

START_MS = at("00:00")
GROUP = a_group()


def power(hour: float, value: float, home: str = "a") -> Message:
    return Message(f"home/{home}/power", f"{value:g}".encode(), START_MS + round(hour * HOUR_MS))


def wave(first: int, last: int, homes: str = "a") -> list[Event]:
    return [
        power(hour + 0.5, 10 + np.sin(hour) + i, home) for hour in range(first, last) for i, home in enumerate(homes)
    ]


def house(time: str, value: float) -> Message:
    return Message("house/b/power", f"{value:g}".encode(), at(time))


def adder(_group: Group, version: str) -> Predictor | None:
    return Adder(version)


def verified(life: Life) -> list[Verified]:
    return [effect for effect in life.effects if isinstance(effect, Verified)]


def same(found: Forecasts, expected: Forecasts) -> None:
    assert found.keys() == expected.keys()
    for key, quantiles in expected.items():
        np.testing.assert_allclose(found[key], quantiles, rtol=1e-6, err_msg=str(key))


def test_snapshot_and_journal_continue_an_unbroken_run() -> None:
    """Hidden states, windows, open cells and outstanding forecasts included."""
    unbroken, disk = Life(Disk(), GROUP, find_model=adder), Disk()
    before, between = [*wave(0, 9), ModelReady("household", "0001", Adder())], wave(9, 14)
    unbroken.live(*before, *between)
    first = Life(disk, GROUP, find_model=adder)
    first.live(*before)
    first.snapshot()
    first.live(*between)

    second = Life(disk, GROUP, find_model=adder)
    unbroken.effects.clear()
    for life in (unbroken, second):
        life.live(*wave(14, 17))

    same(forecasts(second.effects), forecasts(unbroken.effects))
    assert second.engine.version("household") == "0001"


def test_the_newest_forecasts_are_published_again() -> None:
    """The last of them may not have left the house."""
    disk = Disk()
    first = Life(disk, GROUP)
    first.live(*wave(0, 9, "ab"))
    newest = {key: value for key, value in forecasts(first.effects).items() if key[1] == at("08:00")}
    same(Life(disk, GROUP).current, newest)


def test_a_complete_journal_needs_no_snapshot() -> None:
    """Killed within its first minutes."""
    disk, unbroken = Disk(), Life(Disk(), GROUP)
    Life(disk, GROUP).live(*wave(0, 5))
    second = Life(disk, GROUP)
    unbroken.live(*wave(0, 5))
    unbroken.effects.clear()
    for life in (unbroken, second):
        life.live(*wave(5, 7))
    same(forecasts(second.effects), forecasts(unbroken.effects))


def test_steps_closed_in_the_replay_reach_the_history() -> None:
    """They may have been on their way when the process was killed."""
    disk = Disk()
    Life(disk, GROUP).live(*wave(0, 5))
    second = Life(disk, GROUP)
    second.flush()
    assert list(second.stored("household")) == [("a", START_MS + hour * HOUR_MS) for hour in range(4)]


def test_a_pruned_journal_is_helped_by_the_history() -> None:
    """All snapshots broken: the windows come from the stored steps, the open step from the journal."""
    disk, unbroken = Disk(), Life(Disk(), GROUP)
    unbroken.live(*wave(0, 9))
    first = Life(disk, GROUP)
    first.live(*wave(0, 5))
    first.flush()
    first.live(*wave(5, 9))
    first.flush()
    disk.journal.prune(5)

    second = Life(disk, GROUP)
    unbroken.effects.clear()
    for life in (unbroken, second):
        life.live(*wave(9, 12))
    assert closed(second.effects) == closed(unbroken.effects)
    # the history does not tell how far to correct the ranges: that is learned again
    found, expected = (
        {key: one[:, [2]] for key, one in forecasts(life.effects).items()} for life in (second, unbroken)
    )
    same(found, expected)


def test_a_journal_that_was_moved_away_leaves_the_snapshot() -> None:
    """What the advice about a damaged journal leads to; and the crash after that loses nothing either."""
    disk = Disk()
    first = Life(disk, GROUP)
    first.live(*wave(0, 9))
    first.snapshot()
    disk.journal = MemoryJournal()

    second = Life(disk, GROUP)
    second.live(*wave(9, 11))
    assert second.rebuilt
    assert second.engine.observed("household") == 10
    assert closed(second.effects)["a", at("08:00")] == pytest.approx(10 + np.sin(8), rel=1e-3)

    second.flush()
    third = Life(disk, GROUP)
    assert third.rebuilt
    assert third.engine.observed("household") == 10


def test_lost_snapshots_and_journal_leave_the_history() -> None:
    """Only history.db was kept, as after moving to another machine."""
    disk = Disk()
    first = Life(disk, GROUP)
    first.live(*wave(0, 9))
    first.flush()
    second = Life(Disk(history=disk.history), GROUP)
    assert second.engine.observed("household") == 8
    assert list(second.current) == [("a", at("08:00"))]  # at once, not after the next step
    second.live(power(9.5, 4), power(10.5, 4))
    assert closed(second.effects) == {("a", at("08:00")): pytest.approx(np.nan, nan_ok=True), ("a", at("09:00")): 4.0}


def test_a_first_start_says_nothing_about_the_history(caplog: pytest.LogCaptureFixture) -> None:
    """There is none, and nothing is wrong."""
    with caplog.at_level(logging.INFO):
        Life(Disk(), GROUP)
    assert [record.getMessage() for record in caplog.records] == ["state restored position=0 replayed=0"]


def test_a_snapshot_newer_than_the_journal_is_not_believed(caplog: pytest.LogCaptureFixture) -> None:
    """The journal lost its end: positions would be given twice. The snapshot before it serves."""
    disk = Disk()
    first = Life(disk, GROUP)
    first.live(*wave(0, 5))
    first.snapshot()
    disk.snapshots.save(1000, *first.engine.state())
    assert Life(disk, GROUP).position == 5
    assert "snapshot is newer than the journal, ignored position=1000 journal=5" in caplog.messages


def test_no_model_is_looked_for_where_naive_served() -> None:
    """Seasonal naive is not in the registry; an error in the log of each start would frighten people."""
    asked: list[str] = []

    def ask(_group: Group, version: str) -> Predictor | None:
        asked.append(version)
        return None

    disk = Disk()
    first = Life(disk, GROUP)
    first.live(*wave(0, 5))
    first.snapshot()
    assert Life(disk, GROUP, find_model=ask).engine.version("household") == "seasonal_naive"
    assert asked == []


@pytest.mark.parametrize("snapshot", [False, True])
def test_without_its_model_a_group_is_served_by_naive(snapshot: bool) -> None:
    """Until another one is offered; the forecast published again still says who made it."""
    disk = Disk()
    first = Life(disk, GROUP, find_model=adder)
    first.live(*wave(0, 5), ModelReady("household", "0001", Adder()))
    first.live(*wave(5, 7))
    if snapshot:
        first.snapshot()
    second = Life(disk, GROUP)
    second.live(*wave(7, 9))
    assert second.engine.version("household") == "seasonal_naive"
    assert forecasts(second.effects).keys() == {("a", at("07:00")), ("a", at("08:00"))}


CHANGED = {
    "horizon": a_group(horizon=5),
    "levels": a_group(levels=(0.1, 0.5, 0.9)),
    "lookback": a_group(lookback=20),
    "seasons": a_group(seasons=(2,)),
    "lateness": a_group(lateness_s=40_000.0),
    "fewer streams": a_group(max_streams=1),
    "kind": a_group(sources=(a_source(kind="amount", aggregate="sum"),)),
    "aggregate": a_group(sources=(a_source(aggregate="max"),)),
}


@pytest.mark.parametrize("changed", CHANGED.values(), ids=CHANGED.keys())
def test_a_group_whose_settings_changed_goes_on_from_its_history(changed: Group) -> None:
    """The state does not fit any more; the stored steps do."""
    disk = Disk()
    first = Life(disk, GROUP)
    first.live(*wave(0, 9, "ab"))
    first.snapshot()
    first.live(*wave(9, 11, "ab"))
    first.flush()

    second = Life(disk, changed)
    second.live(power(11.5, 1), power(11.6, 5), Tick(at("12:00") + 40_000_000))

    assert second.engine.observed("household") >= 11
    expected = {"kind": 6.0, "aggregate": 5.0}.get(next(key for key, one in CHANGED.items() if one is changed), 3.0)
    assert closed(second.effects)["a", at("11:00")] == expected
    for (_, _), quantiles in forecasts(second.effects).items():
        assert quantiles.shape == (changed.horizon, len(changed.levels))


def test_a_model_that_still_fits_remembers_the_steps_of_the_history() -> None:
    """Its settings are the same, only what the sensors send is summed up otherwise."""
    disk, group = Disk(), a_group(lookback=8, seasons=())
    first = Life(disk, group, find_model=adder)
    first.live(ModelReady("household", "0001", Adder()), *wave(0, 40))
    first.snapshot()

    second = Life(disk, replace(group, sources=(a_source(aggregate="max"),)), find_model=adder)

    seen = 10 + np.sin(np.arange(35, 39))  # as many as the model asks for; the hour after them is still open
    found = second.current["a", START_MS + 39 * HOUR_MS]
    np.testing.assert_allclose(found[:, 2], (seen * 0.9 ** np.arange(4)[::-1]).sum() + 2, rtol=1e-4)


def test_a_source_that_was_taken_away_is_left_behind() -> None:
    """Its streams are no longer known; those of the others go on, whatever their number is now."""
    one, two = a_source(), a_source(topic="house/{house}/power")
    for left in (one, two):
        disk = Disk()
        both = Life(disk, a_group(sources=(one, two)))
        both.live(*wave(0, 5), house("04:40", 7), house("05:40", 7))
        both.snapshot()

        second = Life(disk, a_group(sources=(left,)))
        second.live(power(6.5, 3), house("06:40", 8), Tick(at("07:00")))

        stream, value, observed = ("a", 3.0, 6) if left is one else ("b", 8.0, 3)
        assert closed(second.effects)[stream, at("06:00")] == value
        assert second.engine.observed("household") == observed


def test_a_meter_goes_on_counting_after_a_change_of_settings() -> None:
    """The journal tells where it stood, so the step that was open does not lose its first minutes."""
    meter = a_source(kind="meter", aggregate="sum")
    disk = Disk()
    first = Life(disk, a_group(sources=(meter,)))
    events = [
        event
        for hour in range(10)
        for event in [
            Tick(START_MS + hour * HOUR_MS),
            *(power(hour + 0.1 + quarter / 4, 1000 + 4 * hour + quarter) for quarter in range(4)),
        ]
    ]
    first.live(*events[:25])
    first.snapshot()
    first.live(*events[25:43])
    first.flush()
    second = Life(disk, a_group(sources=(meter,), horizon=2))
    second.live(*events[43:])
    assert closed(second.effects)[("a", at("08:00"))] == pytest.approx(4.0)


MOMENTS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 60), st.integers(-50, 50)), max_size=40)
KILLS = st.lists(st.tuples(st.integers(0, 40), st.sampled_from(["", "flush", "snapshot"])), max_size=4)


def events_of(moments: list[tuple[int, int, int]]) -> list[Event]:
    """Messages of three homes, ticks and promotions, from (what, quarter of an hour, value), in time order."""
    events: list[Event] = []
    for what, quarter, value in sorted(moments, key=lambda moment: moment[1]):
        match what:
            case 3:
                events.append(Tick(START_MS + quarter * HOUR_MS // 4))
            case 4:
                events.append(ModelReady("household", f"{abs(value):04d}", Adder(f"{abs(value):04d}")))
            case home:
                events.append(power(quarter / 4, value, "abc"[home]))
    return events


@settings(max_examples=60, deadline=None)
@given(MOMENTS, KILLS)
def test_killed_after_any_event_the_forecasts_are_those_of_an_unbroken_run(
    moments: list[tuple[int, int, int]], kills: list[tuple[int, str]]
) -> None:
    """However often, with snapshots taken and the history flushed at any time before."""
    events = events_of(moments)
    unbroken, disk = Life(Disk(), GROUP, find_model=adder), Disk()
    for event in events:
        unbroken.live(event)
    unbroken.flush()

    found: Forecasts = {}
    life = Life(disk, GROUP, find_model=adder)
    saved = dict(kills)
    for number, event in enumerate(events):
        if number in saved:
            if saved[number]:
                getattr(life, saved[number])()
            life = Life(disk, GROUP, find_model=adder)
        before = len(life.effects)
        life.live(event)
        found |= forecasts(life.effects[before:])
    life.flush()

    same(found, forecasts(unbroken.effects))
    expected = unbroken.stored("household")
    assert life.stored("household").keys() == expected.keys()
    np.testing.assert_array_equal(list(life.stored("household").values()), list(expected.values()))
    np.testing.assert_array_equal(list(expected.values()), [expected[key] for key in life.stored("household")])


@pytest.mark.parametrize("lost", ["nothing", "snapshot", "journal"])
@pytest.mark.parametrize("time", [None, "$.t"], ids=["arrival", "own time"])
@pytest.mark.parametrize("kind", ["gauge", "amount", "meter"])
def test_a_retained_message_counts_once_however_often_it_comes(kind: str, time: str | None, lost: str) -> None:
    """It comes at every connection, so at every start; what it says is known by then."""
    aggregate = "sum" if kind == "amount" else "mean"
    group = a_group(sources=(a_source(kind=kind, aggregate=aggregate, value="$.v", time=time),))

    def said(hour: float, value: float) -> Message:
        at_ms = START_MS + round(hour * HOUR_MS)
        return Message("home/a/power", f'{{"v": {value}, "t": {at_ms}}}'.encode(), at_ms)

    def again(message: Message, hour: float) -> Message:
        return replace(message, received_ms=START_MS + round(hour * HOUR_MS), retained=True)

    first = [said(hour + 0.5, hour + 1) for hour in range(6)]
    newest, later = said(6.2, 9), [said(6.5, 11), said(7.5, 12), said(8.5, 13), Tick(START_MS + 10 * HOUR_MS)]
    once, disk = Life(Disk(), group), Disk()
    once.live(*first, newest)
    once.live(*later)
    one = Life(disk, group)
    one.live(*first, newest)
    one.live(again(newest, 6.3))
    if lost != "snapshot":
        one.snapshot()
    if lost == "journal":
        disk.journal.prune(disk.journal.last())
    another = Life(disk, group)
    another.live(again(newest, 6.4))
    another.live(*later)

    assert closed(one.effects + another.effects) == pytest.approx(closed(once.effects), nan_ok=True)
    assert closed(once.effects)["a", START_MS + 6 * HOUR_MS] > 0


@pytest.mark.parametrize("snapshot", [True, False])
def test_the_end_of_an_anomaly_is_told_after_a_restart(snapshot: bool) -> None:
    """Whoever was told that a value is out of range is told that this is over: once, and by a forecast."""
    disk = Disk()
    first = Life(disk, GROUP)
    first.live(*(power(hour + 0.5, 10 + hour % 2) for hour in range(40)), power(40.5, 100), power(41.5, 10))
    assert [bool(one.anomaly[0] > 1) for one in verified(first)[-2:]] == [False, True]
    if snapshot:
        first.snapshot()
    second = Life(disk, GROUP)
    second.live(*(power(hour + 0.5, 10 + hour % 2) for hour in range(42, 45)))
    assert sum(one.over[0] for one in verified(second)) == 1


def test_an_anomaly_is_not_over_while_nothing_was_forecast() -> None:
    """After a long silence there is nothing to hold a value against."""
    life = Life(Disk(), GROUP)
    life.live(
        *(power(hour + 0.5, 10 + hour % 2) for hour in range(40)), power(40.5, 100), Tick(START_MS + 41 * HOUR_MS)
    )
    first = 41 + 2 * GROUP.lookback
    life.live(*(power(hour + 0.5, 10 + hour % 2) for hour in range(first, first + 4)))
    later = [one for one in verified(life) if one.start_ms >= START_MS + first * HOUR_MS]
    assert np.isnan(later[0].anomaly[0])
    assert [bool(one.over[0]) for one in later] == [False, True, False]
