"""The scrape configuration and the alerts, as Prometheus' own tool judges them."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml
from prometheus import program

from forecaster.adapters.metrics import FAMILIES

PROMETHEUS = Path(__file__).parents[2] / "deploy/prometheus"
RULES = [rule for group in yaml.safe_load((PROMETHEUS / "alerts.yml").read_text())["groups"] for rule in group["rules"]]


@pytest.mark.parametrize(
    "arguments",
    [("check", "config", "prometheus.yml"), ("check", "rules", "alerts.yml"), ("test", "rules", "alerts.test.yml")],
)
def test_promtool_is_content(arguments: tuple[str, ...]) -> None:
    """Configuration and rules can be read, and the rules pass their own tests."""
    said = subprocess.run([program("promtool"), *arguments], cwd=PROMETHEUS, capture_output=True, check=False)

    assert said.returncode == 0, said.stdout.decode() + said.stderr.decode()


def test_every_alert_has_a_test_that_makes_it_fire() -> None:
    """By name, in alerts.test.yml."""
    tested = (PROMETHEUS / "alerts.test.yml").read_text()

    assert {rule["alert"] for rule in RULES if not re.search(rf"\b{rule['alert']}\b", tested)} == set()


def test_alerts_read_metrics_that_exist_and_say_what_to_do() -> None:
    """Names as in the one file of metrics; a summary and a severity each."""
    known = {f"forecaster_{name}" for name in FAMILIES}

    assert {name for rule in RULES for name in re.findall(r"forecaster_\w+", rule["expr"])} <= known
    for rule in RULES:
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert rule["annotations"]["summary"].endswith(".")
