"""What Prometheus is told."""

from __future__ import annotations

import math
import os
import shutil
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from prometheus_client.parser import text_string_to_metric_families

from forecaster.adapters.metrics import FAMILIES, Histogram, Metrics, kind_of
from forecaster.adapters.stream_series import HELP
from forecaster.nets.baseline import naives
from forecaster.records import Accepted, Closed, Issued, Reject, Score, Swapped
from forecaster.settings import Group, Mqtt, Settings, Source, Step
from forecaster.settings import Metrics as MetricsSettings

NAN = float("nan")
HOME = Group(
    name="home",
    sources=(Source(topic="home/{meter}"),),
    step=Step(unit="second", count=3600, text="1h"),
    horizon=3,
    levels=(0.1, 0.5),
)


def metrics(per_stream: tuple[str, ...] = (), max_streams: int = 100, now: float = 1_000.0) -> Metrics:
    chosen = MetricsSettings(per_stream=per_stream, max_streams=max_streams)
    return Metrics(Settings(mqtt=Mqtt(url="mqtt://broker"), groups=(HOME,), metrics=chosen), now=lambda: now)


def samples(told: Metrics, name: str) -> dict[tuple[str, ...], float]:
    """Values of one metric by its label values, sorted by label name; read back by Prometheus' own parser."""
    return {
        tuple(value for _, value in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(told.render().decode())
        for sample in family.samples
        if sample.name == f"forecaster_{name}"
    }


def issued(streams: list[str], quantiles: object, models: list[str] | None = None) -> Issued:
    return Issued(
        group="home",
        streams=streams,
        origin_ms=0,
        starts_ms=np.arange(3),
        quantiles=np.asarray(quantiles, dtype=float),
        models=models or ["0001"] * len(streams),
    )


def closed(series: list[str], values: list[float]) -> Closed:
    return Closed(group="home", series=series, start_ms=0, values=np.array(values))


def test_effects_are_counted_by_group() -> None:
    """Each effect adds to the counters of its group."""
    told = metrics()

    told.observe(
        [
            Accepted(group="home", count=3, delays_s=np.array([-1.0, 0.05, 7.0])),
            Reject(group="home", stream="a", reason="late"),
            Reject(group=None, stream=None, reason="unknown_topic"),
            closed(["a", "b"], [1.0, NAN]),
            issued(["a", "b", "c"], np.zeros((3, 3, 2)), ["0001", "climatology", "0001+climatology"]),
        ]
    )

    assert samples(told, "samples_accepted_total") == {("home",): 3}
    assert {k: v for k, v in samples(told, "samples_rejected_total").items() if v} == {
        ("home", "late"): 1,
        ("", "unknown_topic"): 1,
    }
    assert samples(told, "steps_closed_total") == {("home",): 2}
    assert samples(told, "forecasts_published_total") == {("home", kind): 1 for kind in ("network", "naive", "mixed")}
    assert samples(told, "ingest_delay_seconds_count") == {("home",): 3}
    assert samples(told, "ingest_delay_seconds_sum") == {("home",): 7.05}


def test_all_naive_forecasts_are_counted_as_naive() -> None:
    """Whatever there is of them, alone and mixed."""
    names = [naive.version for naive in naives(replace(HOME, seasons=(24,), lookback=72))]

    assert {kind_of(name) for name in [*names, "+".join(names)]} == {"naive"}
    assert kind_of("+".join(["0001", *names])) == "mixed"


def test_every_counter_exists_before_anything_happened() -> None:
    """A rate over a counter that appears only with its first event misses that event."""
    told = metrics()

    empty = {name for name in FAMILIES if not samples(told, name) and not samples(told, f"{name}_count")}

    assert empty == {
        # not known before the first score
        *("forecasts_verified_total", "forecast_mae", "forecast_error_mase", "forecast_pinball"),
        *("forecast_skill_ratio", "interval_coverage_ratio"),
        # no two of these levels enclose an interval
        "interval_nominal_ratio",
        # not known before jobs are added
        *("scheduler_job_failures_total", "scheduler_job_missed_total"),
    }
    assert samples(told, "training_runs_total") == dict.fromkeys(
        [("home", outcome) for outcome in ("promoted", "rejected", "failed", "skipped", "timeout")], 0
    )


def test_what_alerts_compare_with_is_told() -> None:
    """Levels of intervals as numbers, and how often state is to be saved."""
    group = replace(HOME, levels=(0.01, 0.05, 0.5, 0.95, 0.99))
    told = Metrics(Settings(mqtt=Mqtt(url="mqtt://broker"), groups=(group,), snapshot_every_s=10_800.0))

    assert samples(told, "interval_nominal_ratio") == {("home", "0.98"): 0.98, ("home", "0.9"): 0.9}
    assert samples(told, "state_checkpoint_interval_seconds") == {(): 10_800.0}


def test_scores_are_told_per_bucket_and_unknown_ones_are_not() -> None:
    """A score that is not known (NaN) has no series, so that no average is poisoned by it."""
    told = metrics()
    known = Score(leads="1", count=7, mae=0.5, mase=0.9, pinball=0.2, skill=0.1, coverage={0.8: 0.75})
    unknown = Score(leads="2-4", count=0, mae=NAN, mase=NAN, pinball=NAN, skill=NAN, coverage={0.8: NAN})

    told.scores("home", [known, unknown])

    assert samples(told, "forecasts_verified_total") == {("home", "1"): 7, ("home", "2-4"): 0}
    assert samples(told, "forecast_mae") == {("home", "1"): 0.5}
    assert samples(told, "forecast_error_mase") == {("home", "1"): 0.9}
    assert samples(told, "forecast_pinball") == {("home", "1"): 0.2}
    assert samples(told, "forecast_skill_ratio") == {("home", "1"): 0.1}
    assert samples(told, "interval_coverage_ratio") == {("home", "1", "0.8"): 0.75}


def test_one_model_serves_a_group() -> None:
    """A swap replaces the series of the model before."""
    told = metrics()
    assert samples(told, "model_info") == {("none", "home", "seasonal_naive"): 1}

    told.observe([Swapped(group="home", version="0007")])

    assert samples(told, "model_info") == {("gru", "home", "0007"): 1}


def test_the_age_of_a_model_survives_a_restart() -> None:
    """A service that starts with a model says when that was trained, not that it never trained."""
    told = metrics()
    assert samples(told, "training_last_success_timestamp_seconds") == {("home",): 0}

    told.trained("home", 4_000.0)

    assert samples(told, "training_last_success_timestamp_seconds") == {("home",): 4_000.0}


def test_the_length_of_a_step_is_told() -> None:
    """An alert that a forecast is stale counts in steps of the group."""
    assert samples(metrics(), "step_seconds") == {("home",): HOME.step.longest_s}


def test_trainings_snapshots_and_jobs() -> None:
    """A training that was skipped has no duration; one that made a model has a time of success."""
    told = metrics(now=5_000.0)

    told.training("home", "skipped", 0.1)
    told.training_progress("home", 0.5)
    told.training("home", "rejected", 20.0)
    told.snapshot(0.02)
    told.job_added("prune")
    told.job_failed("prune")

    assert {k: v for k, v in samples(told, "training_runs_total").items() if v} == {
        ("home", "skipped"): 1,
        ("home", "rejected"): 1,
    }
    assert samples(told, "training_duration_seconds_sum") == {("home",): 20.0}
    assert samples(told, "training_progress_ratio") == {("home",): 0.0}
    assert samples(told, "training_last_success_timestamp_seconds") == {("home",): 5_000.0}
    assert samples(told, "state_checkpoint_last_success_timestamp_seconds") == {(): 5_000.0}
    assert samples(told, "scheduler_job_failures_total") == {("prune",): 1}
    assert samples(told, "scheduler_job_missed_total") == {("prune",): 0}


def test_watched_values_are_read_at_each_scrape() -> None:
    """A queue depth is the depth now, not when it was registered."""
    told, queue = metrics(), [1, 2]
    told.watch("ingest_queue_samples", lambda: len(queue))
    assert samples(told, "ingest_queue_samples") == {(): 2}

    queue.clear()

    assert samples(told, "ingest_queue_samples") == {(): 0}
    with pytest.raises(KeyError):
        told.watch("no_such_metric", lambda: 0)


def test_forecast_age_counts_from_the_newest_forecast_or_from_start() -> None:
    """A group that never forecasts grows old from the start of the service."""
    clock = iter([100.0] * 2 + [160.0, 200.0, 230.0])  # start (twice), scrape, forecast, scrape
    told = Metrics(Settings(mqtt=Mqtt(url="mqtt://broker"), groups=(HOME,)), now=lambda: next(clock))
    assert samples(told, "forecast_age_seconds") == {("home",): 60.0}

    told.observe([issued(["a"], np.zeros((1, 3, 2)))])

    assert samples(told, "forecast_age_seconds") == {("home",): 30.0}


def test_stream_states_left_out_are_zero() -> None:
    """All states are told, always."""
    told = metrics()
    told.streams("home", {"active": 3, "stale": 1})

    told.streams("home", {"active": 4})

    assert samples(told, "streams") == {
        ("home", "active"): 4,
        ("home", "stale"): 0,
        ("home", "warming"): 0,
        ("home", "quarantined"): 0,
    }


def test_streams_have_series_only_where_switched_on() -> None:
    """Without the setting no series carries a stream name."""
    told = metrics()

    told.observe([closed(["a"], [1.0]), issued(["a"], np.zeros((1, 3, 2)))])

    assert b"forecaster_stream_" not in told.render()


def test_streams_first_and_last_lead_are_told() -> None:
    """Per stream: last value, and the forecast at the nearest and farthest lead, for each level."""
    told = metrics(per_stream=("home",))

    told.observe(
        [
            closed(['a"b\\', "~1/outside", "c"], [1.5, 20.0, NAN]),
            issued(['a"b\\'], [[[1, 2], [3, 4], [5, 6]]]),
        ]
    )

    values = samples(told, "stream_value")
    assert math.isnan(values.pop(("home", "c")))
    assert values == {("home", 'a"b\\'): 1.5}
    assert samples(told, "stream_forecast") == {
        ("home", "1", "0.1", 'a"b\\'): 1,
        ("home", "1", "0.5", 'a"b\\'): 2,
        ("home", "3", "0.1", 'a"b\\'): 5,
        ("home", "3", "0.5", 'a"b\\'): 6,
    }


def test_streams_beyond_the_limit_are_counted_once() -> None:
    """The first streams keep their series; how many have none is told."""
    told = metrics(per_stream=("home",), max_streams=2)

    for _ in range(3):
        told.observe([closed(["a", "~1/outside", "b", "c", "d"], [1.0, 9.0, 2.0, 3.0, 4.0])])
        told.observe([issued(["a", "b", "c", "d"], np.zeros((4, 3, 2)))])

    assert samples(told, "stream_value") == {("home", "a"): 1, ("home", "b"): 2}
    assert samples(told, "metrics_streams_omitted") == {(): 2}


@settings(max_examples=30)
@given(values=arrays(np.float64, st.integers(0, 20), elements=st.floats(0, 4)))
def test_a_batch_counts_like_its_values_one_by_one(values: np.ndarray) -> None:
    """Bucket b holds the number of values at or below its bound."""
    histogram = Histogram((1.0, 2.0, 3.0))

    histogram.add(values)

    expected = [(text, sum(v <= float(text) for v in values)) for text in ("1", "2", "3", "+Inf")]
    assert histogram.buckets() == expected
    assert histogram.sum == pytest.approx(sum(values))


def test_prometheus_own_linter_is_silent() -> None:
    """``promtool check metrics`` finds nothing to say about names, units and help texts."""
    promtool = shutil.which("promtool")
    if promtool is None:
        assert not os.environ.get("CI"), "CI needs promtool: apt-get install prometheus"
        pytest.skip("promtool is not installed")
    told = metrics(per_stream=("home",))
    told.job_added("prune")
    told.observe([closed(["a"], [1.0]), issued(["a"], np.zeros((1, 3, 2)))])
    told.scores("home", [Score(leads="1", count=1, mae=1, mase=1, pinball=1, skill=0, coverage={0.8: 1.0})])

    said = subprocess.run([promtool, "check", "metrics"], input=told.render(), capture_output=True, check=False)

    assert (said.returncode, said.stdout, said.stderr) == (0, b"", b"")


def test_no_label_is_one_that_prometheus_gives() -> None:
    """Prometheus would rename ours to ``exported_job``, and a query by job would find the service instead."""
    assert not {label for family in FAMILIES.values() for label in family.labels} & {"job", "instance"}


def test_every_metric_is_documented() -> None:
    """docs/metrics.md names each family, with its labels."""
    page = (Path(__file__).parents[2] / "docs/metrics.md").read_text()

    for name, family in FAMILIES.items():
        labels = f"{{{','.join(family.labels)}}}" if family.labels else ""
        assert f"`forecaster_{name}{labels}`" in page
    for name in HELP:
        assert f"`{name}{{" in page


def test_start_time_is_the_clock_s() -> None:
    """Without a clock of the caller's, the machine's is used."""
    before = time.time()
    told = Metrics(Settings(mqtt=Mqtt(url="mqtt://broker"), groups=(HOME,)))

    assert before <= samples(told, "start_time_seconds")[()] <= time.time()
