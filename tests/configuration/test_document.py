"""YAML, variables and overrides become text with a place; secrets stay secret."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from written import SMALL, settings, told

from forecaster.config import Problem, problems
from forecaster.settings import Mqtt


@pytest.mark.parametrize(
    ("written", "env", "unit"),
    [
        ("${UNIT}", {"UNIT": "kWh"}, "kWh"),
        ("${UNIT:-W}", {}, "W"),
        ("${UNIT:-W}", {"UNIT": ""}, "W"),
        ("${UNIT:-W}", {"UNIT": "kW"}, "kW"),
        ("${UNIT:?set it}", {"UNIT": "kW"}, "kW"),
        ("1${UNIT}2", {"UNIT": "{a: b}"}, "1{a: b}2"),
        ("$${UNIT}", {}, "${UNIT}"),
        ("$.Time", {}, "$.Time"),
        ("$$.Time$", {}, "$$.Time$"),
        ("${UNIT:-}", {}, ""),
        ("0123", {}, "0123"),
        ("no", {}, "no"),
        ("12:30", {}, "12:30"),
    ],
)
def test_variables_fill_in_values_and_nothing_else_changes(
    tmp_path: Path, written: str, env: Mapping[str, str], unit: str
) -> None:
    """A value is what was written, with variables filled in; it never becomes structure, a number or a truth."""
    content = SMALL.replace("topic: home/power", f"topic: home/power, unit: {written}")
    assert settings(tmp_path, content, env).groups[0].sources[0].unit == unit


def test_unset_variables_are_told_with_their_line(tmp_path: Path) -> None:
    """The message of ``:?`` is shown; a form we do not know is not taken for text."""
    content = SMALL.replace("mqtt://broker", "${URL}").replace("1h", "${STEP:?say how long}")
    assert told(tmp_path, content + "data: ${DATA-x}\n") == [
        "x.yaml:1: mqtt.url: found '${URL}'; expected environment variable URL to be set, or ${URL:-default}",
        "x.yaml:4: groups.home.step: found '${STEP:?say how long}'; expected environment variable STEP: say how long",
        "x.yaml:6: data: found '${DATA-x}'; "
        "expected ${VAR}, ${VAR:-default}, ${VAR:?message}, or $${ for a dollar and a brace",
    ]


def test_environment_replaces_any_key(tmp_path: Path) -> None:
    """Names are matched without case, ``_`` stands for ``-``, lists are entered by number."""
    content = SMALL.replace("home:", "heat-Pump:")
    env = {
        "FORECASTER__MQTT__URL": "mqtts://other",
        "forecaster__mqtt__username": "12345",
        "FORECASTER__MQTT__PASSWORD": "[not, a, list]",
        "FORECASTER__GROUPS__HEAT_PUMP__HORIZON": "7",
        "FORECASTER__GROUPS__heat_pump__SEASON": "[3, 9]",
        "FORECASTER__GROUPS__HEAT_PUMP__STREAMS__0__TOPIC": "pump/power",
        "FORECASTER__PUBLISH__PREFIX": "fc",
        "FORECASTER_DATA": "not ours",
    }

    found = settings(tmp_path, content, env)

    group = found.groups[0]
    assert found.mqtt == Mqtt(url="mqtts://other:8883", username="12345", password="[not, a, list]")
    assert (group.horizon, group.seasons, group.sources[0].topic) == (7, (3, 9), "pump/power")
    assert (found.publish.prefix, found.data) == ("fc", Path("data"))


def test_problems_of_the_environment_name_the_variable(tmp_path: Path) -> None:
    """A key that came from outside is not looked for in the file."""
    env = {
        "FORECASTER__MQTT__URLL": "x",
        "FORECASTER__GROUPS__HOME__STEP": "7m",
        "FORECASTER__GROUPS__HOME__STREAMS__3__TOPIC": "x",
    }
    wanted = "expected 1s … 1d (a length that divides a day evenly), week or month; did you mean '6m'?"
    assert told(tmp_path, SMALL, env) == [
        "environment variable FORECASTER__GROUPS__HOME__STREAMS__3__TOPIC: nothing that '3' could name; "
        "expected a key of the file",
        f"environment variable FORECASTER__GROUPS__HOME__STEP: groups.home.step: found '7m'; {wanted}",
        "environment variable FORECASTER__MQTT__URLL: mqtt.urll: unknown key; did you mean 'url'?",
    ]


def test_password_comes_from_one_place(tmp_path: Path) -> None:
    """A missing or empty password file is an error, and so is a second password."""
    (tmp_path / "empty").write_text("\n")
    wanted = "expected a file that holds the password"
    with_login = SMALL.replace("mqtt://broker", "mqtt://broker, username: me, password_file: {}")
    assert told(tmp_path, with_login.replace("{}", "gone")) == [
        f"x.yaml:1: mqtt.password_file: gone: no such file or directory; {wanted}"
    ]
    assert told(tmp_path, with_login.replace("{}", f"{tmp_path}/empty")) == [
        f"x.yaml:1: mqtt.password_file: empty: empty; {wanted}"
    ]
    assert told(tmp_path, with_login.replace("{}", "gone, password: x")) == [
        "x.yaml:1: mqtt.password_file: found beside password; expected one of them"
    ]


@pytest.mark.parametrize(
    "mqtt",
    [
        "{url: mqtt://b, username: me, password: {hunter2: hunter2}}",
        "{url: mqtt://b, username: me, password: [hunter2]}",
        "{url: mqtt://b, username: me, password: *hunter2}",
        "{url: mqtt://b, username: me, password: !hunter2 x}",
        "{url: mqtt://b, passwort: hunter2}",
        "{url: mqtt://b, password: hunter2}",
        "{url: 'mqtt://me:hunter2@b'}",
        "{url: 'mqtt://me:hunter2/@b'}",
        "{url: '${SECRET}'}",
        "{url: mqtt://b, keepalive: '${SECRET}'}",
        "{url: mqtt://b, username: me, password: 'hunter2}",
    ],
)
def test_secrets_never_appear_in_messages(tmp_path: Path, mqtt: str) -> None:
    """Whatever is wrong around a password, it is not repeated."""
    found = told(tmp_path, f"mqtt: {mqtt}\n" + SMALL.split("\n", 1)[1], {"SECRET": "hunter2"})
    assert found
    assert "hunter2" not in "\n".join(found)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "x.yaml: the file is empty; expected keys such as mqtt: and groups:"),
        ("# nothing\n", "x.yaml: the file is empty; expected keys such as mqtt: and groups:"),
        ("- a\n- b\n", "x.yaml: found a list; expected keys such as mqtt: and groups:"),
        ("hello", "x.yaml: found plain text; expected keys such as mqtt: and groups:"),
        (b"a: \xff", "x.yaml:1: a byte that is not UTF-8; expected a UTF-8 text file"),
        ("a: 1\nb: \x00", "x.yaml:2: a control character; expected a UTF-8 text file"),
        (
            "a: 1\n\tb: 2\n",
            "x.yaml:2: not YAML: found character '\\t' that cannot start any token; "
            "expected spaces, not tabs, at the start of a line",
        ),
        ("a: [1\nb: 2", "x.yaml:2: not YAML: expected ',' or ']', but got ':'"),
        ("a: 1\n---\nb: 2", "x.yaml:2: not YAML: but found another document"),
        ("[" * 20_000, "x.yaml: brackets nested without end; expected a YAML file"),
    ],
)
def test_file_that_is_no_configuration_is_told_in_one_line(tmp_path: Path, content: str | bytes, problem: str) -> None:
    """Not a file of keys: one problem, and no list of everything that is missing."""
    assert told(tmp_path, content) == [problem]


def test_missing_file_is_told(tmp_path: Path) -> None:
    """A file that is not there and a directory are not stack traces."""
    path = tmp_path / "gone.yaml"
    assert problems(path, {}) == [
        Problem(str(path), None, "", "no such file or directory", "a YAML file that can be read")
    ]
    assert [problem.found for problem in problems(tmp_path, {})] == ["is a directory"]


def test_aliases_and_merges_work_and_keys_given_twice_do_not(tmp_path: Path) -> None:
    """YAML's own way to share keys; own keys win over merged ones."""
    content = """mqtt: {url: mqtt://b}
groups:
  a: &base
    step: 1h
    horizon: 5
    streams: [{topic: a}]
  b:
    <<: *base
    horizon: 6
  c: *base
metrics:
  per_stream: [a]
  per_stream: [b]
"""
    assert told(tmp_path, content) == [
        "x.yaml:13: metrics.per_stream: key given twice, first in line 12; expected it once"
    ]
    found = settings(tmp_path, content.replace("  per_stream: [b]\n", ""))
    assert [(group.name, group.horizon) for group in found.groups] == [("a", 5), ("b", 6), ("c", 5)]
    assert "x.yaml:1: a.b: an alias of something it is part of" in told(tmp_path, "a: &x\n  b: *x\n")
