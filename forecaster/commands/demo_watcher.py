"""A subscriber of the demo: hears readings and forecasts on the broker, as any other would."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

import msgspec

from forecaster.adapters.mqtt import MqttBroker
from forecaster.records import Message
from forecaster.settings import Mqtt, Settings

SHOWN = 5
"""The home whose forecast is shown, of those that publish."""


class Watcher:
    """Keeps the last day of one home and its newest forecast.

    Attributes
    ----------
    origin
        Of the newest forecast, RFC 3339; empty before the first.
    """

    def __init__(self, settings: Settings) -> None:
        self.origin = ""
        self._prefix = settings.publish.prefix
        self._homes: dict[str, deque[float]] = {}
        self._ahead: dict[str, list[float]] = {}
        mqtt = Mqtt(url=settings.mqtt.url, client_id="forecaster-demo", version=settings.mqtt.version)
        self._broker = MqttBroker(mqtt, "forecaster-demo", outbox=1, now_ms=lambda: time.time_ns() // 1_000_000)

    def __enter__(self) -> Watcher:
        self._broker.start([f"{self._prefix}/household/+/forecast", "home/+/energy"], self._hear)
        return self

    def __exit__(self, *_: object) -> None:
        self._broker.stop()

    def _hear(self, message: Message, ack: Callable[[], None]) -> None:
        said = msgspec.json.decode(message.payload)
        levels = message.topic.split("/")
        if levels[0] == "home":
            self._homes.setdefault(levels[1], deque(maxlen=24)).append(said["value"])
        else:
            self.origin = max(self.origin, said["origin"])
            self._ahead[said["stream"]] = [lead["median"] for lead in said["leads"]]
        ack()

    def forecast(self) -> tuple[str, list[float], list[float]] | None:
        """A home, what it used in the last day, and what is expected of the next; None before there is one."""
        homes = sorted(self._ahead.keys() & self._homes.keys())
        if not homes:
            return None
        home = homes[min(SHOWN, len(homes)) - 1]
        return home, list(self._homes[home]), self._ahead[home]
