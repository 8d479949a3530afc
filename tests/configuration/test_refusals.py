"""Values that are good alone and make no sense together, or none at all."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from written import SMALL, told


@pytest.mark.parametrize(
    ("group", "problem"),
    [
        ("levels: [0.5, 0.1]", "levels: found [0.5, 0.1]; expected increasing values"),
        ("levels: [0, 0.5]", "levels[0]: found '0'; expected a number greater than 0"),
        ("season: [168, 24]", "season: found [168, 24]; expected increasing values"),
        ("season: 1", "season[0]: found '1'; expected a number greater than or equal to 2"),
        ("lateness: 50d", "lateness: found 4320000s; expected at most 1000 steps, 3600000s"),
        ("lookback: 100", "lookback: found 100; expected at least the longest season, 168"),
        ("bounds: 5", "bounds: found '5'; expected the lower and the upper limit, such as [0, 100] or [0, null]"),
        (
            "bounds: [0, 1, 2]",
            "bounds: found [0, 1, 2]; expected the lower and the upper limit, such as [0, 100] or [0, null]",
        ),
        ("bounds: [3, 1]", "bounds: found [3, 1]; expected the lower limit first, below the upper one"),
        ("bounds: [.nan, 1]", "bounds[0]: found '.nan'; expected a valid number"),
        ("horizon: 0", "horizon: found '0'; expected a number greater than or equal to 1"),
        ("network: 5", "network: found '5'; expected a mapping of keys"),
        ("network: {cell: GRUU}", "network.cell: found 'GRUU'; expected 'elman', 'gru' or 'lstm'; did you mean 'gru'?"),
        ("retrain: {cron: 0 25 * * *}", "retrain.cron: found '0 25 * * *'; expected hour 0-23 (not '25')"),
        (
            "retrain: {cron: 0 3 * * foo}",
            "retrain.cron: found '0 3 * * foo'; expected weekday 0-7 or sun-sat (not 'foo')",
        ),
        ("retrain: {cron: 0 3 * * *, every: 1d}", "retrain.every: found beside cron; expected one of them"),
        (
            "training: {memory: 1TB}",
            "training.memory: found '1TB'; expected a size such as 1500MB or 2GB, or 0 for no limit",
        ),
        ("training: {memory: 512MB}", "training.memory: found 512MB; expected at least 1GB, or 0 for no limit"),
        (
            "training: {history: 3d}",
            "training.history: found 259200s; expected at least the 96 steps that a training needs, 4d",
        ),
        (
            "horizon: 2, season: [], training: {history: 9h}",
            "training.history: found 32400s; expected at least the 10 steps that a training needs, 10h",
        ),
        (
            "network: {own_past: no}, covariates: []",
            "network.own_past: false, but no covariates; expected something to forecast from",
        ),
        ("covariates: [hour, hour]", "covariates[1]: found 'hour' twice; expected it once"),
        (
            "covariates: [{topic: weather/{homes}/t, known: past}]",
            "covariates[0].topic: found the capture {homes}; "
            "expected captures that the streams have too (home, meter); did you mean 'home'?",
        ),
        (
            "exclude: [{since: 2026-11-02T00:00, until: 2026-11-01T00:00}]",
            "exclude[0].until: found 2026-11-01T00:00:00; expected a moment after 2026-11-02T00:00:00",
        ),
        ("streams: []", "streams: found []; expected at least one"),
    ],
)
def test_group_that_makes_no_sense_is_refused(tmp_path: Path, group: str, problem: str) -> None:
    """One mistake, one problem, in the words of the operator."""
    name = group.split(":")[0]
    stream = "" if name == "streams" else "streams: [{topic: home/{home}/{meter}}], "
    content = f"mqtt: {{url: mqtt://b}}\ngroups: {{g: {{step: 1h, {stream}{group}}}}}\n"
    assert told(tmp_path, content) == [f"x.yaml:2: groups.g.{problem}"]


@pytest.mark.parametrize(
    ("stream", "problem"),
    [
        (
            "topic: a/#/b",
            "topic: found 'a/#/b'; expected a topic filter such as home/{home}/power ('#' can only be the last level)",
        ),
        (
            "topic: $share/g/a/b",
            "topic: found '$share/g/a/b'; "
            "expected a plain filter: a shared subscription scatters a stream over its members; did you mean 'a/b'?",
        ),
        (
            "topic: a, value: power",
            "value: found 'power'; "
            "expected a path such as $.ENERGY.Total, $.meters[0].kwh or $['a b']; did you mean '$.power'?",
        ),
        ("topic: a, time: $.t", "value: missing; expected the path of the value, since time has one"),
        (
            "topic: a, time_zone: Europe/Paris",
            "time_zone: found without time; expected time: the path of the time, such as $.Time",
        ),
        (
            "topic: a, value: $.v, time: $.t, time_format: abc",
            "time_format: found 'abc'; expected a strptime format such as '%Y-%m-%d %H:%M:%S'",
        ),
        (
            "topic: a, aggregate: sum",
            "aggregate: found 'sum' with kind 'gauge'; "
            "expected mean, last, min or max of a gauge; for sums kind: amount",
        ),
        ("topic: a, kind: meter, aggregate: last", "aggregate: found 'last' with kind 'meter'; expected sum"),
        ("topic: a, rollover: 1000", "rollover: found with kind 'gauge'; expected kind: meter"),
        ("topic: a, name: {home}", "name: found a mapping; expected text; did you mean '\"{home}\"'?"),
        (
            "topic: ''",
            "topic: found ''; expected a topic filter such as home/{home}/power (a topic filter cannot be empty)",
        ),
    ],
)
def test_stream_that_makes_no_sense_is_refused(tmp_path: Path, stream: str, problem: str) -> None:
    """One mistake, one problem, in the words of the operator."""
    content = f"mqtt: {{url: mqtt://b}}\ngroups: {{g: {{step: 1h, streams: [{{{stream}}}]}}}}\n"
    assert told(tmp_path, content) == [f"x.yaml:2: groups.g.streams[0].{problem}"]


@pytest.mark.parametrize("kind", ["counter", "cumulative", "total", "Total_Increasing"])
def test_what_counts_up_is_a_meter_whatever_others_call_it(tmp_path: Path, kind: str) -> None:
    """An amount would sum its stands."""
    content = f"mqtt: {{url: mqtt://b}}\ngroups: {{g: {{step: 1h, streams: [{{topic: a, kind: {kind}}}]}}}}\n"
    assert [problem.rpartition("; ")[2] for problem in told(tmp_path, content)] == ["did you mean 'meter'?"]


def test_two_sources_may_not_share_a_name(tmp_path: Path) -> None:
    """The names are compared, not the topics: captures of different names give the same names."""
    streams = "streams: [{topic: a/{room}/t}, {topic: b/{place}/h}, {topic: c/{x}, value: $.v, name: '{x}-v'}]"
    content = f"mqtt: {{url: mqtt://b}}\ngroups: {{g: {{step: 1h, {streams}}}}}\n"
    assert told(tmp_path, content) == [
        "x.yaml:2: groups.g.streams[1].topic: the same stream names as streams[0]; "
        "expected name: with something of its own, such as '{place}/h'"
    ]


def test_two_covariates_may_not_be_the_same_value(tmp_path: Path) -> None:
    """A covariate is called by its topic and the path of its value; other paths and other topics are others."""
    for topic, refused in (("weather/outdoor", True), ("weather/{home}", True), ("weather/{home}/wind", False)):
        covariates = f"covariates: [{{topic: 'weather/{{home}}', known: past}}, {{topic: '{topic}', known: past}}]"
        content = (
            f"mqtt: {{url: mqtt://b}}\ngroups: {{g: {{step: 1h, streams: [{{topic: 'a/{{home}}'}}], {covariates}}}}}\n"
        )
        problem = "covariates[1].topic: covariates[0] may be the same; expected another topic or value"
        assert told(tmp_path, content) == [f"x.yaml:2: groups.g.{problem}"] * refused


@pytest.mark.parametrize(
    ("topic", "prefix", "loops"),
    [
        ("#", "forecaster", True),
        ("forecaster/#", "forecaster", True),
        ("{a}/{b}/{c}/forecast", "forecaster", True),
        ("+/status", "forecaster", True),
        ("fc/+/+/+/forecast", "fc", True),
        ("{a}/{b}/{c}/energy", "forecaster", False),
        ("forecaster/other/x/forecast", "forecaster", False),
        ("home/#", "forecaster", False),
        ("home/#", "home/forecasts", True),
        ("home/{a}/power", "home/forecasts", False),
    ],
)
def test_own_forecasts_are_never_subscribed_to(tmp_path: Path, topic: str, prefix: str, loops: bool) -> None:
    """A filter that would bring us our own topics is refused; one that merely looks alike is not."""
    content = f"mqtt: {{url: mqtt://b}}\ngroups: {{g: {{step: 1h, streams: [{{topic: '{topic}'}}]}}}}\n"
    found = told(tmp_path, content + f"publish: {{prefix: {prefix}}}\n")
    assert [bool(re.search("matches our own", problem)) for problem in found] == [True] * loops


def test_certificates_need_tls(tmp_path: Path) -> None:
    """Security that was asked for and is not there is an error, not a silence."""
    (tmp_path / "ca.pem").touch()
    content = SMALL.replace(
        "mqtt://broker", f"mqtt://broker, insecure: yes, ca_file: {tmp_path}/ca.pem, key_file: gone"
    )
    assert told(tmp_path, content) == [
        "x.yaml:1: mqtt.ca_file: a certificate, but no TLS; expected mqtt.url to begin with mqtts://",
        "x.yaml:1: mqtt.cert_file: missing; expected the certificate of key_file",
        "x.yaml:1: mqtt.insecure: true, but no TLS; expected mqtt.url to begin with mqtts://",
        "x.yaml:1: mqtt.key_file: found 'gone'; expected a file that exists",
    ]


def test_group_names_stay_out_of_the_way(tmp_path: Path) -> None:
    """A group becomes part of topics, files and labels, so its name is plain and not one of ours."""
    assert told(tmp_path, SMALL.replace("home:", "schema:")) == [
        "x.yaml:3: groups.schema: the name 'schema'; expected another name; schema is a topic of its own"
    ]
    assert told(tmp_path, SMALL.replace("home:", "my home:")) == [
        "x.yaml:3: groups.my home: found 'my home'; expected letters, digits, _ and -"
    ]
