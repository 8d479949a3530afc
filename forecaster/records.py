"""The nouns: what comes in, what goes out, and what is handed from room to room.

Events go into the engine, effects come out of it. Both are plain frozen data. Effects that concern many streams
are columnar, arrays whose first axis is the stream: an hour at which 100 000 of them close is one object.

Shape letters: **B** batch, **T** steps, **H** horizon, **Q** levels, **R** rows (targets and covariate series).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from forecaster.settings import Exclusion

if TYPE_CHECKING:
    from forecaster.ports import Predictor

Array = np.ndarray

# --- events: what the engine is told -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Message:
    """One MQTT message as it arrived.

    Attributes
    ----------
    topic, payload
        As on the wire; the payload may be any bytes.
    received_ms
        Arrival, epoch milliseconds of the daemon's clock.
    retained
        The broker sent it because it was retained, not because it is new.
    identifier, redelivered
        Packet identifier (0 at QoS 0), and whether the broker marked it as sent before.
    """

    topic: str
    payload: bytes
    received_ms: int
    retained: bool = False
    identifier: int = 0
    redelivered: bool = False


@dataclass(frozen=True, slots=True)
class Tick:
    """The clock has reached ``now_ms``; sent when that closes a step although no message came."""

    now_ms: int


@dataclass(frozen=True, slots=True)
class ModelReady:
    """A model was promoted. The journal keeps group and version; the predictor is loaded again at replay.

    Attributes
    ----------
    predictor
        The loaded model; None: back to naive forecasts.
    """

    group: str
    version: str
    predictor: Predictor | None = None


# --- what a message becomes --------------------------------------------------------------------------------------

Reason = Literal[
    "unknown_topic",
    "parse",
    "path",
    "type",
    "not_finite",
    "range",
    "time",
    "future",
    "late",
    "duplicate",
    "retained",
    "reset",
    "max_streams",
    "too_large",
]
"""Why a message could not be used. Becomes a metric label, so the set is small and fixed.

``unknown_topic`` no source matches; ``parse`` not a number or not JSON; ``path`` nothing at the configured path;
``type`` something else than a number there; ``not_finite`` NaN or infinite; ``range`` outside ``valid``; ``time``
the time cannot be read; ``future`` dated too far ahead; ``late`` its step is closed; ``duplicate`` that stream and
time are known; ``retained`` an old retained value; ``reset`` a meter fell and the fall is not yet explained;
``max_streams`` the group is full; ``too_large`` payload above the limit.
"""


@dataclass(frozen=True, slots=True)
class Reading:
    """A raw value of one stream at one instant.

    Attributes
    ----------
    stream
        Name of the stream within its group.
    labels
        Captures of the topic, ``(("home", "a"), ("meter", "1"))``; they link covariates to targets.
    source
        Index into ``group.sources``.
    time_ms
        When it was measured, epoch milliseconds.
    value
        Finite.
    own_time
        The payload carried the time; False: it is the arrival time.
    """

    stream: str
    labels: tuple[tuple[str, str], ...]
    source: int
    time_ms: int
    value: float
    own_time: bool


@dataclass(frozen=True, slots=True)
class Readings:
    """Readings of a group that did not come by MQTT: from a file, or from the history; an event too."""

    group: str
    readings: tuple[Reading, ...]


@dataclass(frozen=True, slots=True)
class Forget:
    """A stretch of some streams of a group is to be taken for never seen; an event too."""

    group: str
    exclusion: Exclusion


Event = Message | Tick | ModelReady | Readings | Forget


@dataclass(frozen=True, slots=True, kw_only=True)
class Reject:
    """A message, or one reading of it, that we could not use. Counted and logged at a limited rate; never raised.

    Attributes
    ----------
    group
        Name of the group it was meant for, or None when the topic is not ours.
    stream
        Name of the stream when known.
    reason
        One of the fixed reasons.
    detail
        For the log line only, at most 200 characters, no secrets, no payload.
    """

    group: str | None
    stream: str | None
    reason: Reason
    detail: str = ""


# --- effects: what the engine wants done -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Accepted:
    """Readings of a group that were used.

    Attributes
    ----------
    delays_s
        float64 (N,), arrival minus measurement of those that carried their own time.
    """

    group: str
    count: int
    delays_s: Array


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Closed:
    """Steps that closed, one of each series named. Goes to the history.

    Attributes
    ----------
    series
        Names of the series (targets and covariates), length B.
    start_ms
        Start of the step, the same for all of them.
    values
        float64 (B,), NaN where nothing was observed.
    """

    group: str
    series: list[str]
    start_ms: int
    values: Array


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Issued:
    """Forecasts made at one origin, one of each stream named. Goes to the broker.

    Attributes
    ----------
    streams
        Names, length B.
    origin_ms
        End of the last closed step; the first lead starts here.
    starts_ms
        int64 (H,), start of the step of each lead.
    quantiles
        float64 (B, H, Q), increasing along Q, within the bounds, finite.
    models
        What made each, length B: a version, the name of a naive forecast, or several joined by ``+``.
    """

    group: str
    streams: list[str]
    origin_ms: int
    starts_ms: Array
    quantiles: Array
    models: list[str]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Verified:
    """Forecasts whose target has arrived, scored per lead. NaN where there was no forecast or no truth.

    Attributes
    ----------
    streams, truth
        Names, length B, and what came, float64 (B,).
    start_ms
        Start of the step that was the target.
    quantiles
        float64 (B, H, Q): what the forecast issued ``lead`` steps before had said.
    naive
        float64 (B, H): what the best naive forecast had said.
    anomaly, over
        float64 (B,): distance of the truth from the median of lead 1 in units of the 99 % range; above 1 outside it.
        bool (B,): the one before that had a forecast was outside, and this one is not.
    """

    group: str
    streams: list[str]
    start_ms: int
    truth: Array
    quantiles: Array
    naive: Array
    anomaly: Array
    over: Array


@dataclass(frozen=True, slots=True, kw_only=True)
class Drifted:
    """The errors of a group have risen for good: time to train again."""

    group: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Swapped:
    """The engine now forecasts a group with another model."""

    group: str
    version: str


Effect = Reject | Accepted | Closed | Issued | Verified | Swapped | Drifted

# --- histories and scores -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One row of a group: a stream that is forecast, or a covariate.

    Attributes
    ----------
    name
        Stream name; of a covariate ``~`` and its topic, see :func:`forecaster.pipeline.topics.covariate_name`.
    source
        Index into ``group.sources``.
    labels
        Captures of the topic.
    """

    name: str
    source: int
    labels: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Panel:
    """History of a group on its grid.

    Attributes
    ----------
    series
        R of them.
    first
        Grid index of column 0.
    values
        float64 (R, T), NaN for gaps and for what was before a series began.
    """

    series: tuple[Series, ...]
    first: int
    values: Array


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """Rolling scores of a group over the forecasts whose targets have arrived, for one bucket of leads.

    Attributes
    ----------
    leads
        The bucket, ``1``, ``2-4``, ``5-12`` or ``13+``.
    count
        Forecasts scored (all time).
    mae, mase, pinball
        Mean absolute error of the median in the unit of the data; the same over the error of a one-season-old
        value; mean quantile loss over the levels.
    skill
        1 − mae / mae of the best naive on the same targets. 0: no better; NaN: nothing to compare with yet.
    coverage
        For each central interval ``(0.8, …)`` of the levels, the fraction of targets inside.
    """

    leads: str
    count: int
    mae: float
    mase: float
    pinball: float
    skill: float
    coverage: Mapping[float, float]
