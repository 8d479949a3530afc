"""Effects are carried out: each to the right place, and all of them counted."""

from __future__ import annotations

import json
import logging

import numpy as np
import pytest

from forecaster.records import Closed, Drifted, Effect, Issued, Reject, Swapped, Verified
from forecaster.runtime.anomalies import Anomalies
from forecaster.runtime.complaints import Complaints
from forecaster.runtime.history_buffer import HistoryBuffer
from forecaster.runtime.outputs import Outputs, expiry_s
from forecaster.settings import Mqtt, Publish, Settings, Step
from forecaster.testing import FakeBroker, FakeClock, a_group, at

HOUR_MS = 3_600_000


def test_each_effect_goes_where_it_belongs(caplog: pytest.LogCaptureFixture) -> None:
    """Forecasts to the broker, steps to the history, words to the log, everything to the metrics."""
    broker, buffer, seen, drifted = FakeBroker(), HistoryBuffer(), list[Effect](), list[str]()
    settings = Settings(mqtt=Mqtt(url="mqtt://b"), groups=(a_group(),), publish=Publish(prefix="out"))
    outputs = Outputs(
        *(settings, broker, buffer, Complaints(FakeClock()), seen.extend, lambda group, stream: f"{group} {stream} W"),
        drifted.append,
    )
    effects: list[Effect] = [
        Closed(group="household", series=["a"], start_ms=at("11:00"), values=np.array([2.0])),
        Issued(
            group="household",
            streams=["a"],
            origin_ms=at("12:00"),
            starts_ms=at("12:00") + HOUR_MS * np.arange(3),
            quantiles=np.arange(15.0).reshape(1, 3, 5),
            models=["0001"],
        ),
        Reject(group="household", stream="a", reason="parse"),
        Swapped(group="household", version="0001"),
        Drifted(group="household"),
    ]

    with caplog.at_level(logging.INFO):
        outputs.carry_out(effects)

    (published,) = broker.published
    said = json.loads(published.payload)
    assert (published.topic, published.retain, published.expiry_s) == ("out/household/a/forecast", True, 7200)
    assert (said["unit"], said["origin"], said["model"]) == ("household a W", "2026-03-01T12:00:00Z", "0001")
    assert [lead["median"] for lead in said["leads"]] == [2.0, 7.0, 12.0]
    assert buffer.rows == 1
    assert caplog.messages == [
        "message refused reason=parse group=household stream=a",
        "model swapped group=household model=0001",
        "drift: errors have risen group=household",
    ]
    assert seen == effects
    assert drifted == ["household"]


def test_what_is_out_of_range_is_told_and_so_is_its_end() -> None:
    """A message while the score is above 1, one more when that is over, and none in ordinary times."""
    anomalies = Anomalies(Settings(mqtt=Mqtt(url="mqtt://b"), groups=(a_group(),)))

    def said(hour: int, value: float, score: float, over: bool = False) -> list[tuple[str, float]]:
        quantiles = np.tile([8.0, 9.0, 10.0, 11.0, 12.0], (1, 3, 1))
        verified = Verified(
            group="household",
            streams=["a"],
            start_ms=at("12:00") + hour * HOUR_MS,
            truth=np.array([value]),
            quantiles=quantiles,
            naive=np.full((1, 3), 10.0),
            anomaly=np.array([score]),
            over=np.array([over]),
        )
        return [(topic, json.loads(payload)["score"]) for topic, payload in anomalies.encode(verified)]

    topic = "forecaster/household/a/anomaly"
    assert said(0, 10, 0.0) == []
    assert said(1, 20, 3.8) == [(topic, 3.8)]
    assert said(2, 10, 0.1, over=True) == [(topic, 0.1)]
    assert said(3, 10, 0.1) == []


@pytest.mark.parametrize(
    ("step", "seconds"),
    [
        (Step(unit="second", count=1, text="1s"), 60),
        (Step(unit="second", count=3600, text="1h"), 7200),
        (Step(unit="day", count=1, text="1d"), 2 * 86_400),
        (Step(unit="week", count=1, text="week"), 14 * 86_400),
        (Step(unit="month", count=1, text="month"), 62 * 86_400),
    ],
)
def test_a_forecast_outlives_the_next_two_steps(step: Step, seconds: int) -> None:
    """By then there are newer ones; nobody should act on one from a service that is gone."""
    assert expiry_s(step) == seconds
