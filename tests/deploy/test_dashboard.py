"""The dashboard and the alerts, against a real Prometheus that scrapes the real service."""

from __future__ import annotations

import json
import math
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
import yaml
from prometheus import Prometheus
from servers import Collector, Mosquitto, eventually, free_port

DEPLOY = Path(__file__).parents[2] / "deploy"
DASHBOARD = json.loads((DEPLOY / "grafana/dashboards/forecaster.json").read_text())
ALERTS = yaml.safe_load((DEPLOY / "prometheus/alerts.yml").read_text())

CONFIG = """
mqtt: {{url: "{broker}"}}
data: {data}
clock: events
groups:
  waves:
    streams: [{{topic: "wave/{{wave}}", value: $.value, time: $.time, unit: V}}]
    step: 1m
    horizon: 14
    season: [4]
    covariates: []
    lookback: 32
    network: {{hidden: 8}}
    retrain: {{every: 1h}}
    training: {{budget: 30s}}
http: {{listen: "127.0.0.1:{port}"}}
metrics: {{per_stream: [waves]}}
snapshot_every: 2s
"""
"""Seasons that do not fit, so that a network soon beats naive."""

PATIENCE_S = 120.0
"""Of which a machine with nothing else to do needs ten, most of it for a training."""

VARIABLES = {"$group": "waves", "$stream": "a", "$shift": "1s", "$__rate_interval": "10s"}


def panels() -> Iterator[dict[str, Any]]:
    """Panels that ask something."""
    yield from (panel for panel in DASHBOARD["panels"] if panel["type"] != "row")


def queries() -> dict[str, str]:
    """Every query of the dashboard with its variables filled in, by the title of its panel and its letter."""
    found = {}
    for panel in panels():
        for target in panel["targets"]:
            expr = target["expr"]
            for variable, value in VARIABLES.items():
                expr = expr.replace(variable, value)
            found[f"{panel['title']} {target['refId']}"] = expr
    return found


def alerts(severity: str) -> dict[str, str]:
    """Expressions by the name of their alert."""
    rules = [rule for group in ALERTS["groups"] for rule in group["rules"]]
    return {rule["alert"]: rule["expr"] for rule in rules if rule["labels"]["severity"] == severity}


def selectors(expr: str) -> list[str]:
    """Metrics an expression reads, with their label matchers.

    >>> selectors('rate(forecaster_a_total{b="c"}[5m]) > 0 and on (x) up')
    ['forecaster_a_total{b="c"}', 'up']
    """
    return re.findall(r"\b(?:forecaster_|process_|up\b)\w*(?:\{[^}]*\})?", expr)


@contextmanager
def service(directory: Path, broker: str) -> Iterator[int]:
    """The daemon as a process of its own; its HTTP port."""
    port = free_port()
    config = directory / "forecaster.yaml"
    config.write_text(CONFIG.format(broker=broker, data=directory / "data", port=port))
    with (directory / "service.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "forecaster", "run", str(config)],
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )

    def ready() -> bool:
        assert process.poll() is None, (directory / "service.log").read_text()
        try:
            with urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    try:
        eventually(ready, 30, "the service being ready")
        yield port
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def minutes(sensors: Collector) -> Iterator[int]:
    """Publishes one minute of two noisy waves, and a payload nobody can read, each time it is asked."""
    for minute in count():
        stamp = f"2026-01-{1 + minute // 1440:02}T{minute // 60 % 24:02}:{minute % 60:02}:00Z"
        for shift, wave in enumerate(("a", "b")):
            value = 10 + 5 * math.sin(2 * math.pi * minute / 10 + shift) + 0.1 * math.sin(minute**2)
            sensors.publish(f"wave/{wave}", json.dumps({"value": value, "time": stamp}).encode())
        sensors.publish("wave/a", b"broken")
        yield minute


@pytest.mark.e2e
@pytest.mark.timeout(240)
def test_every_query_of_the_dashboard_finds_something(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """With a service that has forecast, verified and trained, no panel is empty and no alert asks for what is not.

    Nor does Prometheus complain about what it scrapes, or a critical alert ring.
    """
    config = yaml.safe_load((DEPLOY / "prometheus/prometheus.yml").read_text())
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["rule_files"] = [str(DEPLOY / "prometheus/alerts.yml")]
    with service(tmp_path, mosquitto.url) as port, Collector(mosquitto.port) as sensors:
        config["scrape_configs"][0]["static_configs"] = [{"targets": [f"127.0.0.1:{port}"]}]
        with Prometheus(tmp_path / "prometheus", yaml.safe_dump(config)) as prometheus:
            time_passes = minutes(sensors)
            while next(time_passes) < 200:
                pass

            critical, warning = alerts("critical"), alerts("warning")
            empty = queries()
            empty |= {
                selector: selector for expr in [*critical.values(), *warning.values()] for selector in selectors(expr)
            }
            deadline = time.monotonic() + PATIENCE_S
            while empty and time.monotonic() < deadline:
                next(time_passes)
                time.sleep(0.2)  # a scrape comes once a second
                empty = {name: expr for name, expr in empty.items() if not finite(prometheus.query(expr))}
            assert empty == {}, (tmp_path / "service.log").read_text()
            assert {name for name, expr in critical.items() if prometheus.query(expr)} == set()
            assert values(prometheus.query("up")) == [1.0]
            assert values(prometheus.query("scrape_samples_scraped - scrape_samples_post_metric_relabeling")) == [0.0]
            assert prometheus.log() == ""


def values(series: list[dict[str, Any]]) -> list[float]:
    return [float(one["value"][1]) for one in series]


def finite(series: list[dict[str, Any]]) -> bool:
    """Whether there is anything to draw."""
    return any(math.isfinite(value) for value in values(series))
