"""Which messages are sent: one formula, so that what must come out of the service is known without it."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from forecaster.records import Array

HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class Plan:
    """Readings of S streams in a virtual time that lies ahead of the machine's, so that only readings close steps.

    Attributes
    ----------
    streams
        S.
    start_ms
        Start of virtual hour 0.
    """

    streams: int
    start_ms: int

    @classmethod
    def from_now(cls, streams: int) -> Plan:
        """Virtual time begins between one and two hours ahead."""
        return cls(streams, (int(time.time()) // 3600 + 2) * HOUR_MS)

    def topic(self, stream: int) -> str:
        """Of a stream's readings."""
        return f"load/m{stream:05d}/power"

    def stream_of(self, forecast_topic: str) -> int:
        """The stream that a forecast is about."""
        return int(forecast_topic.split("/")[-2][1:])

    def value(self, stream: int, number: int) -> float:
        """Of a stream's reading of that number."""
        return (2000 + stream * 7 % 1000 + number * 37 % 500) / 100

    def message(self, index: int) -> tuple[str, bytes]:
        """Topic and payload of the message of that index, stream after stream, all in virtual hour 0."""
        number, stream = divmod(index, self.streams)
        return self.topic(stream), self.payload(stream, number, self.start_ms + number)

    def boundary(self, index: int) -> tuple[str, bytes]:
        """Messages each of which begins a new hour of its stream, from hour 1 on."""
        hour, stream = divmod(index, self.streams)
        return self.topic(stream), self.payload(stream, hour, self.start_ms + (hour + 1) * HOUR_MS)

    def payload(self, stream: int, number: int, time_ms: int) -> bytes:
        """A reading as JSON."""
        return b'{"time":%d,"power":%.2f,"unit":"W"}' % (time_ms, self.value(stream, number))

    def steps(self, rounds: int, hours: int) -> Array:
        """What the history must say: float64 (S, 1 + hours), the first the mean of ``rounds`` readings."""
        first = [np.mean([self.value(stream, number) for number in range(rounds)]) for stream in range(self.streams)]
        later = [[self.value(stream, hour) for hour in range(hours)] for stream in range(self.streams)]
        return np.column_stack([first, np.array(later).reshape(self.streams, hours)])
