"""Which keys there are, what they mean and which text each takes: the YAML file as pydantic models.

These mirror what the operator writes. The reference in the documentation and the JSON Schema come from here, so a
description is written for the operator. :mod:`forecaster.configuration.resolve` turns them into settings.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    StringConstraints,
    Tag,
    WithJsonSchema,
    model_validator,
)

from forecaster import settings
from forecaster.configuration import text, topics
from forecaster.configuration.problem import Unreadable


def _form(pattern: str, example: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": f"^({pattern})$", "examples": [example]})


def _like(example: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "examples": [example]})


def _written(default: object, description: str) -> Any:
    """A field whose default is written as the operator would write it, and read like everything else."""
    return Field(default, description=description)


def _increasing(values: tuple[float, ...]) -> tuple[float, ...]:
    if any(later <= earlier for earlier, later in pairwise(values)):
        raise Unreadable("increasing values")
    return values


def _levels(values: tuple[float, ...]) -> tuple[float, ...]:
    if 0.5 not in values:
        raise Unreadable("0.5 among the levels: the median is the forecast in one number")
    return _increasing(values)


def _two(value: object) -> object:
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise Unreadable("the lower and the upper limit, such as [0, 100] or [0, null]")
    return value


def _range(values: tuple[float | None, float | None]) -> tuple[float | None, float | None]:
    low, high = values
    if low is not None and high is not None and high <= low:
        raise Unreadable("the lower limit first, below the upper one")
    return values


def _one_or_more(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _digit(value: object) -> object:
    return int(value) if isinstance(value, str) and value.isdecimal() else value


Text = Annotated[str, StringConstraints(min_length=1)]
Duration = Annotated[float, BeforeValidator(text.seconds), _form(text.DURATION, "2m")]
Positive = Annotated[float, BeforeValidator(text.positive_seconds), _form(text.DURATION, "1h")]
Interval = Annotated[float, BeforeValidator(text.interval), _form(text.DURATION + "|never", "7d")]
Megabytes = Annotated[int, BeforeValidator(text.megabytes), _form(text.SIZE + "|0", "1GB")]
StepLength = Annotated[settings.Step, BeforeValidator(text.step), _form(text.DURATION + "|day|week|month", "1h")]
Cron = Annotated[str, BeforeValidator(text.cron), _like("0 3 * * *")]
TimeZone = Annotated[str, BeforeValidator(text.timezone), _like("Europe/Paris")]
Instant = Annotated[str, BeforeValidator(text.instant), _like("2026-11-01T03:00")]
TimeFormat = Annotated[str, BeforeValidator(text.time_format), _like("%d.%m.%Y %H:%M:%S")]
Url = Annotated[str, BeforeValidator(text.url), _like("mqtts://broker.home:8883")]
Address = Annotated[tuple[str, int], BeforeValidator(text.address), _like("127.0.0.1:8080")]
Filter = Annotated[str, BeforeValidator(topics.topic_filter), _like("home/{home}/power")]
JsonPath = Annotated[str, BeforeValidator(topics.json_path), _like("$.ENERGY.Total")]
Prefix = Annotated[str, BeforeValidator(topics.prefix), _like("forecaster")]
Limit = float | None
Range = Annotated[tuple[Limit, Limit], BeforeValidator(_two), AfterValidator(_range)]
Level = Annotated[float, Field(gt=0, lt=1)]
Levels = Annotated[tuple[Level, ...], AfterValidator(_levels)]
Lag = Annotated[int, Field(ge=2)]
Season = Annotated[tuple[Lag, ...], BeforeValidator(_one_or_more), AfterValidator(_increasing)]
GroupName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]+$")]
LogLevel = Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(_lower)]
Qos = Annotated[Literal[0, 1], BeforeValidator(_digit)]
Count = Annotated[int, Field(ge=1)]


class Section(BaseModel):
    """Keys that belong together. Unknown keys are refused; a key without a value is as if it were not there."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, validate_default=True)

    @model_validator(mode="before")
    @classmethod
    def _without_empty(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        return {key: value for key, value in data.items() if value is not None or key not in cls.model_fields}


class Mqtt(Section):
    """The broker and our session with it."""

    url: Url = Field(description="Address of the broker; `mqtts://` for TLS. The port is 1883, or 8883 with TLS.")
    username: Text | None = Field(None, description="Name to log in with.")
    password: Text | None = Field(None, description="Password; better `password_file` or `${MQTT_PASSWORD:?set it}`.")
    password_file: Text | None = Field(None, description="File that holds the password, a Docker secret for example.")
    client_id: Text = Field("forecaster", description="Name of our session; two daemons must not share one.")
    ca_file: Text | None = Field(None, description="Certificates that sign the broker's; the system's when left out.")
    cert_file: Text | None = Field(None, description="Our own certificate, when the broker asks for one.")
    key_file: Text | None = Field(None, description="Key of our certificate.")
    insecure: bool = Field(False, description="Accept any certificate. For trying things out.")
    version: Literal["auto", "5", "3.1.1"] = Field("auto", description="MQTT version; `auto`: 5, then 3.1.1.")
    qos: Qos = Field(
        1,
        description="Of our subscriptions. 1: what is sent with QoS 1 waits while we are away, with 0 it is lost.",
    )
    keepalive: Positive = _written("60s", "Silence after which a link counts as dead.")


class Source(Section):
    """One topic filter, and how to read its payloads."""

    topic: Filter = Field(description="What to subscribe to. `{name}` stands for one level and labels the stream.")
    name: Text | None = Field(
        None, description="Name of the stream, made of captures. Default: all captures joined by `/`, else the topic."
    )
    value: JsonPath | None = Field(None, description="Where the value is in a JSON payload. Default: a bare number.")
    time: JsonPath | None = Field(None, description="Where the time is. Default: the time of arrival.")
    time_format: TimeFormat | None = Field(
        None, description="`strptime` format of that time. Default: epoch (s, ms, us) or RFC 3339, told apart."
    )
    time_zone: TimeZone | None = Field(None, description="Zone of times that carry none. Default: the group's zone.")
    kind: settings.Kind = Field(
        "gauge", description="`gauge`: a level; `amount`: so much per message; `meter`: a reading that counts up."
    )
    aggregate: settings.Aggregate | None = Field(
        None, description="How readings become a step. Default: `mean`, for amounts and meters always `sum`."
    )
    unit: str = Field("", description="For people and payloads, never converted.")
    valid: Range = Field((None, None), description="Plausible raw values, inclusive; `null`: no limit.")
    rollover: float | None = Field(None, gt=0, description="Where a meter starts again from 0.")


class Covariate(Source):
    """A topic the network may look at but does not forecast. Captures link it to streams with the same ones."""

    known: Literal["past", "future", "static"] = Field(
        description="`past`: measured; `future`: known ahead, a weather forecast; `static`: one value per stream."
    )


def _kind_of_covariate(value: object) -> str:
    return "<name>" if isinstance(value, str) else "<topic>"


Calendar = Literal["hour", "weekday", "month", "yearday"]
AnyCovariate = Annotated[
    Annotated[Calendar, Tag("<name>")] | Annotated[Covariate, Tag("<topic>")], Discriminator(_kind_of_covariate)
]


class Network(Section):
    """Shape of the recurrent network."""

    cell: settings.Cell = Field("gru", description="Recurrent cell.")
    layers: Count = Field(1, le=8, description="Cells stacked on each other.")
    hidden: Count = Field(64, le=4096, description="Numbers each cell remembers.")
    members: Count = Field(2, le=16, description="Networks whose forecasts are averaged; each costs as much again.")
    dropout: float = Field(0.0, ge=0, lt=1, description="Part of the signals dropped in training.")
    own_past: bool = Field(True, description="Whether it sees the stream's own past, or covariates only.")


class Retrain(Section):
    """When to train again: `cron` or `every`."""

    cron: Cron | None = Field(None, description="Five fields, in the group's time zone; weekdays count from Sunday.")
    every: Interval | None = Field(
        None, description="Age at which a model is replaced, or `never`: only by hand. Default: `1d`."
    )
    start_from: Instant | None = Field(None, description="No training before. Default: when there is data enough.")
    jitter: Duration = _written("0s", "Up to this much later, at random.")


class Training(Section):
    """How a model is trained."""

    warm: bool = Field(True, description="Start from the model in service when it fits.")
    budget: Positive = _written("3m", "Time limit of a training; the best network so far is kept.")
    memory: Megabytes = _written("0", "Memory limit, at least `1GB`; 0: none.")
    history: Positive | None = Field(
        None,
        description="How far back to look, at least what a training needs; older is deleted. Default: all there is.",
    )
    seed: int = Field(0, ge=0, le=2**32 - 1, description="Makes a training repeatable.")
    keep: int = Field(5, ge=2, description="Models kept on disk; the one in service and the one before always are.")


class Exclusion(Section):
    """A stretch of time to be forgotten."""

    stream: str = Field("*", description="Name of the stream, or a pattern with `*` and `?`.")
    since: Instant = Field(description="First moment, RFC 3339; local to the group without an offset.")
    until: Instant = Field(description="First moment after it.")


class Group(Section):
    """Streams that share one network, step, horizon and schedule."""

    streams: list[Source] = Field(min_length=1, description="What to forecast.")
    step: StepLength = Field(description="Length of a step: `1s` … `1d` dividing a day evenly, `week`, `month`.")
    timezone: TimeZone = Field("UTC", description="Zone of days, weeks, months and schedules.")
    horizon: Annotated[int, Field(ge=1, le=10_000)] | None = Field(
        None, description="Steps to forecast. Default: the shortest season, at most 288, or 12."
    )
    levels: Levels = Field(
        (0.025, 0.1, 0.5, 0.9, 0.975), description="Quantiles to forecast, increasing, 0.5 among them."
    )
    season: Season | None = Field(
        None, description="Seasons in steps, increasing; `[]`: none. Default by step: a day and a week, 52, or 12."
    )
    lateness: Duration | None = Field(
        None, description="How long a step waits for late readings. Default: a tenth of the step, at most `2m`."
    )
    ahead: Duration = _written("10m", "How far in the future a reading may be dated before it is refused.")
    bounds: Range | None = Field(
        None, description="Limits no forecast leaves; `null`: no limit. Default: none, and for meters `[0, null]`."
    )
    covariates: list[AnyCovariate] | None = Field(
        None,
        description="`hour`, `weekday`, `month`, `yearday`, topics (keys of a stream, and `known`). Default by step.",
    )
    network: Network = _written({}, "Shape of the network.")
    retrain: Retrain = _written({}, "When to train again.")
    training: Training = _written({}, "How to train.")
    lookback: Annotated[int, Field(ge=2, le=100_000)] | None = Field(
        None, description="Steps of the past a forecast sees. Default: from the seasons, or 128."
    )
    max_streams: Count = Field(10_000, description="Streams beyond this are refused.")
    exclude: list[Exclusion] = Field([], description="Stretches no forecast and no training looks at.")


class Publish(Section):
    """Where forecasts go."""

    prefix: Prefix = Field("forecaster", description="Forecasts go to `<prefix>/<group>/<stream>/forecast`.")
    outbox: Count = Field(100_000, description="Messages kept while the broker is away, the newest of each topic.")


class Http(Section):
    """The address for people and Prometheus."""

    listen: Address = _written("127.0.0.1:8080", "Host and port; port 0: any free one.")


class Metrics(Section):
    """What Prometheus sees."""

    per_stream: tuple[str, ...] = Field((), description="Groups whose streams each get their own series.")
    max_streams: int = Field(100, ge=0, description="Most streams with series of their own.")


class Log(Section):
    """Log lines on standard output."""

    level: LogLevel = Field("info", description="The least important lines to print.")
    format: Literal["text", "json"] = Field("text", description="For people, or for collectors.")


class Configuration(Section):
    """Configuration of forecaster."""

    mqtt: Mqtt = Field(description="The broker.")
    data: Text = Field("data", description="Directory of journal, history, snapshots and models.")
    groups: dict[GroupName, Group] = Field(min_length=1, description="What to forecast, by name.")
    publish: Publish = _written({}, "Where forecasts go.")
    http: Http = _written({}, "The address for people and Prometheus.")
    metrics: Metrics = _written({}, "What Prometheus sees.")
    log: Log = _written({}, "Log lines.")
    clock: Literal["system", "events"] = Field(
        "system", description="`events`: time is what the messages say, for recorded data replayed fast."
    )
    snapshot_every: Positive = _written("5m", "How often the state is saved.")
    journal_keep: Duration = _written("1d", "How long `forecaster replay` can go back.")
