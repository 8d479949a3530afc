"""Readings leave when they are due, in order, and none is lost."""

from __future__ import annotations

from dataclasses import dataclass, field

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecaster.commands.paced import Sent, due_s, filled, replay


@dataclass
class Wall:
    """A clock that stands still until somebody sleeps or sends."""

    now_s: float = 100.0
    send_takes_s: float = 0.0
    sent: list[tuple[float, str, bytes]] = field(default_factory=list)

    def clock(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now_s += seconds

    def send(self, topic: str, payload: bytes) -> None:
        self.sent.append((self.now_s, topic, payload))
        self.now_s += self.send_takes_s


def a_table(*readings: tuple[str, int, float]) -> pd.DataFrame:
    return pd.DataFrame(readings, columns=["stream", "timestamp", "value"])


def played(table: pd.DataFrame, wall: Wall, speed: float) -> list[Sent]:
    topics = {stream: f"home/{stream}" for stream in table["stream"]}
    return list(
        replay(table, wall.send, topics=topics, payload="bare", speed=speed, clock=wall.clock, sleep=wall.sleep)
    )


def test_readings_leave_when_they_are_due() -> None:
    """At 60 times the speed, a minute of data takes a second; readings of one time leave together."""
    wall = Wall()

    progress = played(a_table(("a", 0, 1.5), ("b", 0, 2.0), ("a", 90_000, 3.0)), wall, speed=60)

    assert wall.sent == [(100.0, "home/a", b"1.5"), (100.0, "home/b", b"2.0"), (101.5, "home/a", b"3.0")]
    assert progress == [Sent(2, 0), Sent(3, 90_000)]


def test_a_late_replay_catches_up() -> None:
    """Delays do not add up: what is overdue leaves at once, and what is next leaves on time."""
    wall = Wall(send_takes_s=1.5)

    played(a_table(("a", 0, 1.0), ("a", 1000, 2.0), ("a", 2000, 3.0), ("a", 10_000, 4.0)), wall, speed=1)

    assert [at for at, _, _ in wall.sent] == [100.0, 101.5, 103.0, 110.0]


def test_at_full_speed_nobody_sleeps() -> None:
    """``max`` is an infinite speed."""
    wall = Wall()

    played(a_table(("a", 0, 1.0), ("a", 10**9, 2.0)), wall, speed=float("inf"))

    assert wall.sent == [(100.0, "home/a", b"1.0"), (100.0, "home/a", b"2.0")]


def test_an_empty_table_sends_nothing() -> None:
    """No readings, no progress."""
    assert played(a_table(), Wall(), speed=1) == []


@given(
    gaps=st.lists(st.integers(0, 100_000), min_size=1, max_size=30),
    speed=st.floats(0.1, 1e6),
    takes=st.sampled_from([0.0, 0.01, 3.0]),
)
def test_nothing_leaves_early_or_out_of_order(gaps: list[int], speed: float, takes: float) -> None:
    """Every reading is sent once, in order, never before it is due; counts end at the total."""
    stamps = pd.Series(gaps).cumsum().tolist()
    wall = Wall(send_takes_s=takes)

    progress = played(a_table(*(("a", stamp, float(i)) for i, stamp in enumerate(stamps))), wall, speed)

    assert [float(payload) for _, _, payload in wall.sent] == list(range(len(stamps)))
    for (at, _, _), stamp in zip(wall.sent, stamps, strict=True):
        assert at - 100.0 >= due_s(stamp, stamps[0], speed) - 1e-6
    assert progress[-1] == Sent(len(stamps), stamps[-1])


@pytest.mark.parametrize(
    ("template", "payload"),
    [
        ("bare", "0.25"),
        ('{"value": {value}, "time": "{time}"}', '{"value": 0.25, "time": "1970-01-01T00:00:01.500Z"}'),
        ('{"id": "{stream}", "ts": {ms}, "x": {}}', '{"id": "attic", "ts": 1500, "x": {}}'),
    ],
)
def test_templates_are_filled_and_json_needs_no_escapes(template: str, payload: str) -> None:
    """Only the known words in braces are replaced."""
    assert filled(template, "attic", 1500, 0.25) == payload
