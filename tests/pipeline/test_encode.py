"""From issued forecasts to messages."""

from __future__ import annotations

import json
from datetime import datetime
from decimal import Decimal, localcontext
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from jsonschema import Draft202012Validator

from forecaster.pipeline.encode import (
    CHUNK,
    SCHEMA,
    ForecastEncoder,
    schema_payload,
    schema_topic,
    significant,
)
from forecaster.records import Array, Issued
from forecaster.settings import Group, Source, Step

NOON = 1_795_176_000_000  # 2026-11-20T12:00:00Z
HOUR = 3_600_000
VALIDATOR = Draft202012Validator(SCHEMA, format_checker=Draft202012Validator.FORMAT_CHECKER)


def a_group(*units: str) -> Group:
    sources = tuple(Source(topic=f"home/{i}", unit=unit) for i, unit in enumerate(units))
    step = Step(unit="second", count=3600, text="1h")
    return Group(name="household", sources=sources, step=step, horizon=2, levels=(0.1, 0.5, 0.9))


def issued(quantiles: Array, streams: list[str] | None = None) -> Issued:
    """Forecasts at noon, hour by hour, of shape (B, H, Q)."""
    count, horizon, _ = quantiles.shape
    return Issued(
        group="household",
        streams=streams or [f"home/{i}" for i in range(count)],
        origin_ms=NOON,
        starts_ms=NOON + HOUR * np.arange(horizon),
        quantiles=quantiles,
        models=["0007"] * count,
    )


def payloads(encoder: ForecastEncoder, forecasts: Issued) -> dict[str, Any]:
    return {topic: json.loads(payload) for topic, payload in encoder.encode(forecasts)}


def test_a_forecast_says_all_a_reader_needs() -> None:
    """The whole message, as documented."""
    quantiles = np.array([[[0.1, 0.42, 1.0], [0.2, 1 / 3, 2.0]]])

    assert payloads(ForecastEncoder(a_group("kWh"), "forecaster"), issued(quantiles, ["a/1"])) == {
        "forecaster/household/a/1/forecast": {
            "schema": "forecast/v1",
            "group": "household",
            "stream": "a/1",
            "unit": "kWh",
            "origin": "2026-11-20T12:00:00Z",
            "step": "1h",
            "model": "0007",
            "levels": [0.1, 0.5, 0.9],
            "leads": [
                {
                    "lead": 1,
                    "time": "2026-11-20T12:00:00Z",
                    "median": 0.42,
                    "mean": 0.499154,
                    "quantiles": [0.1, 0.42, 1.0],
                },
                {
                    "lead": 2,
                    "time": "2026-11-20T13:00:00Z",
                    "median": 0.333333,
                    "mean": 0.800137,
                    "quantiles": [0.2, 0.333333, 2.0],
                },
            ],
        }
    }


def test_each_stream_has_its_own_unit_and_model() -> None:
    """A group may mix units; then the caller knows which stream has which."""
    forecasts = issued(np.zeros((2, 2, 3)), ["a", "b"])
    forecasts.models[1] = "seasonal_naive"

    named = payloads(ForecastEncoder(a_group("W", "kWh"), "p", {"a": "W", "b": "kWh"}.__getitem__), forecasts)
    unnamed = payloads(ForecastEncoder(a_group("W", "kWh"), "p"), forecasts)

    assert [(p["unit"], p["model"]) for p in named.values()] == [("W", "0007"), ("kWh", "seasonal_naive")]
    assert [p["unit"] for p in unnamed.values()] == ["", ""]


def test_many_streams_keep_their_order_and_their_values() -> None:
    """More than are rounded at once: no message takes the numbers or the model of another."""
    count = 2 * CHUNK + 3
    forecasts = issued(np.arange(count)[:, None, None] + np.zeros((count, 2, 3)))
    forecasts.models[:] = [str(i) for i in range(count)]

    found = payloads(ForecastEncoder(a_group("W"), "p"), forecasts)

    assert list(found) == [f"p/household/home/{i}/forecast" for i in range(count)]
    assert [(p["model"], p["leads"][1]["median"]) for p in found.values()] == [(str(i), i) for i in range(count)]


def test_what_is_nothing_beside_the_rest_of_a_message_is_written_as_0() -> None:
    """Less than a billionth of its largest value, in either direction; beside other streams nothing counts."""
    quantiles = np.array([[[-3e-13, 7e-12, 9e-9], [1.0, 2.0, 8.0]], [[7e-12, 8e-12, 9e-12], [-1e-22, 0.0, 1e-22]]])

    house, tiny = payloads(ForecastEncoder(a_group("kWh"), "p"), issued(quantiles)).values()

    assert [lead["quantiles"] for lead in house["leads"]] == [[0.0, 0.0, 9e-9], [1.0, 2.0, 8.0]]
    assert [lead["median"] for lead in house["leads"]] == [0.0, 2.0]
    assert [lead["quantiles"] for lead in tiny["leads"]] == [[7e-12, 8e-12, 9e-12], [0.0, 0.0, 0.0]]


def test_a_mean_that_is_nothing_beside_its_quantiles_is_written_as_0() -> None:
    """What is left of a sum that cancels out."""
    quantiles = np.array([[[-0.3, 0.0, 0.3 + 1e-10], [-0.1, 1e-11, 0.1]]])

    (found,) = payloads(ForecastEncoder(a_group("kWh"), "p"), issued(quantiles)).values()

    assert [lead["mean"] for lead in found["leads"]] == [0.0, 0.0]


def test_a_range_that_is_narrow_beside_its_values_is_written_as_a_range() -> None:
    """Noise upon a million: in six digits its ends, median and mean would be one number; other streams keep six."""
    quantiles = np.array([[[999_999.215, 1_000_000.0, 1_000_000.785]] * 2, [[0.1234567, 0.7654321, 2.0]] * 2])

    million, home = payloads(ForecastEncoder(a_group("Pa"), "p"), issued(quantiles)).values()

    assert million["leads"][0]["quantiles"] == pytest.approx(quantiles[0, 0], abs=0.01)
    assert million["leads"][0]["mean"] == pytest.approx(1_000_000, abs=0.01)
    assert home["leads"][0]["quantiles"] == [0.123457, 0.765432, 2.0]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_stream_without_a_whole_forecast_is_left_out(bad: float) -> None:
    """One value that is not finite anywhere; the others are published."""
    quantiles = np.ones((3, 2, 3))
    quantiles[1, 1, 2] = bad

    assert list(payloads(ForecastEncoder(a_group("W"), "p"), issued(quantiles))) == [
        "p/household/home/0/forecast",
        "p/household/home/2/forecast",
    ]


@given(arrays(np.float64, (2, 3, 3), elements=st.floats(allow_nan=False, allow_infinity=False)), st.text(min_size=1))
@settings(max_examples=60)
def test_every_message_is_valid(quantiles: Array, stream: str) -> None:
    """By the schema we publish, in strict JSON, with times an hour apart."""
    forecasts = issued(np.sort(quantiles, axis=-1), [stream, "b"])

    for payload in payloads(ForecastEncoder(a_group("W"), "p"), forecasts).values():
        VALIDATOR.validate(payload)
        times = [datetime.fromisoformat(lead["time"]).timestamp() * 1000 for lead in payload["leads"]]
        assert times == [NOON, NOON + HOUR, NOON + 2 * HOUR]
        for lead in payload["leads"]:
            assert lead["quantiles"] == sorted(lead["quantiles"])


@given(st.floats(1e-16, 1e300) | st.floats(-1e300, -1e-16))
@example(999999.5)
@example(1e-16)
@settings(max_examples=300)
def test_six_digits_are_as_good_as_decimal_arithmetic(value: float) -> None:
    """Within half a unit of the sixth digit; never an infinity."""
    rounded = float(significant(np.array([value]))[0])
    with localcontext(prec=6):
        exact = float(+Decimal(value))

    assert rounded == pytest.approx(exact, rel=1.01e-5, abs=0)
    assert abs(rounded - value) <= abs(value) * 5.001e-6


@given(st.integers(-999_999, 999_999), st.integers(-12, 12))
@settings(max_examples=200)
def test_a_number_of_six_digits_stays_itself_and_short(digits: int, power: int) -> None:
    """The double nearest to its decimal, so the text is the decimal."""
    value = float(f"{digits}e{power}")

    assert significant(np.array([value])).tolist() == [value]


def test_the_schema_is_a_schema_and_has_its_topic() -> None:
    """Readers find it beside the forecasts."""
    Draft202012Validator.check_schema(SCHEMA)
    assert json.loads(schema_payload()) == SCHEMA
    assert schema_topic("forecaster") == "forecaster/schema/forecast/v1"
