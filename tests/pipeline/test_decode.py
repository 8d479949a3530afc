"""From a message to readings."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from forecaster.pipeline import decode
from forecaster.pipeline.decode import MAX_PAYLOAD, MAX_TOPIC, NO_GROUP, Router
from forecaster.records import Message, Reading, Reason, Reject
from forecaster.settings import Group, Source, Step

NOON = 1_795_176_000_000  # 2026-11-20T12:00:00Z
HOUR = 3_600_000
POWER = Source(topic="home/{home}/{meter}/power", unit="W")
TASMOTA = Source(
    topic="tele/{plug}/SENSOR", value="$.ENERGY.Total", time="$.Time", time_zone="Europe/Paris", kind="meter"
)
WEATHER = Source(
    topic="weather", value="$.hourly.temperature", time="$.hourly.time", role="future", time_zone="Europe/Paris"
)


def a_group(*sources: Source, name: str = "g", **settings: Any) -> Group:
    step = Step(unit="second", count=3600, text="1h")
    return Group(name=name, sources=sources, step=step, horizon=3, **settings)


def read(topic: str, payload: object, *sources: Source, **settings: Any) -> list[Reading | Reject]:
    """What one group makes of a message that arrives at noon; anything but bytes is sent as JSON."""
    wire = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    results = Router([a_group(*sources, **settings)]).read(Message(topic, wire, NOON))
    return [item for _, item in results]


def value_of(payload: object, source: Source = POWER) -> float | Reason:
    """The one value, or the one reason why not."""
    topic = "home/a/1/power" if source.topic == POWER.topic else source.topic
    (item,) = read(topic, payload, source)
    return item.value if isinstance(item, Reading) else item.reason


def test_a_bare_number_is_a_reading_at_its_arrival() -> None:
    """Captures name and label the stream."""
    labels = (("home", "a"), ("meter", "1"))

    assert read("home/a/1/power", b" 21.5\n", POWER) == [Reading("a/1", labels, 0, NOON, 21.5, False)]


def test_a_document_where_a_bare_number_was_told_of_is_refused_with_the_key_that_reads_it() -> None:
    """What people forget first."""
    (reject,) = read("home/a/1/power", {"power": 21.5}, POWER)

    assert isinstance(reject, Reject)
    assert (reject.reason, reject.detail) == (
        "parse",
        "JSON, not a bare number; 'value:' says where in it the number is",
    )


def test_a_value_that_is_not_there_is_refused_with_the_path_that_was_followed() -> None:
    (reject,) = read("tele/p1/SENSOR", {"Time": "2026-11-20T12:30:00", "ENERGY": {"total": 1.956}}, TASMOTA)

    assert isinstance(reject, Reject)
    assert (reject.reason, reject.detail) == ("path", "nothing at $.ENERGY.Total")


def test_a_document_is_read_by_its_paths() -> None:
    """A Tasmota plug: nested value, local time without a zone."""
    payload = {"Time": "2026-11-20T12:30:00", "ENERGY": {"Total": 1.956, "Power": 9}}

    assert read("tele/p1/SENSOR", payload, TASMOTA) == [
        Reading("p1", (("plug", "p1"),), 0, NOON - HOUR // 2, 1.956, True)
    ]


@pytest.mark.parametrize(
    ("payload", "outcome"),
    [
        *((b"21.5", 21.5), (b"-3", -3.0), (b"1e3", 1000.0), (b'"21.5"', 21.5), (b"\t7\r\n", 7.0)),
        *((b"ON", 1.0), (b"off", 0.0), (b"true", 1.0), (b"False", 0.0)),
        *((b"", "parse"), (b"abc", "parse"), (b"21.5 W", "parse"), (b"1_000", "parse"), (b"21,5", "parse")),
        *((b"\xff\xfe", "parse"), (b"\x00", "parse"), (b"0x10", "parse"), (b"x" * 1000, "parse"), (b"{}", "parse")),
        *((b"nan", "not_finite"), (b"-inf", "not_finite"), (b"1e999", "not_finite"), (b"9" * 1000, "not_finite")),
        (b"1" * (MAX_PAYLOAD + 1), "too_large"),
    ],
)
def test_bare_payloads(payload: bytes, outcome: float | Reason) -> None:
    """A number, a switch state, or a reason."""
    assert value_of(payload) == outcome


@pytest.mark.parametrize(
    ("payload", "outcome"),
    [
        *((b'{"v": 21.5}', 21.5), (b'{"v": 3}', 3.0), (b'{"v": " 21.5 "}', 21.5), (b'{"v": true}', 1.0)),
        *((b'{"v": "ON"}', 1.0), (b'{"v": 1, "x": [{}]}', 1.0)),
        *((b"21.5", "path"), (b"{}", "path"), (b"[]", "path"), (b'{"V": 1}', "path")),
        *((b'{"v": null}', "type"), (b'{"v": {}}', "type"), (b'{"v": "warm"}', "type"), (b'{"v": [1]}', "type")),
        *((b'{"v": ""}', "type"), (b'{"v": "1_0"}', "type")),
        *((b'{"v": NaN}', "parse"), (b'{"v": 1', "parse"), (b"", "parse"), (b'{"v": "\xff"}', "parse")),
        *((b"[" * 100_000, "parse"), (b'{"v":' * 20_000 + b"1" + b"}" * 20_000, "parse")),
        *((b'{"v": 1e999}', "not_finite"), (b'{"v": "inf"}', "not_finite")),
        *((b'{"v": 1' + b"0" * 400 + b"}", "not_finite"), (b'{"v": 1' + b"0" * 5000 + b"}", "not_finite")),
    ],
)
def test_documents(payload: bytes, outcome: float | Reason) -> None:
    """Strict JSON; a number, text that holds one, or a switch state at the path."""
    assert value_of(payload, Source(topic="t", value="$.v")) == outcome


@pytest.mark.parametrize("payload", [b"ON", b'"false"'])
def test_a_meter_counts_no_switch_states(payload: bytes) -> None:
    """Words and booleans are values for gauges only."""
    assert value_of(payload, Source(topic="t", kind="meter")) == "type"
    assert value_of(b'{"v": true}', Source(topic="t", value="$.v", kind="amount")) == "type"


def test_the_plausible_range_includes_its_ends() -> None:
    """Outside it a reading is refused."""
    source = Source(topic="t", valid=(0.0, 100.0))

    assert [value_of(payload, source) for payload in (b"0", b"100", b"-0.1", b"100.1")] == [0, 100, "range", "range"]
    assert [value_of(payload, Source(topic="t")) for payload in (b"1e18", b"-1e19")] == [1e18, "range"]


def test_a_reject_says_who_and_why() -> None:
    """Group, stream and a line for the log that quotes at most a number."""
    (reject,) = read("t", b"100.5", Source(topic="t", valid=(None, 100.0)))

    assert reject == Reject(group="g", stream="t", reason="range", detail="100.5 is outside -1e+18 to 100")


@pytest.mark.parametrize(
    ("time", "outcome"),
    [
        *((NOON, NOON), (NOON / 1000, NOON), ("2026-11-20T12:00:00Z", NOON), (NOON + 600_000, NOON + 600_000)),
        *((NOON + 600_001, "future"), ("2199-01-01T00:00:00Z", "future"), ("2201-01-01T00:00:00Z", "time")),
        *((0, "time"), ("1989-12-31T00:00:00Z", "time"), ("soon", "time"), (None, "time"), (True, "time")),
    ],
)
def test_times(time: object, outcome: int | Reason) -> None:
    """Readable, plausible, and at most ten minutes ahead of the arrival."""
    (item,) = read("t", {"v": 1, "t": time}, Source(topic="t", value="$.v", time="$.t"))

    assert (item.time_ms if isinstance(item, Reading) else item.reason) == outcome


def test_a_time_that_is_missing_is_not_replaced_by_the_arrival() -> None:
    """Else a device whose clock fails would silently be measured by another."""
    assert [item.reason for item in read("t", {"v": 1}, Source(topic="t", value="$.v", time="$.t"))] == ["time"]


def test_recorded_data_may_be_of_any_time() -> None:
    """With clock: events, nothing is too far ahead, and old data is only refused before 1900."""
    router = Router([a_group(Source(topic="t", value="$.v", time="$.t"))], clock="events")

    results = [
        router.read(Message("t", json.dumps({"v": 1, "t": t}).encode(), NOON))[0][1]
        for t in ("2030-01-01T00:00:00Z", "1949-01-01T00:00:00Z", "1850-01-01T00:00:00Z")
    ]

    assert [item.reason if isinstance(item, Reject) else item.value for item in results] == [1, 1, "time"]


def test_a_star_gives_a_stream_for_each_element() -> None:
    """Numbered from 0; each with its own time, and each judged alone."""
    source = Source(topic="t/{home}", value="$.m[*].kwh", time="$.m[*].at")
    payload = {"m": [{"kwh": 1, "at": NOON}, {"kwh": None, "at": NOON}, {"at": NOON}, {"kwh": 4, "at": NOON - 1}]}

    results = read("t/a", payload, source)

    labels = (("home", "a"),)
    assert [results[0], results[3]] == [
        Reading("a/0", labels, 0, NOON, 1.0, True),
        Reading("a/3", labels, 0, NOON - 1, 4.0, True),
    ]
    assert [(item.stream, item.reason) for item in results[1:3]] == [("a/1", "type"), ("a/2", "path")]


def test_elements_may_share_the_time_of_the_message() -> None:
    """A time path without a star, or none."""
    payload = {"v": [1, 2], "t": NOON - 5}

    shared = read("t", payload, Source(topic="t", value="$.v[*]", time="$.t"))
    arrival = read("t", payload, Source(topic="t", value="$.v[*]"))

    assert [(item.stream, item.time_ms) for item in shared] == [("t/0", NOON - 5), ("t/1", NOON - 5)]
    assert [(item.stream, item.time_ms) for item in arrival] == [("t/0", NOON), ("t/1", NOON)]


def test_a_weather_forecast_is_one_stream_at_many_times() -> None:
    """Arrays of values and times side by side; nulls are gaps; ahead of now is right for future covariates."""
    payload = {"hourly": {"time": [f"2026-11-2{d}T13:00" for d in range(3)], "temperature": [1.5, None, 3]}}

    assert read("weather", payload, POWER, WEATHER) == [
        Reading("~weather#$.hourly.temperature", (), 1, NOON, 1.5, True),
        Reading("~weather#$.hourly.temperature", (), 1, NOON + 48 * HOUR, 3.0, True),
    ]


def test_a_weather_forecast_may_be_an_array_of_objects() -> None:
    """For a future covariate the elements are times, not streams."""
    source = Source(topic="weather/{home}", value="$[*].temp", time="$[*].at", role="future")
    payload = [{"at": NOON + HOUR, "temp": 5}, {"at": NOON + 2 * HOUR, "temp": 6}]

    assert read("weather/a", payload, source) == [
        Reading("~weather/a#$[*].temp", (("home", "a"),), 0, NOON + HOUR, 5.0, True),
        Reading("~weather/a#$[*].temp", (("home", "a"),), 0, NOON + 2 * HOUR, 6.0, True),
    ]


@pytest.mark.parametrize(
    ("hourly", "reason"),
    [
        ({"time": [NOON], "temperature": [1, 2]}, "time"),
        ({"time": NOON, "temperature": [1, 2]}, "type"),
        ({"temperature": [1, 2]}, "type"),
        ({"time": [], "temperature": []}, "path"),
        ({"time": [NOON], "temperature": [None]}, "type"),
        ({"time": [NOON], "temperature": 1}, "time"),
    ],
)
def test_arrays_that_do_not_fit_are_one_reject(hourly: object, reason: Reason) -> None:
    """Values and times are as many, or none is used."""
    assert [item.reason for item in read("weather", {"hourly": hourly}, WEATHER)] == [reason]


def test_one_message_may_feed_several_sources_and_groups() -> None:
    """Each result names its group by position."""
    power = replace(TASMOTA, value="$.ENERGY.Power", name="{plug}/power", kind="gauge")
    router = Router([a_group(TASMOTA, power), a_group(POWER, power, name="other")])

    results = router.read(
        Message("tele/p/SENSOR", b'{"Time": "2026-11-20T13:00:00", "ENERGY": {"Total": 2, "Power": 9}}', NOON)
    )

    labels = (("plug", "p"),)
    assert results == [
        (0, Reading("p", labels, 0, NOON, 2.0, True)),
        (0, Reading("p/power", labels, 1, NOON, 9.0, True)),
        (1, Reading("p/power", labels, 1, NOON, 9.0, True)),
    ]
    assert router.filters() == ["tele/+/SENSOR", "home/+/+/power"]


def test_covariates_never_take_the_name_of_a_target() -> None:
    """They are called by their topic behind a ~; a target that begins so is written otherwise."""
    (target, covariate) = read("~1/x", b"1", Source(topic="{a}/{b}"), Source(topic="~1/{b}", role="past"))

    assert [target.stream, covariate.stream] == ["%7E1/x", "~~1/x"]


@pytest.mark.parametrize("topic", ["other", "home/a/power", "home/a/1/power/x", "home/+/1/power", "home/#/1/power"])
def test_topics_that_are_not_ours_are_said_so(topic: str) -> None:
    """For no group; a name that could not be published to is not ours either."""
    router = Router([a_group(POWER)])
    expected = [(NO_GROUP, Reject(group=None, stream=None, reason="unknown_topic", detail=repr(topic)))]

    assert router.read(Message(topic, b"1", NOON)) == expected
    assert router.read(Message(topic, b"1", NOON)) == expected


def test_invented_topics_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is remembered of topics is bounded, and forgetting changes no result."""
    monkeypatch.setattr(decode, "MAX_KNOWN", 10)
    monkeypatch.setattr(decode, "MAX_UNKNOWN", 10)
    router = Router([a_group(Source(topic="a/{x}"))])

    for i in range(50):
        assert isinstance(router.read(Message(f"a/{i}", b"1", NOON))[0][1], Reading)
        assert isinstance(router.read(Message(f"b/{i}", b"1", NOON))[0][1], Reject)

    assert len(router._known) <= 10
    assert len(router._unknown) <= 10
    assert isinstance(router.read(Message("a/" + "x" * MAX_TOPIC, b"1", NOON))[0][1], Reject)


@pytest.mark.parametrize(
    "source", [Source(topic="a/#/b"), Source(topic="a", value="v"), Source(topic="a/{x}", name="{y}")]
)
def test_a_source_that_makes_no_sense_is_refused_at_once(source: Source) -> None:
    """Not at the first message."""
    with pytest.raises(ValueError, match=r"level|path|name"):
        Router([a_group(source)])


EVERYTHING = Router(
    [
        a_group(
            replace(POWER, topic="t"),
            Source(topic="{t}", value="$.v", time="$.t", kind="meter", valid=(0.0, 10.0)),
            Source(topic="t", value="$.v[*]", time="$.t[*]", name="b"),
            Source(topic="t", value="$.v[*].v", time="$.t", name="c", time_format="%Y-%m-%d"),
            Source(topic="t", value="$[0]", name="d"),
            Source(topic="#", value="$.v", time="$.t", role="future"),
        )
    ]
)
numbers = st.floats() | st.integers() | st.booleans() | st.none() | st.sampled_from([NOON, 1, 1e300, -1, "2026-11-20"])
leaves = numbers | st.text(max_size=5)
documents = st.recursive(
    leaves, lambda d: st.lists(d, max_size=3) | st.dictionaries(st.sampled_from("vtx"), d, max_size=3), max_leaves=12
)
topics = st.just("t") | st.text(max_size=5)


@given(topics, st.binary(max_size=50) | documents.map(lambda d: json.dumps(d).encode()))
@example("t", b'{"v": "\\ud800", "t": 1}')
@example("\ud800", b"1")
def test_any_message_becomes_readings_or_rejects(topic: str, payload: bytes) -> None:
    """Never an exception, never nothing; readings are finite and rejects short."""
    results = EVERYTHING.read(Message(topic, payload, NOON))

    assert results
    for group, item in results:
        if isinstance(item, Reading):
            assert group == 0
            assert abs(item.value) < float("inf")
            assert item.own_time or item.time_ms == NOON
        else:
            assert (group == NO_GROUP) == (item.reason == "unknown_topic")
            assert len(item.detail) <= 200
