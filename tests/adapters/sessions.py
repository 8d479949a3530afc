"""Our MQTT session as tests start it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from servers import eventually

from forecaster.adapters.mqtt import MqttBroker
from forecaster.records import Message
from forecaster.settings import Mqtt

NOW_MS = 1_700_000_000_000
Inbox = list[tuple[Message, Callable[[], None]]]


@contextmanager
def a_broker(
    url: str,
    inbox: Inbox,
    *filters: str,
    outbox: int = 1000,
    wait: bool = True,
    subscribed: Path | None = None,
    **mqtt: Any,
) -> Iterator[MqttBroker]:
    """A started session that reconnects at once and is stopped at the end."""
    broker = MqttBroker(
        Mqtt(url=url, **mqtt),
        prefix="forecaster",
        outbox=outbox,
        now_ms=lambda: NOW_MS,
        schemas={"forecast": "forecast/v1"},
        subscribed=subscribed,
        backoff_s=(0.02, 0.1),
    )
    broker.start(filters, lambda message, ack: inbox.append((message, ack)))
    try:
        if wait:
            eventually(broker.connected, what="connecting")
        yield broker
    finally:
        broker.stop(timeout_s=2.0)


def payloads(inbox: Inbox) -> list[bytes]:
    return [message.payload for message, _ in inbox]
