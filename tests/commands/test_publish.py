"""A table reaches a real broker, and mistakes are told before anything is sent."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from servers import Collector, Mosquitto, free_port

from forecaster.cli import main
from forecaster.commands.publish import moment_ms, selected, speed_of, topic_of_each, zone_of
from forecaster.errors import BadInput

TABLE = """\
timestamp,kitchen,attic
2013-01-01T00:00:00Z,1.5,2.0
2013-01-01T01:00:00Z,3.25,
2013-01-01T02:00:00Z,,4.0
"""


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "table.csv"
    path.write_text(TABLE)
    return path


def test_a_table_is_published_in_order(mosquitto: Mosquitto, table: Path) -> None:
    """As a process of its own: each stream's readings in order of time, then one line that says how many."""
    words = ("publish", str(table), "--url", mosquitto.url, "--topic", "home/{stream}/energy", "--speed", "max")
    with Collector(mosquitto.port, "home/#") as collector:
        answer = subprocess.run(
            [sys.executable, "-m", "forecaster", *words], capture_output=True, text=True, timeout=60, check=False
        )
        collector.wait("home/attic/energy", b'{"value": 4.0, "time": "2013-01-01T02:00:00Z"}')

        assert (answer.returncode, answer.stderr) == (0, "")
        assert answer.stdout.startswith("sent=4/4 rate=")
        assert answer.stdout.endswith("data_time=2013-01-01T02:00:00Z\n")
        assert collector.payloads("home/kitchen/energy") == [
            b'{"value": 1.5, "time": "2013-01-01T00:00:00Z"}',
            b'{"value": 3.25, "time": "2013-01-01T01:00:00Z"}',
        ]


def test_bare_numbers_of_a_chosen_span_go_out_quietly(
    mosquitto: Mosquitto, table: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """``--from`` is included, ``--until`` is not; ``--quiet`` prints nothing."""
    words = ["--topic", "{stream}", "--payload", "bare", "--speed", "max", "--quiet"]
    span = ["--from", "2013-01-01T01:00:00Z", "--until", "2013-01-01T02:00:00Z"]
    with Collector(mosquitto.port, "#") as collector:
        code = main(["publish", str(table), "--url", mosquitto.url, *words, *span], {})
        collector.wait("kitchen", b"3.25")

        assert (code, capsys.readouterr().out) == (0, "")
        assert (collector.payloads("kitchen"), collector.payloads("attic")) == ([b"3.25"], [])


def test_times_without_an_offset_are_of_the_zone_given(
    mosquitto: Mosquitto, table: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Those of the table and those of the command line."""
    table.write_text("timestamp,kitchen\n2013-01-01 00:00,1\n2013-01-01 01:00,2\n2013-01-01T01:00:00Z,3\n")
    words = ["--topic", "{stream}", "--speed", "max", "--timezone", "Europe/Berlin", "--from", "2013-01-01 01:00"]
    with Collector(mosquitto.port, "#") as collector:
        assert main(["publish", str(table), "--url", mosquitto.url, *words], {}) == 0
        collector.wait("kitchen", b'{"value": 3.0, "time": "2013-01-01T01:00:00Z"}')

        assert collector.payloads("kitchen")[0] == b'{"value": 2.0, "time": "2013-01-01T00:00:00Z"}'
    assert capsys.readouterr().out.startswith("sent=2/2")


def test_a_zone_that_is_none_is_refused() -> None:
    """The message shows what would do."""
    with pytest.raises(BadInput, match=r"'Europe/Berln': expected an IANA time zone .*; did you mean 'Europe/Berlin'"):
        zone_of("Europe/Berln")


def test_no_broker_is_told_in_one_line(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 69."""
    port = free_port()

    assert main(["publish", str(table), "--url", f"mqtt://127.0.0.1:{port}", "--speed", "max"], {}) == 69
    error = capsys.readouterr().err
    assert f"127.0.0.1:{port}" in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("text", ["0", "-1x", "fast", "nan", "inf", ""])
def test_a_speed_is_positive(text: str) -> None:
    """Anything else is refused in words."""
    with pytest.raises(BadInput, match="expected a positive number such as 3600x, or max"):
        speed_of(text)


def test_a_time_that_is_none_is_refused() -> None:
    """The message shows what would do."""
    with pytest.raises(BadInput, match="'yesterday' is no time; expected something like 2013-01-31"):
        moment_ms("yesterday")


def readings() -> pd.DataFrame:
    rows = [("b", 0, 1.0), ("a", 0, 2.0), ("c", 1000, 3.0), ("b", 1000, 4.0)]
    return pd.DataFrame(rows, columns=["stream", "timestamp", "value"])


def test_the_first_streams_are_the_first_to_appear() -> None:
    """Not the first of the alphabet."""
    assert selected(readings(), None, None, 2)["value"].tolist() == [1.0, 2.0, 4.0]


def test_nothing_left_to_publish_is_an_error_that_tells_the_span() -> None:
    """A wrong year should not look like success."""
    with pytest.raises(BadInput, match="the data is from 1970-01-01T00:00:00Z to 1970-01-01T00:00:01Z"):
        selected(readings(), 2000, None, None)


def test_each_stream_has_a_topic_of_its_own() -> None:
    """Sharing one, or publishing to a wildcard, is a mistake of the caller."""
    assert topic_of_each(readings(), "home/{stream}") == {"b": "home/b", "a": "home/a", "c": "home/c"}
    with pytest.raises(BadInput, match="3 streams need"):
        topic_of_each(readings(), "home/energy")
    with pytest.raises(BadInput, match="wildcards"):
        topic_of_each(readings(), "home/+/{stream}")
