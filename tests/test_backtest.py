"""Past steps as events: what a service would have been told, and when."""

from __future__ import annotations

import numpy as np

from forecaster.backtest import readings
from forecaster.pipeline.calendar import Grid
from forecaster.records import Panel, Series
from forecaster.settings import Group, Source, Step

HOUR_MS = 3_600_000


def test_what_is_known_ahead_is_told_as_far_ahead_as_the_forecast_reaches() -> None:
    """When a step begins, its own target is read, and the covariate of each of the leads of the forecast then made."""
    step = Step(unit="second", count=3600, text="1h")
    sources = (Source(topic="load"), Source(topic="weather", role="future"))
    group = Group(name="g", sources=sources, step=step, horizon=2)
    series = (Series(name="~1/weather", source=1, labels=()), Series(name="load", source=0, labels=()))
    values = np.array([[10.0, 11.0, 12.0, 13.0], [0.0, 1.0, np.nan, 3.0]])

    events = list(readings(group, Panel(series=series, first=0, values=values), Grid(step, "UTC"), 1))

    told = [[(one.stream, one.time_ms // HOUR_MS, one.value) for one in event.readings] for event in events]
    assert told == [
        [("load", 1, 1.0), ("~1/weather", 1, 11.0), ("~1/weather", 2, 12.0)],
        [("~1/weather", 3, 13.0)],
        [("load", 3, 3.0)],
    ]
