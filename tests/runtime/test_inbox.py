"""The one way in."""

from __future__ import annotations

import pytest

from forecaster.pipeline.decode import MAX_PAYLOAD
from forecaster.records import Message, Tick
from forecaster.runtime import inbox as inboxes
from forecaster.runtime.inbox import Inbox
from forecaster.testing import at


def test_events_come_out_in_their_order_and_in_bounded_handfuls() -> None:
    """Each with what is to be called when it is durable."""
    inbox = Inbox()
    called: list[int] = []
    for number in range(3):
        inbox.put(Tick(number), lambda number=number: called.append(number))

    assert len(inbox) == 3
    taken = inbox.take(2, 0.0)
    taken[1][1]()

    assert [event for event, _ in taken] == [Tick(0), Tick(1)]
    assert [event for event, _ in inbox.take(2, 0.0)] == [Tick(2)]
    assert inbox.take(2, 0.0) == []
    assert called == [1]


def test_of_a_payload_that_is_too_large_only_the_beginning_is_kept() -> None:
    """Enough to be told that it is; a thousand pictures in one unit would be more than the journal takes."""
    inbox = Inbox()
    inbox.put(Message("home/a", b"x" * 4_000_000, at("12:00"), True, 7, True))
    inbox.put(Message("home/a", b"x" * MAX_PAYLOAD, at("12:00")))
    first, second = (event for event, _ in inbox.take(2, 0.0))
    assert first == Message("home/a", b"x" * (MAX_PAYLOAD + 1), at("12:00"), True, 7, True)
    assert second == Message("home/a", b"x" * MAX_PAYLOAD, at("12:00"))


def test_what_nobody_sends_again_waits_within_bounds(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A broker keeps what is not acknowledged, but of QoS 0 it sends on and on: the newest are dropped, and counted."""
    monkeypatch.setattr(inboxes, "MOST", 10_000)
    inbox = Inbox()
    for number in range(100):
        inbox.put(Message("home/a", b"x" * 594, at("12:00") + number))
    inbox.put(Message("home/a", b"1", at("12:00"), identifier=7))
    inbox.put(Tick(at("12:00")))

    taken = [event for event, _ in inbox.take(100, 0.0)]
    assert [event.received_ms - at("12:00") for event in taken[:-1]] == [*range(11), 0]
    assert taken[-1] == Tick(at("12:00"))
    assert inbox.dropped == 89

    inbox.put(Message("home/a", b"1", at("12:01")))
    assert len(inbox) == 1
    assert caplog.messages == [
        "too many messages wait for the disk, those sent with QoS 0 are dropped from now on",
        "messages sent with QoS 0 are taken again, dropped since the start=89",
    ]
