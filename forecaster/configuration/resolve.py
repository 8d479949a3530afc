"""Models of the file → frozen settings: every default that depends on something else is computed here.

Pure: what had to be read from disk was read before.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from forecaster import settings
from forecaster.configuration import models
from forecaster.settings import Aggregate, Role, Step

DAY_S = 86_400.0


def resolve(configuration: models.Configuration) -> settings.Settings:
    """Settings of a configuration that has been checked."""
    host, port = configuration.http.listen
    return settings.Settings(
        mqtt=_mqtt(configuration.mqtt),
        groups=tuple(_group(name, group) for name, group in configuration.groups.items()),
        data=Path(configuration.data),
        publish=settings.Publish(prefix=configuration.publish.prefix, outbox=configuration.publish.outbox),
        http=settings.Http(host=host, port=port),
        metrics=settings.Metrics(
            per_stream=configuration.metrics.per_stream, max_streams=configuration.metrics.max_streams
        ),
        log=settings.Log(level=configuration.log.level.upper(), format=configuration.log.format),
        clock=configuration.clock,
        snapshot_every_s=configuration.snapshot_every,
        journal_keep_s=configuration.journal_keep,
    )


def _mqtt(mqtt: models.Mqtt) -> settings.Mqtt:
    return settings.Mqtt(
        url=mqtt.url,
        client_id=mqtt.client_id,
        username=mqtt.username,
        password=mqtt.password,
        ca_file=_path(mqtt.ca_file),
        cert_file=_path(mqtt.cert_file),
        key_file=_path(mqtt.key_file),
        insecure=mqtt.insecure,
        version=mqtt.version,
        qos=mqtt.qos,
        keepalive_s=round(mqtt.keepalive),
    )


def _path(text: str | None) -> Path | None:
    return None if text is None else Path(text)


def _group(name: str, group: models.Group) -> settings.Group:
    season = seasons(group)
    covariates = [one for one in group.covariates or () if isinstance(one, models.Covariate)]
    return settings.Group(
        name=name,
        sources=(
            *(_source(source, "target", group.timezone) for source in group.streams),
            *(_source(source, source.known, group.timezone) for source in covariates),
        ),
        step=group.step,
        horizon=group.horizon or default_horizon(season),
        timezone=group.timezone,
        levels=group.levels,
        seasons=season,
        calendar=calendar(group),
        lateness_s=default_lateness(group.step) if group.lateness is None else group.lateness,
        ahead_s=group.ahead,
        bounds=default_bounds(group.streams) if group.bounds is None else group.bounds,
        own_past=group.network.own_past,
        lookback=group.lookback or default_lookback(season),
        max_streams=group.max_streams,
        exclude=tuple(exclusion(one, group.timezone) for one in group.exclude),
        network=settings.Network(
            cell=group.network.cell,
            layers=group.network.layers,
            hidden=group.network.hidden,
            members=group.network.members,
            dropout=group.network.dropout,
        ),
        training=_training(group),
    )


def _source(source: models.Source, role: Role, timezone: str) -> settings.Source:
    return settings.Source(
        topic=source.topic,
        name=source.name,
        value=source.value,
        time=source.time,
        time_format=source.time_format,
        time_zone=source.time_zone or timezone,
        kind=source.kind,
        aggregate=source.aggregate or default_aggregate(source.kind, role),
        unit=source.unit,
        role=role,
        valid=source.valid,
        rollover=source.rollover,
    )


def _training(group: models.Group) -> settings.Training:
    training = group.training
    return settings.Training(
        schedule=schedule(group.retrain, group.timezone),
        warm=training.warm,
        budget_s=training.budget,
        memory_mb=training.memory,
        history_s=training.history,
        seed=training.seed,
        keep=training.keep,
    )


def exclusion(one: models.Exclusion, timezone: str) -> settings.Exclusion:
    """A stretch in epoch milliseconds."""
    since_ms, until_ms = (round(moment(text, timezone).timestamp() * 1000) for text in (one.since, one.until))
    return settings.Exclusion(stream=one.stream, since_ms=since_ms, until_ms=until_ms)


def moment(text: str, timezone: str) -> datetime:
    """A moment; without an offset it is local time."""
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=ZoneInfo(timezone))


def schedule(retrain: models.Retrain, timezone: str) -> settings.Schedule:
    """A cron line, an interval or neither; daily when nothing is said. A start without an offset is local time."""
    start = moment(retrain.start_from, timezone).isoformat() if retrain.start_from is not None else None
    every_s = DAY_S if retrain.every is None else retrain.every
    return settings.Schedule(
        cron=retrain.cron,
        every_s=every_s if every_s and retrain.cron is None else None,
        start_from=start,
        jitter_s=retrain.jitter,
    )


def default_aggregate(kind: settings.Kind, role: Role) -> Aggregate:
    """Mean of a level, sum of amounts; of a value that does not change, the last."""
    if kind != "gauge":
        return "sum"
    return "last" if role == "static" else "mean"


def seasons(group: models.Group) -> tuple[int, ...]:
    """Seasons of a group in steps: as given, else the ones that steps of this length usually have.

    A day for minutes; a day and a week from a quarter of an hour; a week of days; a year of weeks or months.
    """
    return default_seasons(group.step) if group.season is None else group.season


def default_seasons(step: Step) -> tuple[int, ...]:
    """Seasons in steps.

    Examples
    --------
    >>> [default_seasons(Step(unit="second", count=count, text="")) for count in (30, 60, 900, 3600)]
    [(), (1440,), (96, 672), (24, 168)]
    """
    match step.unit:
        case "day":
            return (7,)
        case "week":
            return (52,)
        case "month":
            return (12,)
        case "second":
            day = round(DAY_S) // step.count
            return () if step.count < 60 else (day,) if step.count < 900 else (day, 7 * day)


def default_horizon(seasons: tuple[int, ...]) -> int:
    """Steps to forecast: the shortest season, or a dozen; not a whole day of minutes, which would take
    25 MB for each stream, most of it for what is yet to be compared with what came.

    Examples
    --------
    >>> [default_horizon(seasons) for seasons in ((), (1440,), (288,), (96, 672), (24, 168), (7,))]
    [12, 288, 288, 96, 24, 7]
    """
    return min(*seasons, 288) if seasons else 12


def default_bounds(streams: Sequence[models.Source]) -> tuple[float | None, float | None]:
    """What grows is never negative; a group that is not of meters alone has no bounds."""
    return (0.0 if all(one.kind == "meter" for one in streams) else None, None)


def default_lookback(seasons: tuple[int, ...]) -> int:
    """Steps of the past to see: two of the longest season, and up to 28 of the shortest.

    Examples
    --------
    >>> [default_lookback(seasons) for seasons in ((), (1440,), (96, 672), (24, 168), (7,), (12,))]
    [128, 2880, 1344, 672, 196, 336]
    """
    return max(2 * max(seasons), min(28 * min(seasons), 1344)) if seasons else 128


def default_lateness(step: Step) -> float:
    """Seconds to wait for late readings: a tenth of the step, at most two minutes."""
    return min(step.count / 10, 120.0) if step.unit == "second" else 120.0


def calendar(group: models.Group) -> tuple[str, ...]:
    """Calendar covariates of a group: the names listed; when no covariates are given, those that suit the step."""
    if group.covariates is not None:
        return tuple(one for one in group.covariates if isinstance(one, str))
    match group.step.unit:
        case "day":
            return ("weekday",)
        case "week":
            return ("yearday",)
        case "month":
            return ("month",)
        case "second":
            return ("hour", "weekday") if group.step.count >= 60 else ()
