"""What Prometheus is told: every metric name of the service is in this file.

The numbers live in plain dictionaries and become Prometheus families when somebody scrapes. So a count costs a
dictionary update, label sets come and go with models and scores, and nothing is exported that is not named here.
Labels come from the configuration or from fixed sets, never from the wire, so their number is bounded; series per
stream are a choice of the operator (:mod:`forecaster.adapters.stream_series`).
"""

from __future__ import annotations

import math
import platform
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Literal, assert_never, get_args

import numpy as np
from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from forecaster.adapters.resources import cpu_cores, memory_limit_bytes
from forecaster.adapters.stream_series import AllStreamSeries
from forecaster.pipeline.verify import intervals
from forecaster.records import (
    Accepted,
    Array,
    Closed,
    Drifted,
    Effect,
    Issued,
    Reason,
    Reject,
    Score,
    Swapped,
    Verified,
)
from forecaster.settings import Settings

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

NAIVE = "seasonal_naive"
NAIVES = {NAIVE, "climatology", "smart_persistence"}
KINDS = ("network", "mixed", "naive")
STATES = ("warming", "active", "stale", "quarantined")
OUTCOMES = ("promoted", "rejected", "failed", "skipped", "timeout")

FAST = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
DELAY = (0.01, 0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 21_600.0)
SLOW = (1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0)


@dataclass(frozen=True, slots=True)
class Family:
    """A metric: what it is, what it says, what tells its series apart, and the buckets of a histogram."""

    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


FAMILIES: Mapping[str, Family] = {
    # the process
    "build_info": Family("gauge", "Always 1; the labels say what runs.", ("version", "python", "torch")),
    "start_time_seconds": Family("gauge", "When the service started, Unix time."),
    "cpu_cores_available": Family("gauge", "CPU cores the service may use."),
    "memory_limit_bytes": Family("gauge", "Memory the service may use."),
    # MQTT
    "mqtt_connected": Family("gauge", "1 while connected and subscribed, else 0."),
    "mqtt_connects_total": Family("counter", "Times the broker accepted us; more than one means reconnects."),
    "mqtt_messages_received_total": Family("counter", "Messages that arrived."),
    "mqtt_messages_published_total": Family("counter", "Messages handed to the broker."),
    "mqtt_outbox_messages": Family("gauge", "Messages that wait to be published."),
    "mqtt_outbox_dropped_total": Family("counter", "Waiting messages given up because the outbox was full."),
    # readings
    "samples_accepted_total": Family("counter", "Readings used.", ("group",)),
    "samples_rejected_total": Family(
        "counter", "Messages or readings refused; no group: the topic is not ours.", ("group", "reason")
    ),
    "ingest_queue_samples": Family("gauge", "Messages that wait for the engine."),
    "ingest_dropped_total": Family("counter", "Messages of QoS 0 given up: the disk refused, too many waited."),
    "ingest_delay_seconds": Family(
        "histogram", "From measurement to arrival, of readings that carry their time.", ("group",), DELAY
    ),
    "steps_closed_total": Family("counter", "Steps closed, gaps and covariates too.", ("group",)),
    "streams": Family("gauge", "Streams by state.", ("group", "state")),
    "step_seconds": Family("gauge", "Length of a step, of a month 31 days.", ("group",)),
    # forecasts
    "forecasts_published_total": Family("counter", "Forecasts issued, by what made them.", ("group", "model")),
    "forecast_age_seconds": Family("gauge", "Since the group last issued a forecast, or since start.", ("group",)),
    "inference_duration_seconds": Family("histogram", "One batched step of a network.", ("group",), FAST),
    "forecasts_verified_total": Family("counter", "Forecasts scored against the truth.", ("group", "leads")),
    "forecast_mae": Family("gauge", "Rolling mean absolute error, in the unit of the data.", ("group", "leads")),
    "forecast_error_mase": Family("gauge", "Rolling MAE over that of a value one season old.", ("group", "leads")),
    "forecast_pinball": Family("gauge", "Rolling mean quantile loss, in the unit of the data.", ("group", "leads")),
    "forecast_skill_ratio": Family("gauge", "1 - MAE / MAE of the best naive; above 0 is better.", ("group", "leads")),
    "interval_coverage_ratio": Family(
        "gauge", "Fraction of truths inside the central interval of that level.", ("group", "leads", "level")
    ),
    "interval_nominal_ratio": Family(
        "gauge", "The level as a number: what that interval should hold.", ("group", "level")
    ),
    "anomaly_score": Family("gauge", "Highest of the last step; above 1: outside the 99 % range.", ("group",)),
    "anomalies_total": Family("counter", "Values outside the 99 % range they were forecast in.", ("group",)),
    "drift_detected_total": Family("counter", "Times the errors were found to have risen for good.", ("group",)),
    # models
    "model_info": Family("gauge", "Always 1; the labels say which model serves.", ("group", "version", "cell")),
    "training_runs_total": Family("counter", "Trainings by how they ended.", ("group", "outcome")),
    "training_progress_ratio": Family("gauge", "How far the training is that runs; 0 when none does.", ("group",)),
    "training_duration_seconds": Family("histogram", "How long trainings took.", ("group",), SLOW),
    "training_last_success_timestamp_seconds": Family(
        "gauge", "When a training last ended with a model, Unix time; 0: never.", ("group",)
    ),
    # state
    "state_checkpoint_duration_seconds": Family("histogram", "How long snapshots took.", (), FAST),
    "state_checkpoint_last_success_timestamp_seconds": Family(
        "gauge", "When state was last saved, Unix time; 0: not since start."
    ),
    "state_checkpoint_interval_seconds": Family("gauge", "How often state is to be saved."),
    "scheduler_job_failures_total": Family("counter", "Scheduled jobs that ended in an error.", ("task",)),
    "scheduler_job_missed_total": Family("counter", "Scheduled jobs left out: the run before still ran.", ("task",)),
    "metrics_streams_omitted": Family("gauge", "Streams without series of their own: metrics.max_streams reached."),
}
"""Names without the prefix ``forecaster_``."""


class Histogram:
    """Counts per bucket; takes a whole batch at once."""

    def __init__(self, buckets: tuple[float, ...]) -> None:
        self.bounds = np.array(buckets)
        self.counts = np.zeros(len(buckets) + 1, dtype=np.int64)
        self.sum = 0.0

    def add(self, values: float | Array) -> None:
        """Count values; a bound belongs to the bucket below it."""
        where = np.searchsorted(self.bounds, np.atleast_1d(values), side="left")
        self.counts += np.bincount(where, minlength=len(self.counts))
        self.sum += float(np.sum(values))

    def buckets(self) -> list[tuple[str, float]]:
        """Cumulative counts by upper bound, as Prometheus wants them."""
        bounds = [*(f"{bound:g}" for bound in self.bounds), "+Inf"]
        return list(zip(bounds, self.counts.cumsum().tolist(), strict=True))


class Metrics:
    """The numbers of one service.

    Any method may be called from any thread, as long as one thread owns one group of calls: the engine's loop the
    effects, the scheduler the trainings and snapshots.

    Parameters
    ----------
    settings
        Gives the labels.
    registry
        Where the metrics are registered; None: a new one.
    now
        Unix time in seconds.
    """

    def __init__(
        self,
        settings: Settings,
        registry: CollectorRegistry | None = None,
        *,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._now = now
        self._values: dict[str, dict[tuple[str, ...], float]] = {name: {} for name in FAMILIES}
        self._histograms: dict[str, dict[tuple[str, ...], Histogram]] = {name: {} for name in FAMILIES}
        self._watched: dict[str, Callable[[], float]] = {}
        self._issued: dict[str, float] = {}
        self._streams = AllStreamSeries(settings)
        self._start_at_zero()
        self.registry = registry or CollectorRegistry()
        self.registry.register(self)
        ProcessCollector(registry=self.registry)

    # --- told by the engine's loop -------------------------------------------------------------------------------

    def observe(self, effects: Iterable[Effect]) -> None:
        """Count what the engine did."""
        for effect in effects:
            match effect:
                case Reject():
                    self._add("samples_rejected_total", 1, effect.group or "", effect.reason)
                case Accepted():
                    self._add("samples_accepted_total", effect.count, effect.group)
                    # a sensor whose clock is ahead measures after we receive: no delay
                    self._histograms["ingest_delay_seconds"][effect.group,].add(np.maximum(effect.delays_s, 0.0))
                case Closed():
                    self._add("steps_closed_total", len(effect.series), effect.group)
                    self._streams.take(effect)
                case Issued():
                    for model, count in Counter(effect.models).items():
                        self._add("forecasts_published_total", count, effect.group, kind_of(model))
                    self._issued[effect.group] = self._now()
                    self._streams.take(effect)
                case Swapped():
                    self.model(effect.group, effect.version)
                case Verified():
                    self._set("anomaly_score", float(np.nan_to_num(effect.anomaly).max(initial=0.0)), effect.group)
                    self._add("anomalies_total", int((effect.anomaly > 1).sum()), effect.group)
                case Drifted():
                    self._add("drift_detected_total", 1, effect.group)
                case _:
                    assert_never(effect)

    def inference(self, group: str, seconds: float) -> None:
        """Note how long one batched step of the network took."""
        self._histograms["inference_duration_seconds"][group,].add(seconds)

    def streams(self, group: str, counts: Mapping[str, int]) -> None:
        """Set the number of streams per state, of :data:`STATES`; states left out have none."""
        for state in STATES:
            self._set("streams", counts.get(state, 0), group, state)

    def scores(self, group: str, scores: Sequence[Score]) -> None:
        """Set the rolling scores; what cannot be told yet (NaN) has no series."""
        for score in scores:
            self._set("forecasts_verified_total", score.count, group, score.leads)
            self._set("forecast_mae", score.mae, group, score.leads)
            self._set("forecast_error_mase", score.mase, group, score.leads)
            self._set("forecast_pinball", score.pinball, group, score.leads)
            self._set("forecast_skill_ratio", score.skill, group, score.leads)
            for level, fraction in score.coverage.items():
                self._set("interval_coverage_ratio", fraction, group, score.leads, f"{level:g}")

    def model(self, group: str, model: str) -> None:
        """Say which model serves a group; the one before it is no longer told."""
        cell = self._settings.group(group).network.cell if kind_of(model) == "network" else "none"
        others = {key: value for key, value in self._values["model_info"].items() if key[0] != group}
        self._values["model_info"] = {**others, (group, model, cell): 1.0}

    # --- told by the scheduler -----------------------------------------------------------------------------------

    def training_progress(self, group: str, fraction: float) -> None:
        """Say how far a training is, in [0, 1]."""
        self._set("training_progress_ratio", fraction, group)

    def training(self, group: str, outcome: str, seconds: float) -> None:
        """Count a training that ended, with an outcome of :data:`OUTCOMES`."""
        self._add("training_runs_total", 1, group, outcome)
        self._set("training_progress_ratio", 0, group)
        if outcome != "skipped":
            self._histograms["training_duration_seconds"][group,].add(seconds)
        if outcome in ("promoted", "rejected"):
            self.trained(group, self._now())

    def trained(self, group: str, at_s: float) -> None:
        """Set when the newest model of a group was made, Unix time."""
        self._set("training_last_success_timestamp_seconds", at_s, group)

    def snapshot(self, seconds: float) -> None:
        """Note a snapshot that was written."""
        self._histograms["state_checkpoint_duration_seconds"][()].add(seconds)
        self._set("state_checkpoint_last_success_timestamp_seconds", self._now())

    def job_added(self, job: str) -> None:
        """Show a job with no failures yet."""
        self._add("scheduler_job_failures_total", 0, job)
        self._add("scheduler_job_missed_total", 0, job)

    def job_failed(self, job: str) -> None:
        """Count a job that raised."""
        self._add("scheduler_job_failures_total", 1, job)

    def job_missed(self, job: str) -> None:
        """Count a job that was left out because its last run had not ended."""
        self._add("scheduler_job_missed_total", 1, job)

    # --- read when somebody asks ---------------------------------------------------------------------------------

    def watch(self, name: str, read: Callable[[], float]) -> None:
        """Ask ``read`` at each scrape for a metric without labels, such as ``mqtt_connected``.

        Raises
        ------
        KeyError
            When :data:`FAMILIES` has no such name.
        """
        self._values[name][()] = 0.0
        self._watched[name] = read

    def collect(self) -> Iterator[Metric]:
        """All families but those per stream; called by the registry."""
        now = self._now()
        for group in self._settings.groups:
            self._set("forecast_age_seconds", now - self._issued[group.name], group.name)
        self._set("metrics_streams_omitted", self._streams.omitted)
        for name, read in self._watched.items():
            self._set(name, float(read()))
        for name, family in FAMILIES.items():
            yield self._family(name, family)

    def render(self) -> bytes:
        """What ``/metrics`` answers, in :data:`CONTENT_TYPE`."""
        return generate_latest(self.registry) + self._streams.render().encode()

    # --- inside --------------------------------------------------------------------------------------------------

    def _family(self, name: str, family: Family) -> Metric:
        full = f"forecaster_{name}"
        # copied first: other threads may add a label set while we read
        values, histograms = self._values[name].copy(), self._histograms[name].copy()
        match family.kind:
            case "histogram":
                several = HistogramMetricFamily(full, family.help, labels=family.labels)
                for labels, histogram in histograms.items():
                    several.add_metric(labels, histogram.buckets(), histogram.sum)
                return several
            case "counter":
                counter = CounterMetricFamily(full, family.help, labels=family.labels)
                for labels, value in values.items():
                    counter.add_metric(labels, value)
                return counter
            case "gauge":
                gauge = GaugeMetricFamily(full, family.help, labels=family.labels)
                for labels, value in values.items():
                    gauge.add_metric(labels, value)
                return gauge
            case _:
                assert_never(family.kind)

    def _add(self, name: str, amount: float, *labels: str) -> None:
        values = self._values[name]
        values[labels] = values.get(labels, 0.0) + amount

    def _set(self, name: str, value: float, *labels: str) -> None:
        if math.isnan(value):
            self._values[name].pop(labels, None)
        else:
            self._values[name][labels] = value

    def _start_at_zero(self) -> None:
        """Give every label set we can foresee its series, so that rates and dashboards work from the first scrape."""
        groups = tuple(group.name for group in self._settings.groups)
        known = {"group": groups, "reason": get_args(Reason), "outcome": OUTCOMES, "model": KINDS, "state": STATES}
        for name, family in FAMILIES.items():
            sets: list[tuple[str, ...]] = [()]
            for label in family.labels:
                sets = [(*labels, value) for labels in sets for value in known.get(label, ())]
            for labels in sets:
                if family.kind == "histogram":
                    self._histograms[name][labels] = Histogram(family.buckets)
                else:
                    self._values[name][labels] = 0.0
        self._add("samples_rejected_total", 0, "", "unknown_topic")
        self._set("build_info", 1, _installed("forecaster"), platform.python_version(), _installed("torch"))
        self._set("start_time_seconds", self._now())
        self._set("cpu_cores_available", cpu_cores())
        self._set("memory_limit_bytes", memory_limit_bytes())
        self._set("state_checkpoint_interval_seconds", self._settings.snapshot_every_s)
        for group in self._settings.groups:
            self.model(group.name, NAIVE)
            self._issued[group.name] = self._now()
            self._set("step_seconds", group.step.longest_s, group.name)
            for level, _, _ in intervals(group.levels):
                self._set("interval_nominal_ratio", level, group.name, f"{level:g}")


def kind_of(model: str) -> str:
    """What made a forecast, as a bounded label.

    >>> kind_of("0007"), kind_of("climatology"), kind_of("0007+climatology")
    ('network', 'naive', 'mixed')
    """
    parts = set(model.split("+"))
    return "network" if not parts & NAIVES else "naive" if parts <= NAIVES else "mixed"


def _installed(package: str) -> str:
    """Version of a package, without importing it."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"
