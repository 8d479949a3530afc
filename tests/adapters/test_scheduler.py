"""When things happen by themselves."""

from __future__ import annotations

import logging
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecaster.adapters.scheduler import RETRY, Attempt, Jobs, cron, next_training, weekdays
from forecaster.settings import Group, Schedule, Source, Step, Training

NIGHTLY = Schedule(cron="0 3 * * *", every_s=None)
DAILY = Schedule(every_s=86_400.0)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def home(schedule: Schedule) -> Group:
    return Group(
        name="home",
        sources=(Source(topic="home/{meter}"),),
        step=Step(unit="second", count=3600, text="1h"),
        horizon=3,
        training=Training(schedule=schedule),
    )


NOON = at("2026-01-10T12:00")


@pytest.mark.parametrize("schedule", [NIGHTLY, DAILY])
def test_a_group_without_a_model_does_not_wait_for_its_hour(schedule: Schedule) -> None:
    """It tries at once, and every two seconds until there is history enough."""
    looked = Attempt(NOON - timedelta(seconds=1), took=timedelta(0))

    assert next_training(schedule, "UTC", NOON, None, None) == NOON
    assert next_training(schedule, "UTC", NOON, None, looked) == NOON + timedelta(seconds=1)


def test_a_group_that_cannot_be_trained_costs_little() -> None:
    """An attempt that took ten seconds is repeated after two hundred."""
    attempted = Attempt(NOON - timedelta(seconds=10), took=timedelta(seconds=10))

    assert next_training(DAILY, "UTC", NOON, None, attempted) == NOON + timedelta(seconds=200)


@pytest.mark.parametrize(
    ("schedule", "timezone", "trained", "due"),
    [
        (DAILY, "UTC", "2026-01-10T09:00", "2026-01-11T09:00"),  # by age, whenever the service started
        (DAILY, "UTC", "2026-01-01T09:00", "2026-01-10T12:00"),  # overdue: now
        (NIGHTLY, "UTC", "2026-01-10T09:00", "2026-01-11T03:00"),
        (NIGHTLY, "Europe/Paris", "2026-01-10T09:00", "2026-01-11T02:00"),
        (NIGHTLY, "UTC", "2026-01-10T02:00", "2026-01-10T12:00"),  # three o'clock passed while it was down: now
    ],
)
def test_the_next_training_follows_the_last(schedule: Schedule, timezone: str, trained: str, due: str) -> None:
    """Restarting the service changes nothing; what was missed is made up."""
    assert next_training(schedule, timezone, NOON, at(trained), None) == at(due)


def test_without_a_schedule_training_is_by_hand() -> None:
    """No cron line, no interval: nothing is planned, model or not; nor for a day that never comes."""
    for trained in (None, NOON):
        assert next_training(Schedule(cron=None, every_s=None), "UTC", NOON, trained, None) is None
    assert next_training(Schedule(cron="0 0 30 2 *"), "UTC", NOON, NOON, None) is None


def test_a_failed_training_is_not_repeated_at_once() -> None:
    """The attempt counts as much as a success does."""
    trained, attempted = at("2026-01-01T09:00"), Attempt(at("2026-01-10T11:00"), took=timedelta(minutes=5))

    assert next_training(DAILY, "UTC", NOON, trained, attempted) == at("2026-01-11T11:00")
    assert next_training(NIGHTLY, "UTC", NOON, trained, attempted) == at("2026-01-11T03:00")


def test_what_is_dated_in_the_future_counts_as_of_now() -> None:
    """The clock was ahead when a group was trained, or tried: it is not waited for."""
    ahead, attempted = at("2027-01-01T00:00"), Attempt(at("2027-01-01T00:00"), took=timedelta(0))

    assert next_training(DAILY, "UTC", NOON, ahead, None) == NOON + timedelta(days=1)
    assert next_training(NIGHTLY, "UTC", NOON, ahead, attempted) == at("2026-01-11T03:00")
    assert next_training(DAILY, "UTC", NOON, None, attempted) == NOON + RETRY


@pytest.mark.parametrize(
    ("start_from", "due"),
    [
        ("2026-02-01T00:00:00", "2026-02-01T00:00"),
        ("2026-02-01T00:00:00+01:00", "2026-01-31T23:00"),
        ("2026-01-01T00:00:00", "2026-01-10T12:00"),
    ],
)
def test_nothing_is_trained_before_start_from(start_from: str, due: str) -> None:
    """The first run waits for the time asked for; without a zone it is UTC."""
    assert next_training(Schedule(start_from=start_from), "UTC", NOON, None, None) == at(due)


@settings(max_examples=50)
@given(
    minutes=st.integers(0, 59),
    hour=st.integers(0, 23),
    trained=st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC)),
)
def test_cron_is_due_within_a_day_also_when_clocks_change(minutes: int, hour: int, trained: datetime) -> None:
    """23- and 25-hour days neither skip a night nor stop the schedule."""
    schedule = Schedule(cron=f"{minutes} {hour} * * *", every_s=None)

    due = next_training(schedule, "Europe/Paris", trained, trained, None)

    assert trained < due <= trained + timedelta(hours=25, seconds=1)


def test_weekdays_count_from_sunday_as_cron_says() -> None:
    """0 and 7 are Sunday."""
    saturday = at("2026-01-10T12:00")

    for line in ("0 0 * * 0", "0 0 * * 7", "0 0 * * sun"):
        assert cron(line, "UTC").get_next_fire_time(None, saturday) == at("2026-01-11T00:00")
    assert weekdays("1-5") == "mon,tue,wed,thu,fri"
    assert weekdays("*") == "*"
    assert weekdays("5-7") == "fri,sat,sun"


@pytest.mark.parametrize("line", ["", "0 3 * *", "61 3 * * *", "0 3 * * noday", "a b c d e"])
def test_a_line_that_is_not_cron_is_refused(line: str) -> None:
    """The configuration can say so before anything runs."""
    with pytest.raises(ValueError, match=r"."):
        cron(line, "UTC")


def test_a_job_that_raises_is_told_and_runs_again(caplog: pytest.LogCaptureFixture) -> None:
    """An error ends the run, not the job and not the scheduler."""
    twice, failed, runs = threading.Event(), list[str](), list[int]()

    def fails() -> None:
        runs.append(1)
        if len(runs) == 2:
            twice.set()
        raise OSError("disk full")

    jobs = Jobs(failed=failed.append)
    jobs.every(0.01, fails, "snapshot")
    with caplog.at_level(logging.ERROR):
        jobs.start()
        assert twice.wait(10)
        jobs.stop()

    assert failed[:2] == ["snapshot", "snapshot"]
    assert caplog.records[0].getMessage() == "job failed, will run again as planned job=snapshot"
    assert caplog.records[0].name == "forecaster.adapters.scheduler"


def test_a_job_that_takes_too_long_never_overlaps_itself() -> None:
    """The run that was due meanwhile is left out, and counted."""
    missed, release = threading.Event(), threading.Event()
    running, most = list[int](), list[int]()

    def slow() -> None:
        running.append(1)
        most.append(len(running))
        release.wait(10)
        running.pop()

    jobs = Jobs(missed=lambda _: missed.set())
    jobs.every(0.01, slow, "prune")
    jobs.start()
    assert missed.wait(10)
    release.set()
    jobs.stop()

    assert max(most) == 1


def test_trainings_run_one_after_the_other_and_hold_up_nothing_else() -> None:
    """Two groups that are due wait for each other; a snapshot waits for neither."""
    first, release, snapshots = threading.Event(), threading.Event(), threading.Event()
    order = list[str]()

    def train(name: str) -> None:
        order.append(name)
        first.set()
        release.wait(10)

    jobs = Jobs()
    for name in ("a", "b"):
        jobs.retrain(replace(home(DAILY), name=name), lambda name=name: train(name), lambda: None)
    jobs.every(0.01, snapshots.set, "snapshot")
    jobs.start()
    assert first.wait(10)
    snapshots.clear()

    assert snapshots.wait(10)
    assert len(order) == 1

    release.set()
    jobs.stop()


def test_a_training_is_planned_again_after_it_failed() -> None:
    """The schedule outlives a training that raises."""
    failed = threading.Event()
    names = list[str]()

    def on_failure(name: str) -> None:
        names.append(name)
        failed.set()

    def train() -> None:
        raise OSError("no memory")

    jobs = Jobs(failed=on_failure)
    jobs.retrain(home(DAILY), train, lambda: None)
    jobs.start()
    assert failed.wait(10)
    planned = jobs._scheduler.get_job("train home")
    jobs.stop()

    assert names == ["train home"]
    assert timedelta(0) < planned.next_run_time - datetime.now(UTC) <= RETRY + timedelta(seconds=10)


def test_a_model_trained_by_hand_counts() -> None:
    """When the time comes, the age of the newest model decides again."""
    newest: list[int | None] = [None]
    trained = list[int]()
    jobs = Jobs()
    jobs.retrain(home(DAILY), lambda: trained.append(1), lambda: newest[0])

    newest[0] = int(datetime.now(UTC).timestamp() * 1000)
    jobs.start()
    deadline = datetime.now(UTC) + timedelta(seconds=10)
    while datetime.now(UTC) < deadline:
        job = jobs._scheduler.get_job("train home")
        if job is not None and job.next_run_time > deadline:
            break
    jobs.stop()

    assert trained == []
    assert job.next_run_time > deadline


def test_jobs_go_on_when_the_clock_is_set_back(caplog: pytest.LogCaptureFixture) -> None:
    """At their interval from then on, trainings too; what that makes due by the test's clock runs at once."""
    snapshot, training = threading.Event(), threading.Event()
    now_ms = int(datetime.now(UTC).timestamp() * 1000)
    jobs = Jobs()
    jobs.every(3600.0, snapshot.set, "snapshot")
    jobs.retrain(home(DAILY), training.set, lambda: now_ms)
    jobs.start()
    jobs.follow_clock(now_ms)
    assert not caplog.messages

    jobs.follow_clock(now_ms - 7 * 86_400_000)

    assert snapshot.wait(10)
    assert training.wait(10)
    jobs.stop()
    (line,) = caplog.messages
    assert line.startswith("the clock was set back, jobs are planned anew seconds=6048")


def test_a_model_from_the_future_is_followed_by_another() -> None:
    """It was trained while the clock was ahead. When the next is due, it is trained."""
    again = threading.Event()
    in_a_year = int((datetime.now(UTC) + timedelta(days=365)).timestamp() * 1000)
    jobs = Jobs()
    jobs.retrain(home(Schedule(every_s=0.3, jitter_s=0.0)), again.set, lambda: in_a_year)
    jobs.start()
    assert again.wait(10)
    jobs.stop()


def test_stopping_before_starting_is_harmless() -> None:
    """A service that fails to start stops what it has built."""
    Jobs().stop()
