"""What happens at set times: retraining by cron or by the age of the model, snapshots, pruning.

APScheduler keeps the time, by the machine's clock; :meth:`Jobs.follow_clock` mends what it does when that is set back.
When a group is due is computed by :func:`next_training` from what is known anyway, the time of the last training, so
that nothing has to be stored and a restart neither resets nor repeats anything.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from threading import Lock
from typing import NamedTuple

from apscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_MAX_INSTANCES, JobEvent
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

from forecaster.settings import Group, Schedule

log = logging.getLogger(__name__)

RETRY = timedelta(seconds=2)
PATIENCE = 20
"""A group without a model tries again after this time, or this many times what the last attempt took: to find too
little history takes no time, a training that fails may take minutes and must not eat more than a twentieth of a core.
"""

SET_BACK = timedelta(seconds=1)
"""A job planned this much later than one interval from now was planned before the clock was set back."""

DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")


class Attempt(NamedTuple):
    """A training of this process, however it ended."""

    start: datetime
    took: timedelta


class Plan(NamedTuple):
    """What the next training of a group depends on, as :meth:`Jobs.retrain` was told.

    Attributes
    ----------
    attempted
        The last attempt of this process; None: none yet.
    """

    group: Group
    train: Callable[[], None]
    last_trained_ms: Callable[[], int | None]
    attempted: Attempt | None = None


class Jobs:
    """The scheduler of one service. A job never overlaps itself; one that raises is logged, counted and runs again.

    Trainings wait for each other on a thread of their own, so that they never hold up a snapshot.

    Parameters
    ----------
    failed, missed
        Told the name of a job that raised, and of one left out because its last run still ran.
    """

    def __init__(
        self, failed: Callable[[str], None] = lambda _: None, missed: Callable[[str], None] = lambda _: None
    ) -> None:
        # its loggers repeat what the listener below says in our words
        logging.getLogger("apscheduler").setLevel(logging.CRITICAL)
        self._failed, self._missed = failed, missed
        self._stopping, self._stops = False, Lock()
        self._planned: dict[str, Plan] = {}
        self._scheduler = BackgroundScheduler(
            timezone=UTC,
            executors={"default": ThreadPoolExecutor(4), "training": ThreadPoolExecutor(1)},
            # without the last, a job that is a second late is silently left out
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )
        self._scheduler.add_listener(self._listen, EVENT_JOB_ERROR | EVENT_JOB_MAX_INSTANCES)

    def start(self) -> None:
        """Run in the background."""
        self._scheduler.start()

    def every(self, seconds: float, run: Callable[[], None], name: str) -> None:
        """Run a function at an interval, first after one interval."""
        self._scheduler.add_job(run, "interval", seconds=seconds, id=name)

    def train_now(self, group: str, train: Callable[[], None]) -> None:
        """Train a group out of turn, after a training that runs."""
        self._scheduler.add_job(train, id=f"train {group} early", executor="training", replace_existing=True)

    def retrain(self, group: Group, train: Callable[[], None], last_trained_ms: Callable[[], int | None]) -> None:
        """Train a group whenever it is due.

        Parameters
        ----------
        group
            Its schedule and time zone.
        train
            Blocks until the training has ended.
        last_trained_ms
            When the newest model of the group was trained, in service or not; None: there is none.
        """
        self._plan(Plan(group, train, last_trained_ms))

    def follow_clock(self, now_ms: int) -> None:
        """To be called often: when the machine's clock was set back, jobs would wait until it is where it was.

        Those at an interval go on within one from now, trainings are planned anew.
        """
        now, late = datetime.fromtimestamp(now_ms / 1000, UTC), timedelta(0)
        for job in self._scheduler.get_jobs():
            if isinstance(job.trigger, IntervalTrigger):
                due = now + job.trigger.interval
                if job.next_run_time > due + SET_BACK:
                    late = max(late, job.next_run_time - due)
                    job.modify(next_run_time=due)
        if late:
            log.warning("the clock was set back, jobs are planned anew seconds=%d", late.total_seconds())
            for plan in list(self._planned.values()):
                self._plan(plan, now)

    def stop(self) -> None:
        """Start nothing more, and wait for what runs. To be called after the trainer was stopped."""
        with self._stops:  # nothing is added from here on: it would wait for the shutdown, and that for it
            self._stopping = True
        if self._scheduler.running:
            self._scheduler.pause()
            self._scheduler.get_jobs()  # waits for its lock: a shutdown while it starts a job makes its thread raise
            self._scheduler.shutdown(wait=True)

    def _plan(self, plan: Plan, now: datetime | None = None) -> None:
        """Add the job of the next training; ``now`` is the machine's unless told."""
        schedule, trained_ms = plan.group.training.schedule, plan.last_trained_ms()
        now = now or datetime.now(UTC)
        due = next_training(schedule, plan.group.timezone, now, _moment(trained_ms), plan.attempted)
        with self._stops:
            if due is None or self._stopping:
                return
            self._planned[plan.group.name] = plan
            self._scheduler.add_job(
                partial(self._train, plan, trained_ms),
                "date",
                run_date=due + timedelta(seconds=random.uniform(0.0, schedule.jitter_s)),
                id=f"train {plan.group.name}",
                executor="training",
                replace_existing=True,
            )

    def _train(self, plan: Plan, trained_ms: int | None) -> None:
        """Train, unless somebody did by hand since it was planned, and plan the next."""
        self._planned.pop(plan.group.name, None)
        now = datetime.now(UTC)
        try:
            if plan.last_trained_ms() == trained_ms and not self._stopping:
                try:
                    plan.train()
                finally:
                    plan = plan._replace(attempted=Attempt(now, datetime.now(UTC) - now))
        finally:
            self._plan(plan)

    def _listen(self, event: JobEvent) -> None:
        if event.code == EVENT_JOB_MAX_INSTANCES:
            log.warning("job left out, its last run has not ended job=%s", event.job_id)
            self._missed(event.job_id)
        else:
            log.error("job failed, will run again as planned job=%s", event.job_id, exc_info=event.exception)
            self._failed(event.job_id)


def next_training(
    schedule: Schedule, timezone: str, now: datetime, trained: datetime | None, attempted: Attempt | None
) -> datetime | None:
    """When a group is due, not before ``now``; None: only by hand.

    A group without a model does not wait for its hour: it tries at once, and again and again (:data:`RETRY`), until
    there is history enough. From then on the next training follows the last one, or the last attempt of this process
    when that was later (a training that failed is not repeated at once). One missed while the service was down is
    made up. What is dated later than now, by a clock that has been set back since, counts as of now.

    Parameters
    ----------
    schedule, timezone
        Cron lines are read in the time zone; ``start_from`` holds everything back.
    now
        The present.
    trained
        End of the last training that made a model; None: never.
    attempted
        The last attempt of this process; None: none yet.

    Examples
    --------
    >>> day, now = Schedule(every_s=86_400.0), datetime(2026, 3, 1, 12, tzinfo=UTC)
    >>> print(next_training(day, "UTC", now, datetime(2026, 3, 1, 3, tzinfo=UTC), None))
    2026-03-02 03:00:00+00:00
    """
    due: datetime | None
    if schedule.cron is None and schedule.every_s is None:
        return None
    if trained is None:
        due = min(now, attempted.start) + attempted.took + max(RETRY, PATIENCE * attempted.took) if attempted else now
    else:
        due = _after(schedule, timezone, min(now, max(trained, attempted.start if attempted else trained)))
    if due is None:  # a cron line that never comes, such as 30 February
        return None
    first = datetime.fromisoformat(schedule.start_from) if schedule.start_from else now
    return max(_utc(due), _utc(first), now)


def _after(schedule: Schedule, timezone: str, last: datetime) -> datetime | None:
    """The regular time after the last one."""
    if schedule.cron is not None:
        found: datetime | None = cron(schedule.cron, timezone).get_next_fire_time(None, last + timedelta(seconds=1))
        return found
    assert schedule.every_s is not None
    return last + timedelta(seconds=schedule.every_s)


def cron(line: str, timezone: str) -> CronTrigger:
    """A cron line as a trigger. Day of month and day of week must both fit.

    Raises
    ------
    ValueError
        When it is not a cron line of five fields.
    """
    fields = line.split()
    return CronTrigger.from_crontab(" ".join([*fields[:4], *map(weekdays, fields[4:])]), timezone=timezone)


def weekdays(field: str) -> str:
    """Days of the week by name: APScheduler counts from Monday, cron from Sunday, and 7 is Sunday again.

    >>> weekdays("0"), weekdays("1-3,7"), weekdays("*/3"), weekdays("mon-fri")
    ('sun', 'mon,tue,wed,sun', 'sun,wed,sat', 'mon-fri')
    """
    return ",".join(_weekdays(part) for part in field.split(","))


def _weekdays(part: str) -> str:
    span, _, stride = part.partition("/")
    first, _, last = ("0-6" if span == "*" and stride else span).partition("-")
    if not (first.isdigit() and (last or first).isdigit() and (stride or "1").isdigit()):
        return part
    days = range(int(first), int(last or (6 if stride else first)) + 1, int(stride or 1))
    return ",".join(DAYS[day % 7] for day in days)


def _moment(epoch_ms: int | None) -> datetime | None:
    return None if epoch_ms is None else datetime.fromtimestamp(epoch_ms / 1000, UTC)


def _utc(moment: datetime) -> datetime:
    """In UTC; a time without a zone is meant so."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
