"""What no key can know alone: which keys exclude each other, and what two of them would do together.

Works on the raw document and looks only at parts that are right in themselves, so that one mistake is reported
once, and all others with it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from forecaster import settings
from forecaster.configuration import models, resolve
from forecaster.configuration.problem import Finding, Key, Unreadable, nearest
from forecaster.configuration.text import UNITS_S
from forecaster.configuration.topics import captures, check_name, overlap, own_topics, stream_names
from forecaster.nets.history import needed
from forecaster.pipeline.topics import TopicFilter, meet

AnySection = TypeVar("AnySection", bound=models.Section)
RESERVED = ("schema", "status")
"""Names of groups that would publish where something else is published."""
LEAST_MEMORY_MB = 1024
"""Of a training: torch and the other libraries alone take 750."""
MOST_OPEN = 1000
"""Steps that may be kept open for late readings: each takes 32 bytes of memory per stream."""


def cross_check(data: Mapping[str, object]) -> Iterator[Finding]:
    """Everything wrong between the keys of a document."""
    mqtt = part(models.Mqtt, data.get("mqtt"))
    if mqtt is not None:
        yield from _mqtt(mqtt)
    named = data.get("groups")
    groups: Mapping[str, object] = named if isinstance(named, dict) else {}
    publish = part(models.Publish, data.get("publish") or {})
    own = own_topics(publish.prefix, list(groups)) if publish is not None else []
    for name, raw in groups.items():
        key: Key = ("groups", name)
        if name in RESERVED:
            yield Finding(key, f"the name {name!r}", f"another name; {name} is a topic of its own")
        for where, source in _sources(raw):
            yield from _source((*key, *where), source)
            yield from _loop((*key, *where, "topic"), source.topic, own)
        yield from _collisions(key, raw)
        yield from _twice(key, raw)
        group = part(models.Group, raw)
        if group is not None:
            yield from _group(key, group)
    metrics = part(models.Metrics, data.get("metrics") or {})
    for index, name in enumerate(metrics.per_stream if metrics else ()):
        if name not in groups:
            known = ", ".join(groups)
            yield Finding(
                ("metrics", "per_stream", index), f"found {name!r}", f"a group: {known}", nearest(name, groups)
            )


def part(model: type[AnySection], raw: object) -> AnySection | None:
    """A part of the document, None when it is not right in itself (which is reported elsewhere)."""
    try:
        return model.model_validate(raw)
    except ValidationError:
        return None


def _sources(group: object) -> Iterator[tuple[Key, models.Source]]:
    """Streams and covariates of a raw group that are right in themselves."""
    lists = group if isinstance(group, dict) else {}
    for section, model in (("streams", models.Source), ("covariates", models.Covariate)):
        items = lists.get(section)
        for index, raw in enumerate(items if isinstance(items, list) else ()):
            source = part(model, raw)
            if source is not None:
                yield (section, index), source


def _mqtt(mqtt: models.Mqtt) -> Iterator[Finding]:
    if mqtt.password is not None and mqtt.username is None:
        yield Finding(("mqtt", "username"), "missing", "a name for the password")
    if mqtt.keepalive > 65_535:
        yield Finding(("mqtt", "keepalive"), f"found {mqtt.keepalive:.0f}s", "at most 65535s")
    for name in ("ca_file", "cert_file", "key_file"):
        path = getattr(mqtt, name)
        if path is not None and not Path(path).is_file():
            yield Finding(("mqtt", name), f"found {path!r}", "a file that exists")
        elif path is not None and mqtt.url.startswith("mqtt://"):
            yield Finding(("mqtt", name), "a certificate, but no TLS", "mqtt.url to begin with mqtts://")
    if mqtt.insecure and mqtt.url.startswith("mqtt://"):
        yield Finding(("mqtt", "insecure"), "true, but no TLS", "mqtt.url to begin with mqtts://")
    if mqtt.key_file is not None and mqtt.cert_file is None:
        yield Finding(("mqtt", "cert_file"), "missing", "the certificate of key_file")


def _source(key: Key, source: models.Source) -> Iterator[Finding]:
    if source.name is not None:
        try:
            check_name(source.name, source.topic)
        except Unreadable as error:
            yield Finding((*key, "name"), f"found {source.name!r}", error.expected, error.hint)
    if source.aggregate is not None and (source.aggregate == "sum") is (source.kind == "gauge"):
        wanted = "mean, last, min or max of a gauge; for sums kind: amount" if source.kind == "gauge" else "sum"
        yield Finding((*key, "aggregate"), f"found {source.aggregate!r} with kind {source.kind!r}", wanted)
    if source.rollover is not None and source.kind != "meter":
        yield Finding((*key, "rollover"), f"found with kind {source.kind!r}", "kind: meter")
    if source.time is not None and source.value is None:
        yield Finding((*key, "value"), "missing", "the path of the value, since time has one")
    for name in ("time_format", "time_zone"):
        if getattr(source, name) is not None and source.time is None:
            yield Finding((*key, name), "found without time", "time: the path of the time, such as $.Time")


def _loop(key: Key, topic: str, own: list[list[str]]) -> Iterator[Finding]:
    """Refuse to subscribe to what we publish: each forecast would cause the next one."""
    for pattern in own:
        if overlap(topic, pattern):
            ours = "/".join("…" if level == "**" else level for level in pattern)
            yield Finding(
                key,
                f"found {topic!r}, which also matches our own {ours}",
                "a narrower topic, or another publish.prefix",
            )
            return


def _collisions(key: Key, group: object) -> Iterator[Finding]:
    """Two sources that would give their streams the same names."""
    first: dict[str, int] = {}
    for (section, index), source in _sources(group):
        if section != "streams":
            continue
        names = stream_names(source.topic, source.name)
        if names in first:
            before = first[names]
            yield Finding(
                (*key, section, index, "topic" if source.name is None else "name"),
                f"the same stream names as streams[{before}]",
                f"name: with something of its own, such as '{_distinct(source)}'",
            )
        first.setdefault(names, int(index))


def _twice(key: Key, group: object) -> Iterator[Finding]:
    """Two covariates that are the same value of the same topic: a covariate is called by these."""
    covariates = [(index, one) for (section, index), one in _sources(group) if section == "covariates"]
    for place, (index, one) in enumerate(covariates):
        for before, other in covariates[:place]:
            if one.value == other.value and meet(*(TopicFilter.parse(each.topic).mqtt for each in (one, other))):
                same = f"covariates[{before}] may be the same"
                yield Finding((*key, "covariates", index, "topic"), same, "another topic or value")


def _distinct(source: models.Source) -> str:
    """A name for the streams of a source that others do not have: its captures, then the last word it is read by."""
    literal = "/".join(level for level in source.topic.split("/") if not set(level) & set("{+#"))
    words = re.findall(r"[A-Za-z_]\w*", source.value or "") or literal.split("/")
    return "/".join([*(f"{{{capture}}}" for capture in captures(source.topic)), words[-1] or "power"])


def _group(key: Key, group: models.Group) -> Iterator[Finding]:
    covariates = group.covariates or []
    topics = {i: one for i, one in enumerate(covariates) if isinstance(one, models.Covariate)}
    known = sorted({name for source in group.streams for name in captures(source.topic)})
    for index, covariate in topics.items():
        for name in captures(covariate.topic):
            if name not in known:
                yield Finding(
                    (*key, "covariates", index, "topic"),
                    f"found the capture {{{name}}}",
                    f"captures that the streams have too ({', '.join(known) or 'none'})",
                    nearest(name, known),
                )
    for index, one in enumerate(covariates):
        if isinstance(one, str) and one in covariates[:index]:
            yield Finding((*key, "covariates", index), f"found {one!r} twice", "it once")
    if not group.network.own_past and not (topics or resolve.calendar(group)):
        yield Finding((*key, "network", "own_past"), "false, but no covariates", "something to forecast from")
    for index, span in enumerate(group.exclude):
        stretch = resolve.exclusion(span, group.timezone)
        if stretch.since_ms >= stretch.until_ms:
            yield Finding((*key, "exclude", index, "until"), f"found {span.until}", f"a moment after {span.since}")
    longest = max(resolve.seasons(group), default=0)
    if group.lookback is not None and group.lookback < longest:
        yield Finding((*key, "lookback"), f"found {group.lookback}", f"at least the longest season, {longest}")
    if group.lateness is not None and group.step.unit == "second":
        most = MOST_OPEN * group.step.count
        if group.lateness > most:
            yield Finding((*key, "lateness"), f"found {group.lateness:.0f}s", f"at most {MOST_OPEN} steps, {most}s")
    yield from _training((*key, "training"), group)
    retrain = group.retrain
    if retrain.cron is not None and retrain.every is not None:
        yield Finding((*key, "retrain", "every"), "found beside cron", "one of them")


def _training(key: Key, group: models.Group) -> Iterator[Finding]:
    """Refuse a training that could never begin."""
    training = group.training
    if 0 < training.memory < LEAST_MEMORY_MB:
        yield Finding((*key, "memory"), f"found {training.memory}MB", "at least 1GB, or 0 for no limit")
    if training.history is not None:
        seasons = resolve.seasons(group)
        horizon = group.horizon or resolve.default_horizon(seasons)
        least = needed(settings.Group(name="", sources=(), step=group.step, horizon=horizon, seasons=seasons))
        least_s = least * group.step.longest_s
        if training.history < least_s:
            unit = next(unit for unit in "dhms" if least_s >= UNITS_S[unit])
            written = f"{-(-least_s // UNITS_S[unit])}{unit}"
            expected = f"at least the {least} steps that a training needs, {written}"
            yield Finding((*key, "history"), f"found {training.history:.0f}s", expected)
