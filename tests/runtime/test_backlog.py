"""After an absence the clock waits for what waited for us."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from forecaster.runtime.backlog import Backlog


@dataclass
class World:
    """A broker, a clock, and what has been measured."""

    connects: int = 1
    received: int = 0
    now_s: float = 100.0
    measured_s: float = 0.0
    backlog: Backlog = field(init=False)

    def __post_init__(self) -> None:
        self.backlog = Backlog(
            lambda: self.connects,
            lambda: self.received,
            lambda: round(1000 * (self.now_s - self.measured_s)),
            lambda: self.now_s,
        )

    def seconds(self, count: float, messages: int = 0, measured: Callable[[float], float] | None = None) -> list[bool]:
        """Let time pass in quarters of a second, messages coming all the while; the answers."""
        answers = []
        for _ in range(round(4 * count)):
            self.now_s += 0.25
            self.received += messages
            if measured is not None:
                self.measured_s = measured(self.now_s)
            answers.append(self.backlog.coming())
        return answers


def test_nothing_is_closed_while_we_are_away() -> None:
    """However long: what is measured meanwhile waits at the broker."""
    assert all(World(connects=0).seconds(10_000))


def test_silence_after_connecting_means_that_nothing_waits() -> None:
    """A second of it; from then on the clock rules."""
    answers = World().seconds(3)
    assert answers == [True] * 4 + [False] * 8


def test_what_waits_is_heard_to_the_end() -> None:
    """An hour of measurements in a minute: held until they have come up to now."""
    world = World(measured_s=-3600.0)
    assert all(world.seconds(60, 1000, lambda now_s: -3600 + 61 * (now_s - 100)))
    assert world.seconds(6, 1000, lambda now_s: now_s)[-1] is False


def test_sensors_that_are_always_late_do_not_hold_the_clock() -> None:
    """Ten minutes behind, and never silent: they do not come closer, so nothing waits."""
    assert World().seconds(6, 5, lambda now_s: now_s - 600)[-1] is False


def test_messages_without_a_time_do_not_hold_the_clock() -> None:
    """Nothing is ever measured before it arrives."""
    assert World(measured_s=-1e15).seconds(6, 5)[-1] is False


def test_each_connection_may_bring_another_backlog() -> None:
    """Away and back again."""
    world = World()
    assert world.seconds(3)[-1] is False
    world.connects = 0
    assert all(world.seconds(3))
    world.connects = 2
    assert world.seconds(0.5) == [True, True]
    assert world.seconds(3)[-1] is False
