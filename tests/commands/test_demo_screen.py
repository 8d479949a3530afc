"""What a person sees of the demo fits a terminal of 80 columns, and compares only what differs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from rich.console import Console, RenderableType

from forecaster.commands.demo_screen import Look, panel, summary
from forecaster.commands.scrape import Numbers

NUMBERS = """\
forecaster_samples_accepted_total 190080
forecaster_steps_closed_total 190080
forecaster_forecasts_published_total 190080
forecaster_forecasts_verified_total{leads="1"} 10
forecaster_forecast_mae{leads="1"} 0.3
forecaster_forecast_error_mase{leads="1"} 0.75
forecaster_forecast_skill_ratio{leads="1"} 0.005
forecaster_interval_coverage_ratio{leads="1",level="0.8"} 0.8
"""
MODEL = 'forecaster_model_info{version="0001"} 1\n'


def a_look(numbers: str) -> Look:
    wave = [float(hour % 7) for hour in range(24)]
    return Look(
        numbers=Numbers(numbers),
        forecast=("home05", wave, wave),
        origin="2013-12-31T23:00:00Z",
        total=190_080,
        homes=20,
        horizon=24,
        where="http://127.0.0.1:45231/",
        topics="mosquitto_sub -p 45231 -t 'forecaster/#' -v",
        zone="Australia/Sydney",
    )


def lines(shown: RenderableType, width: int) -> list[str]:
    with Path(os.devnull).open("w") as nowhere:
        console = Console(width=width, highlight=False, record=True, file=nowhere)
        console.print(shown)
        return [line.strip("│ ") for line in console.export_text().splitlines()]


@pytest.mark.parametrize("width", [80, 100])
def test_nothing_is_broken_over_two_lines(width: int) -> None:
    """Every row of the live view, however much there is to tell."""
    shown = lines(panel(a_look(NUMBERS + MODEL)), width)
    assert shown[3:11] == [
        "in, out  190,080 readings   190,080 steps   190,080 forecasts of 24 hours",
        "model    recurrent network 0001",
        "error    0.300 kWh per hour",
        "same hour yesterday 0.400 25% better",
        "best naive forecast 0.302 level",
        "ranges   80% of what came lay in the 80 % range",
        "home05   ▁▂▃▅▆▇█▁▂▃▅▆▇█▁▂▃▅▆▇█▁▂▃ ┊ ▁▂▃▅▆▇█▁▂▃▅▆▇█▁▂▃▅▆▇█▁▂▃",
        "the day before ┊ the day ahead",
    ]


def test_naive_is_not_compared_with_itself() -> None:
    """Before there is a network, what is usual is what is published."""
    shown = [line for look in (panel, summary) for line in lines(look(a_look(NUMBERS)), 80)]
    assert shown.count("same hour yesterday 0.400 25% better") == 2
    assert not any("best naive forecast" in line for line in shown)
