"""From issued forecasts to messages: topic and JSON, as the schema below says."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec
import numpy as np

from forecaster.pipeline.mean import mean_of
from forecaster.pipeline.times import rfc3339
from forecaster.records import Array, Issued
from forecaster.settings import Group

VERSION = "forecast/v1"
DIGITS = 6
"""Significant digits published: finer than any meter, and half the bytes of a double."""

FINEST, OF_RANGE = 9, 3
"""Digits published at most, where a range is narrow beside its values; and of how many it is wide then."""

DUST = 1e-9
"""Part of the largest value of a message below which a value is written as 0: what a network says for nothing."""

CHUNK = 1024
"""Streams rounded at once: enough to share the cost of numpy, few enough to need little memory."""

_INSTANT = {"type": "string", "format": "date-time", "pattern": "Z$"}

SCHEMA: dict[str, object] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$id": "urn:forecaster:forecast:v1",
    "title": "Forecast of one stream",
    "description": "Within v1, fields may be added; none is removed or changes its meaning.",
    "type": "object",
    "required": ["schema", "group", "stream", "unit", "origin", "step", "model", "levels", "leads"],
    "properties": {
        "schema": {"const": VERSION},
        "group": {"type": "string", "minLength": 1},
        "stream": {"type": "string", "minLength": 1},
        "unit": {"type": "string", "description": "Unit of all values, as configured; empty when it was not told."},
        "origin": _INSTANT | {"description": "End of the last closed step; nothing later was known."},
        "step": {"type": "string", "description": "Length of a step as configured: 15m, 1h, 1d, month."},
        "model": {
            "type": "string",
            "description": "A version, seasonal_naive, climatology, smart_persistence, or several joined by +.",
        },
        "levels": {
            "description": "Quantile levels, increasing.",
            "type": "array",
            "minItems": 1,
            "items": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
        },
        "leads": {
            "description": "Leads 1, 2, … in order.",
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["lead", "time", "median", "quantiles"],
                "properties": {
                    "lead": {"type": "integer", "minimum": 1, "description": "Steps ahead of the origin."},
                    "time": _INSTANT | {"description": "Start of the step that is forecast."},
                    "median": {"type": "number", "description": "The value at level 0.5."},
                    "mean": {"type": "number", "description": "Of the distribution: what may be summed."},
                    "quantiles": {
                        "description": "One value per level, in the order of levels, never decreasing.",
                        "type": "array",
                        "minItems": 1,
                        "items": {"type": "number"},
                    },
                },
            },
        },
    },
}
"""JSON Schema (draft 2020-12) of a forecast; published, retained, so that readers need not guess."""


class Lead(msgspec.Struct):
    """One lead of a forecast as it is written."""

    lead: int
    time: str
    median: float
    mean: float
    quantiles: list[float]


class Forecast(msgspec.Struct):
    """The message, field by field as in :data:`SCHEMA`."""

    schema: str
    group: str
    stream: str
    unit: str
    origin: str
    step: str
    model: str
    levels: tuple[float, ...]
    leads: list[Lead]


class ForecastEncoder:
    """Writes the forecasts of one group.

    Parameters
    ----------
    group
        Settings of the group.
    prefix
        First levels of every topic we publish.
    unit_of
        Unit of a stream, by name. None: the unit of the group's targets when they agree, else ``""``.
    """

    def __init__(self, group: Group, prefix: str, unit_of: Callable[[str], str] | None = None) -> None:
        units = {source.unit for source in group.targets}
        common = units.pop() if len(units) == 1 else ""
        self._group = group
        self._prefix = f"{prefix}/{group.name}/"
        self._unit_of = unit_of or (lambda stream: common)
        self._median = group.levels.index(0.5)
        self._encode = msgspec.json.Encoder().encode

    def topic(self, stream: str) -> str:
        """Where the forecasts of a stream go."""
        return f"{self._prefix}{stream}/forecast"

    def encode(self, issued: Issued) -> Iterator[tuple[str, bytes]]:
        """Topic and payload of each stream, in order.

        A stream with any value that is not finite is left out: half a forecast would be drawn as a whole one.
        Values less than :data:`DUST` of the largest are written as 0.
        """
        leads = [Lead(i + 1, rfc3339(start), 0.0, 0.0, []) for i, start in enumerate(issued.starts_ms.tolist())]
        group = self._group
        forecast = Forecast(
            *(VERSION, group.name, "", "", rfc3339(issued.origin_ms), group.step.text, "", group.levels, leads)
        )
        for first in range(0, len(issued.streams), CHUNK):
            quantiles = issued.quantiles[first : first + CHUNK]  # (≤ CHUNK, H, Q)
            digits = digits_of(quantiles)
            quantiles = significant(quantiles, digits)
            sizes = np.abs(quantiles)
            least = DUST * sizes.max(axis=(1, 2), keepdims=True)
            quantiles[sizes < least] = 0.0
            means = mean_of(quantiles, group.levels)  # (≤ CHUNK, H)
            means[np.abs(means) < least[..., 0]] = 0.0
            written = significant(means, digits[..., 0]).tolist()
            whole = np.isfinite(quantiles).all(axis=(1, 2)).tolist()
            for i, stream in enumerate(issued.streams[first : first + CHUNK]):
                if not whole[i]:
                    continue
                forecast.stream = stream
                forecast.unit = self._unit_of(stream)
                forecast.model = issued.models[first + i]
                for lead, mean, row in zip(leads, written[i], quantiles[i].tolist(), strict=True):
                    lead.median = row[self._median]
                    lead.mean = mean
                    lead.quantiles = row
                yield self.topic(stream), self._encode(forecast)


def digits_of(quantiles: Array) -> Array:
    """Digits that tell a range from a point: :data:`DIGITS`, more for noise upon a million; (…, Q) to (…, 1).

    Examples
    --------
    >>> digits_of(np.array([[20.5, 21.0, 21.5], [999_999.2, 1_000_000.0, 1_000_000.8], [7.0, 7.0, 7.0]])).tolist()
    [[6.0], [9.0], [9.0]]
    """
    low, high = quantiles[..., :1], quantiles[..., -1:]
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        narrow = np.log10(np.maximum(np.abs(low), np.abs(high)) / (high - low))
    found: Array = np.fmin(np.fmax(np.ceil(narrow) + OF_RANGE, DIGITS), FINEST)  # NaN, of nothing but 0: the fewest
    return found


def significant(values: Array, digits: Array | int = DIGITS) -> Array:
    """Values rounded to so many significant digits, and to 22 decimals; not finite stays not finite.

    Each result is the double nearest to its decimal, so that it is written in few digits.

    Examples
    --------
    >>> significant(np.array([0.123456789, -1234567.0, 0.0])).tolist()
    [0.123457, -1234570.0, 0.0]
    """
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        exponent = np.floor(np.log10(np.abs(values)))  # -inf for 0
        places = np.clip(digits - 1 - exponent, -300, 22)
        fine, coarse = 10.0 ** np.maximum(places, 0), 10.0 ** np.maximum(-places, 0)  # powers up to 22 are exact
        rounded: Array = np.round(values * fine / coarse) / fine * coarse
    return np.where(np.isfinite(rounded), rounded, values) + 0.0  # no -0.0


def schema_topic(prefix: str) -> str:
    """Where the schema is published.

    Examples
    --------
    >>> schema_topic("forecaster")
    'forecaster/schema/forecast/v1'
    """
    return f"{prefix}/schema/{VERSION}"


def schema_payload() -> bytes:
    """The schema as JSON."""
    return msgspec.json.encode(SCHEMA)
