"""The composition root: build, start, wait, stop in reverse.

::

    broker ──offer──► inbox ──► writer (journal, ack) ──► loop (engine) ──► outputs ──► broker, history, metrics
                        ▲                                   │
      ticks, models ────┴───────────────────────────────────┘        jobs: training, snapshots, pruning
"""

from __future__ import annotations

import gc
import logging
import math
import time
from concurrent.futures import CancelledError, Future, wait
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from threading import Event

from forecaster.adapters.claim import claim
from forecaster.adapters.exclusions import Exclusions
from forecaster.adapters.metrics import CONTENT_TYPE, Metrics
from forecaster.adapters.mqtt import MqttBroker
from forecaster.adapters.registry import FileModelRegistry
from forecaster.adapters.scheduler import Jobs
from forecaster.adapters.snapshots import FileSnapshots
from forecaster.adapters.sqlite_history import SqliteHistory
from forecaster.adapters.sqlite_journal import SqliteJournal
from forecaster.adapters.trainer import ChildTrainer, command_line
from forecaster.errors import StoreError
from forecaster.nets.baseline import naives
from forecaster.nets.history import needed
from forecaster.pipeline.encode import VERSION, schema_payload, schema_topic
from forecaster.pipeline.engine import Engine
from forecaster.ports import Clock, Progress
from forecaster.records import Array, Forget, ModelReady
from forecaster.runtime.backlog import Backlog
from forecaster.runtime.clock_back import ClockBack
from forecaster.runtime.complaints import Complaints
from forecaster.runtime.history_buffer import HistoryBuffer
from forecaster.runtime.inbox import Inbox
from forecaster.runtime.loop import Loop
from forecaster.runtime.models import Models
from forecaster.runtime.outputs import Outputs
from forecaster.runtime.restore import restore
from forecaster.runtime.silence import Silence
from forecaster.runtime.threads import start_thread
from forecaster.runtime.writer import Writer
from forecaster.settings import Exclusion, Group, Settings
from forecaster.web.health import Health
from forecaster.web.pages import routes
from forecaster.web.server import HttpServer

log = logging.getLogger(__name__)

HISTORY_EVERY_S = 10.0
HISTORY_ROWS = 65_536
MODELS_EVERY_S = 2.0
PRUNE_EVERY_S = 3600.0
STOP_S = 10.0
LOOK_S = 0.2


class SystemClock:
    """The machine's clock."""

    def now_ms(self) -> int:
        """Epoch milliseconds, UTC."""
        return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class Cut:
    """State of the engine between two units, with the journal position it includes."""

    position: int
    arrays: dict[str, Array]
    meta: dict[str, object]
    written: Future[None]


class Daemon:
    """The service.

    Parameters
    ----------
    settings
        What to do.
    clock
        Tells the time.

    Raises
    ------
    ConfigurationError, StoreError
        When an address or a file cannot be used.
    """

    def __init__(self, settings: Settings, clock: Clock | None = None) -> None:
        self._exclusions = Exclusions(settings.data)
        groups = tuple(replace(group, exclude=self._exclusions.of(group)) for group in settings.groups)
        settings = replace(settings, groups=groups)
        self.settings = settings
        self._forgotten: set[tuple[str, Exclusion]] = set()
        self._learned: dict[str, int] = {}  # steps that a group had taken in when it was last trained
        self._clock = clock or SystemClock()
        self._started_s = time.monotonic()
        self._ended = Event()
        self._asked_to_stop = False
        self._exit_code = 0
        self._stop_by_s = math.inf
        self._restored = False
        self.metrics = Metrics(settings)
        self._claim = claim(settings.data)
        self._journal = SqliteJournal(settings.data / "journal.db")
        self._history = SqliteHistory(settings.data / "history.db")
        self._snapshots = FileSnapshots(settings.data / "snapshots")
        registry = FileModelRegistry(settings.data / "models")
        self._models = Models(registry, self.metrics.inference)
        self._serving: dict[str, str | None] = {}
        self._trainer = ChildTrainer(command_line(settings.data), registry)
        self._jobs = Jobs(self.metrics.job_failed, self.metrics.job_missed)
        self.engine = Engine(settings, naives)
        self._inbox = Inbox()
        self._buffer = HistoryBuffer()
        self._flushed_s = self._started_s
        self._complaints = Complaints(self._clock)
        self.broker = MqttBroker(
            *(settings.mqtt, settings.publish.prefix, settings.publish.outbox, self._clock.now_ms),
            schemas={"forecast": VERSION},
            subscribed=settings.data / "subscriptions.json",
        )
        self._silence = Silence(self.engine.filters, self.broker.listening, lambda: self.broker.received, self._clock)
        self._clock_back = ClockBack(lambda: self.engine.now_ms, self._clock)
        self.http = HttpServer(
            *(settings.http.host, settings.http.port),
            routes(settings, self.health, self.metrics.render, CONTENT_TYPE),
        )

    # --- life -----------------------------------------------------------------------------------------------------

    def run(self) -> int:
        """Start, wait for :meth:`stop`, stop; the exit code."""
        with ExitStack() as stack:
            self._start(stack)
            # in slices: a signal may be given to another thread, and then nothing wakes this one to run its handler
            while not (self._asked_to_stop or self._ended.wait(LOOK_S)):
                self._jobs.follow_clock(self._clock.now_ms())
            self._ended.set()
            self._stop_by_s = time.monotonic() + STOP_S
            log.info("stopping")
        log.info("stopped")
        return self._exit_code

    def stop(self) -> None:
        """Ask :meth:`run` to return; may be called from a signal handler, which must not touch a lock."""
        self._asked_to_stop = True

    def _start(self, stack: ExitStack) -> None:
        settings = self.settings
        stack.callback(self._claim.close)
        stack.callback(self._journal.close)
        stack.callback(self._history.close)
        self._watch()
        self.http.start()
        stack.callback(self.http.stop)
        log.info("http listening url=%s", self.http.url)
        position, rebuilt = restore(
            *(self.engine, settings, self._snapshots, self._journal, self._history, self._models.find),
            self._buffer.add,
        )
        outputs = Outputs(
            settings, self.broker, self._buffer, self._complaints, self.metrics.observe, self.engine.unit, self._drifted
        )
        backlog = Backlog(
            lambda: self.broker.connects if self.broker.listening() else 0,
            lambda: self.broker.received,
            lambda: self._clock.now_ms() - self.engine.now_ms,
            time.monotonic,
        )
        self._loop = Loop(
            *(self.engine, self._inbox, self._clock, outputs.carry_out, self._every_second, position, backlog.coming)
        )
        self._writer = Writer(self._inbox, self._journal, self._history, self._loop.offer)
        self._restored = True
        for group in settings.groups:
            self._serving[group.name] = self.engine.version(group.name)
            self.metrics.model(group.name, self.engine.version(group.name))
            if (trained_ms := self._models.last_trained_ms(group)) is not None:
                self.metrics.trained(group.name, trained_ms / 1000)
            self._offer_model(group)
        self.broker.publish(schema_topic(settings.publish.prefix), schema_payload())
        for issued in self.engine.current():
            outputs.publish(issued)
        threads = [
            start_thread("journal", self._writer.run, self._died),
            start_thread("engine", self._loop.run, self._died),
        ]
        for thread in threads:
            stack.callback(thread.join, STOP_S)
        stack.callback(self._writer.stop)
        stack.callback(self._loop.stop)
        stack.callback(self._last_snapshot)
        if rebuilt:
            self.snapshot()
        # what was imported and restored stays: a full collection would hold everything up for 0.1 s
        gc.collect()
        gc.freeze()
        self.broker.start(self.engine.filters, self._inbox.put)
        stack.callback(self.broker.stop)
        self._plan_jobs()
        stack.callback(self._jobs.stop)
        stack.callback(self._trainer.stop)
        log.info("started groups=%d broker=%s", len(settings.groups), settings.mqtt.url)

    def _died(self, name: str) -> None:
        self._exit_code = 70
        self._ended.set()

    # --- jobs -----------------------------------------------------------------------------------------------------

    def _plan_jobs(self) -> None:
        jobs = {
            "snapshot": (self.settings.snapshot_every_s, self.snapshot),
            "models": (MODELS_EVERY_S, self._offer_models),
            "forget": (MODELS_EVERY_S, self._forget),
            "prune": (PRUNE_EVERY_S, self._prune),
            "broker": (1.0, self._watch_broker),
        }
        for name, (seconds, run) in jobs.items():
            self.metrics.job_added(name)
            self._jobs.every(seconds, run, name)
        for group in self.settings.groups:
            self.metrics.job_added(f"train {group.name}")
            self._jobs.retrain(group, partial(self._train, group), partial(self._models.last_trained_ms, group))
        self._jobs.start()

    def _forget(self) -> None:
        """Tell the engine of stretches to be forgotten, those told by command and, once a start, all others too."""
        told = {(group.name, one) for group in self.settings.groups for one in self._exclusions.of(group)}
        for group, exclusion in told - self._forgotten:
            log.info("forgetting group=%s stream=%s", group, exclusion.stream)
            self._inbox.put(Forget(group, exclusion))
        self._forgotten |= told

    def _drifted(self, name: str) -> None:
        """Train early, unless the model is young or trained by hand."""
        group = self.settings.group(name)
        last_ms = self._models.last_trained_ms(group)
        if last_ms is not None and self._clock.now_ms() - last_ms > 1000 * group.training.schedule.cool_down_s:
            self._jobs.train_now(name, partial(self._train, group))

    def _train(self, group: Group) -> None:
        """Train a group in a process of its own, unless there is too little to learn from, or nothing new."""
        taken = self.engine.taken(group.name)
        if self.engine.observed(group.name) < needed(group) or taken == self._learned.get(group.name):
            return
        self._until_durable(self._loop.call(self._flush).result())
        log.info("training group=%s", group.name)
        began = time.monotonic()
        outcome, why, card = self._trainer.train(group, partial(self._progress, group.name))
        self.metrics.training(group.name, outcome, time.monotonic() - began)
        if card:
            self._learned[group.name] = taken
        log.info("training ended group=%s outcome=%s %s", group.name, outcome, why)
        self._offer_model(group)

    def _progress(self, group: str, progress: Progress) -> None:
        self.metrics.training_progress(group, progress.fraction)

    def _offer_models(self) -> None:
        for group in self.settings.groups:
            self._offer_model(group)

    def _offer_model(self, group: Group) -> None:
        """Tell the engine when another model should serve: after a training, or promoted by hand."""
        champion = self._models.champion(group)
        if champion is None or champion == self._serving[group.name]:
            return
        self._serving[group.name] = champion
        model = self._models.best(group)
        if model is not None and model.version != self.engine.version(group.name):
            self._inbox.put(ModelReady(group.name, model.version, model))

    def snapshot(self) -> None:
        """Save the state, and forget the part of the journal that it makes unnecessary."""
        began = time.monotonic()
        cut = self._loop.call(self._cut).result()
        self._until_durable(cut.written)
        self._snapshots.save(cut.position, cut.arrays, cut.meta)
        old = self._journal.before(self._clock.now_ms() - round(self.settings.journal_keep_s * 1000))
        self._journal.prune(min(cut.position, old))
        self.metrics.snapshot(time.monotonic() - began)

    def _until_durable(self, written: Future[None]) -> None:
        """Wait for steps to reach the history: as long as it takes, but not beyond the time allowed for stopping.

        Raises
        ------
        StoreError
            When the disk still refuses by then.
        CancelledError
            When the thread that writes has died.
        """
        while not wait([written], timeout=0.1).done:
            if time.monotonic() > self._stop_by_s or (self._ended.is_set() and self._writer.refused):
                raise StoreError(f"{self.settings.data}: the disk has not taken the closed steps; free space on it")
        written.result()

    def _last_snapshot(self) -> None:
        """At shutdown: what has arrived is handled first, as far as the time allows."""
        while len(self._inbox) and time.monotonic() < self._stop_by_s and not (self._exit_code or self._writer.refused):
            time.sleep(0.01)
        try:
            self.snapshot()
        except (StoreError, CancelledError) as error:  # the disk refuses, or a thread has died
            log.warning("stopping without a snapshot, the next start replays the journal reason=%s", error)

    def _prune(self) -> None:
        for group in self.settings.groups:
            self._history.compact(group.name)
            if group.training.history_s is not None:
                needed_s = max(group.training.history_s, group.past * group.step.longest_s)
                self._history.prune(group.name, round(needed_s * 1000), self._clock.now_ms())

    def _watch_broker(self) -> None:
        if self.broker.failed():
            self._died("mqtt")

    # --- in the engine's thread -----------------------------------------------------------------------------------

    def _every_second(self) -> None:
        self._complaints.tell()
        self._silence.tell()
        if self.settings.clock == "system":
            self._clock_back.tell()
        for group in self.settings.groups:
            self.metrics.scores(group.name, self.engine.scores(group.name))
            self.metrics.streams(group.name, self.engine.states(group.name))
        if self._buffer.rows > HISTORY_ROWS or time.monotonic() - self._flushed_s > HISTORY_EVERY_S:
            self._flush()

    def _flush(self) -> Future[None]:
        """Send closed steps to the history; done when they are durable."""
        self._flushed_s = time.monotonic()
        series = {group.name: self.engine.series(group.name) for group in self.settings.groups}
        return self._writer.write(self._buffer.take(series))

    def _cut(self) -> Cut:
        written = self._flush()
        return Cut(self._loop.position, *self.engine.state(), written)

    # --- looking in -----------------------------------------------------------------------------------------------

    def health(self) -> Health:
        """How the service is now."""
        return Health(
            version=version("forecaster"),
            uptime_s=time.monotonic() - self._started_s,
            heartbeat_age_s=time.monotonic() - self._loop.heartbeat_s if self._restored else 0.0,
            restored=self._restored,
            mqtt_connected=self.broker.connected(),
        )

    def _waiting(self) -> int:
        """Messages that wait for the engine, durable yet or not."""
        return len(self._inbox) + (self._loop.waiting() if self._restored else 0)

    def _watch(self) -> None:
        """Numbers read when somebody scrapes."""
        broker = self.broker
        self.metrics.watch("mqtt_connected", broker.connected)
        self.metrics.watch("mqtt_connects_total", lambda: broker.connects)
        self.metrics.watch("mqtt_messages_received_total", lambda: broker.received)
        self.metrics.watch("mqtt_messages_published_total", lambda: broker.published)
        self.metrics.watch("mqtt_outbox_messages", lambda: broker.waiting)
        self.metrics.watch("mqtt_outbox_dropped_total", lambda: broker.dropped)
        self.metrics.watch("ingest_queue_samples", self._waiting)
        self.metrics.watch("ingest_dropped_total", lambda: self._inbox.dropped)
