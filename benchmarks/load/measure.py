"""The measurements: each starts what it needs, and yields figures."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.load import books, generator, receiver
from benchmarks.load.machine import GROUP, Broker, Service, flushes, wait_for
from benchmarks.load.plan import Plan

FORECASTS = f"forecaster/{GROUP}/+/forecast"
PASSES = 5
PER_SECOND = 500
PACED_S = 20
BOUNDARIES, STEP_S = 3, 10


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the result.

    Attributes
    ----------
    aim
        What it should reach, ``at_least`` or at most; None: it is only told.
    """

    name: str
    value: float
    unit: str
    aim: float | None = None
    at_least: bool = False

    @property
    def good(self) -> bool | None:
        """Whether the aim was reached; None without one."""
        if self.aim is None:
            return None
        return self.value >= self.aim if self.at_least else self.value <= self.aim


@dataclass(frozen=True, slots=True)
class Bench:
    """Where everything runs.

    Attributes
    ----------
    messages
        How many, in whole rounds over the streams and in :data:`PASSES` passes.
    models
        Directory of a trained model.
    ours, theirs
        The core of the daemon, and that of the broker and of those who publish and receive.
    publisher, bare
        Processes that run functions: on their core, and on ours.
    say
        Told what is going on.
    """

    folder: Path
    plan: Plan
    messages: int
    models: Path
    ours: int
    theirs: int
    publisher: ProcessPoolExecutor
    bare: ProcessPoolExecutor
    say: Callable[[str], None]

    @property
    def paced(self) -> int:
        """Messages of one measurement of latency: whole rounds too."""
        return -(-PER_SECOND * PACED_S // self.plan.streams) * self.plan.streams


def steady(bench: Bench) -> Iterator[Figure]:
    """Acceptance, latency and memory of one daemon, and whether it has lost anything."""
    streams = bench.plan.streams
    with (
        Broker(bench.folder / "broker", bench.theirs) as broker,
        Service(bench.folder / "steady", bench.ours, broker.port, streams) as service,
    ):
        yield Figure("memory before the first stream", service.memory_mb(), "MB")
        yield from flooded(bench, broker, service)
        yield Figure("memory with all streams", service.memory_mb(), "MB", 700)
        bench.say("latency, seasonal naive in service")
        yield from latency(bench, broker, service, "naive", first=0)
        began_s = time.monotonic()
        shutil.copytree(bench.models, service.data / "models", dirs_exist_ok=True)
        wait_for("a model in service", lambda: service.model() not in ("", "seasonal_naive"), timeout_s=180)
        yield Figure("until a new network forecasts for all streams", time.monotonic() - began_s, "s")
        bench.say("latency, network in service")
        yield from latency(bench, broker, service, "GRU", first=bench.paced)
        yield Figure("memory with a network", service.memory_mb(), "MB", 700)
        yield Figure("memory at its peak", service.memory_mb("VmHWM"), "MB", 700)
        accepted, refused = service.judged()
        service.stop()
    bench.say("comparing the books")
    yield from lost(bench, service.data, accepted, refused)


def flooded(bench: Bench, broker: Broker, service: Service) -> Iterator[Figure]:
    """As many messages as are taken."""
    plan, count = bench.plan, bench.messages // PASSES
    rates, ours, theirs = [], [], []
    bench.say("every stream for the first time")
    yield Figure("every stream heard of for the first time", flood(bench, broker, service, 0, plan.streams), "s")
    for number in range(PASSES):
        bench.say(f"as fast as possible, pass {number + 1} of {PASSES}")
        cpu_s, broker_s = service.cpu_s(), broker.cpu_s()
        rates.append(count / flood(bench, broker, service, plan.streams + number * count, count))
        ours.append((service.cpu_s() - cpu_s) / count * 1e6)
        theirs.append((broker.cpu_s() - broker_s) / count * 1e6)
    yield Figure("accepted per second of wall time, median", median(rates), "/s", 8000, at_least=True)
    yield Figure("accepted per second of wall time, best", max(rates), "/s")
    yield Figure("accepted per second of CPU time, median", 1e6 / median(ours), "/s", 8000, at_least=True)
    yield Figure("CPU of the daemon, median", median(ours), "µs/message")
    yield Figure("CPU of the daemon, best", min(ours), "µs/message")
    yield Figure("CPU of mosquitto, median", median(theirs), "µs/message")


def flood(bench: Bench, broker: Broker, service: Service, first: int, count: int) -> float:
    """Seconds from the first message sent to the last accepted."""
    began_s = bench.publisher.submit(generator.flood, broker.port, bench.plan, first, count).result()
    wait_for("acceptance", lambda: service.judged()[0] >= first + count, every_s=0.1)
    return time.monotonic() - began_s


def latency(bench: Bench, broker: Broker, service: Service, served_by: str, first: int) -> Iterator[Figure]:
    """Percentiles from sensor to forecast."""
    cpu_s = service.cpu_s()
    with flushes(bench.folder) as flushed:
        found = bench.publisher.submit(
            generator.paced, broker.port, bench.plan, first, bench.paced, PER_SECOND, FORECASTS
        ).result()
    cpu_us = (service.cpu_s() - cpu_s) / bench.paced * 1e6
    p50, p95, p99 = np.percentile(found.ms, [50, 95, 99]).tolist()
    yield Figure(f"sensor to forecast, {served_by}, p50", p50, "ms")
    yield Figure(f"sensor to forecast, {served_by}, p95", p95, "ms")
    yield Figure(f"sensor to forecast, {served_by}, p99", p99, "ms", 100)
    yield Figure(f"longest flush of the disk meanwhile, {served_by}", max(flushed), "ms")
    yield Figure(f"forecasts that did not come, {served_by}", found.missing, "", 0)
    yield Figure(f"CPU of the daemon with a forecast each, {served_by}", cpu_us, "µs/message")


def lost(bench: Bench, data: Path, accepted: int, refused: dict[str, int]) -> Iterator[Figure]:
    """What was sent, against every book the service keeps."""
    plan, within, beyond = bench.plan, bench.plan.streams + bench.messages, 2 * bench.paced
    messages = [*map(plan.message, range(within)), *map(plan.boundary, range(beyond))]
    wrong = books.wrong_in_history(data, plan, within // plan.streams, beyond // plan.streams)
    yield Figure("messages sent", len(messages), "")
    yield Figure("refused with a reason", sum(refused.values()), "", 0)
    yield Figure("neither accepted nor refused", len(messages) - accepted - sum(refused.values()), "", 0)
    yield Figure("not in the journal", books.missing_from_journal(data, messages), "", 0)
    yield Figure("steps wrong in the history", wrong, "", 0)


def beside(bench: Bench) -> Iterator[Figure]:
    """The same messages to those who do nothing with them."""
    count = bench.messages // PASSES
    for version in ("5", "3.1.1"):
        for name, receive in {"a bare paho client": receiver.by_paho, "our session alone": receiver.by_session}.items():
            bench.say(f"{name}, MQTT {version}")
            folder = bench.folder / f"{receive.__name__}-{version}"
            with Broker(folder, bench.theirs) as broker:
                ready = folder / "subscribed"
                received = bench.bare.submit(receive, broker.port, count, version, ready)
                wait_for("a subscription", ready.exists)
                bench.publisher.submit(generator.flood, broker.port, bench.plan, 0, count).result()
                yield Figure(f"CPU of {name}, MQTT {version}", received.result(receiver.PATIENCE_S), "µs/message")


def together(bench: Bench) -> Iterator[Figure]:
    """All streams at one boundary."""
    bench.say("all streams at one boundary")
    folder, plan = bench.folder / "together", bench.plan
    shutil.copytree(bench.models, folder / "data" / "models")
    with (
        Broker(bench.folder / "last", bench.theirs) as broker,
        Service(folder, bench.ours, broker.port, plan.streams, step=f"{STEP_S}s", snapshots="15s") as service,
    ):
        found = bench.publisher.submit(generator.bursts, broker.port, plan, STEP_S, BOUNDARIES, FORECASTS).result()
        yield Figure("all streams at one boundary, median", median(found), "s")
        yield Figure("all streams at one boundary, best", min(found), "s")
        snapshots = service.metrics()
        took_s = snapshots["forecaster_state_checkpoint_duration_seconds_sum"]
        yield Figure("a snapshot", took_s / snapshots["forecaster_state_checkpoint_duration_seconds_count"], "s")
        yield Figure("memory at its peak, snapshots and boundaries", service.memory_mb("VmHWM"), "MB", 700)
