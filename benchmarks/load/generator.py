"""The publisher and the client that receives forecasts: a process of its own, so cheap that the daemon is the limit."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from benchmarks.load.plan import Plan
from forecaster.adapters.mqtt_wire import Other, Puback, Publish, Reader, publish
from forecaster.records import Array

WINDOW = 2000
"""Messages published and not yet confirmed by the broker."""

AT_ONCE = 500
IDENTIFIERS = 60_000
PATIENCE_S = 60.0


class Wire:
    """An MQTT 3.1.1 session, clean, on a plain socket.

    Parameters
    ----------
    filters
        Subscribed to at QoS 0: what is received here is timed, not kept.
    """

    def __init__(self, port: int, client_id: str, filters: Sequence[str] = ()) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._reader = Reader(mqtt5=False)
        self._next = 0
        self._unconfirmed = 0
        name = client_id.encode()
        self._socket.sendall(_packet(0x10, b"\0\4MQTT\4\2\0\0" + _text(name)))
        self._await_other()
        if filters:
            self._socket.sendall(_packet(0x82, b"\0\1" + b"".join(_text(each.encode()) + b"\0" for each in filters)))
            self._await_other()

    def close(self) -> None:
        """Say goodbye."""
        self._socket.sendall(b"\xe0\0")
        self._socket.close()

    def framed(self, messages: Sequence[tuple[str, bytes]]) -> list[bytes]:
        """Packets at QoS 1, to be sent in this order."""
        packets = []
        for topic, payload in messages:
            packets.append(publish(topic, payload, self._next % IDENTIFIERS + 1, retain=False, properties=b""))
            self._next += 1
        return packets

    def flood(self, packets: Sequence[bytes]) -> None:
        """Send all, as fast as the broker confirms; returns when everything is confirmed."""
        for first in range(0, len(packets), AT_ONCE):
            some = packets[first : first + AT_ONCE]
            self.send(b"".join(some), len(some))
            while self._unconfirmed > WINDOW:
                self.receive(PATIENCE_S)
        while self._unconfirmed:
            self.receive(PATIENCE_S)

    def send(self, packets: bytes, count: int) -> None:
        """Write so many packets to the wire."""
        self._socket.settimeout(PATIENCE_S)
        self._socket.sendall(packets)
        self._unconfirmed += count

    def receive(self, wait_s: float) -> list[Publish]:
        """Messages that arrive within some time; returns at the first bytes."""
        self._socket.settimeout(max(wait_s, 1e-6))
        try:
            chunk = self._socket.recv(1 << 18)
        except TimeoutError:
            return []
        if not chunk:
            raise ConnectionError("the broker closed the connection")
        arrived = []
        for packet in self._reader.feed(chunk):
            match packet:
                case Puback():
                    self._unconfirmed -= 1
                case Publish():
                    arrived.append(packet)
                case Other():
                    pass
        return arrived

    def _await_other(self) -> None:
        while not any(isinstance(each, Other) for each in self._reader.feed(self._socket.recv(4096))):
            pass


def _text(text: bytes) -> bytes:
    return len(text).to_bytes(2, "big") + text


def _packet(kind: int, body: bytes) -> bytes:
    assert len(body) < 128
    return bytes([kind, len(body)]) + body


@contextmanager
def wire(port: int, filters: Sequence[str] = ()) -> Iterator[Wire]:
    """A session for the length of a block."""
    opened = Wire(port, f"load-{time.monotonic_ns()}", filters)
    try:
        yield opened
    finally:
        opened.close()


def flood(port: int, plan: Plan, first: int, count: int) -> float:
    """Publish messages ``first`` … of the plan as fast as the broker confirms; ``time.monotonic()`` of the first."""
    with wire(port) as session:
        packets = session.framed([plan.message(index) for index in range(first, first + count)])
        began_s = time.monotonic()
        session.flood(packets)
        return began_s


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds from reading to forecast, and how many forecasts did not come."""

    ms: Array
    missing: int


def paced(port: int, plan: Plan, first: int, count: int, per_second: float, forecasts: str) -> Latency:
    """Publish messages that each begin a step at a steady pace, and time the forecast that each causes."""
    taken: list[float] = []
    waiting: dict[int, float] = {}
    with wire(port, [forecasts]) as session:
        packets = session.framed([plan.boundary(index) for index in range(first, first + count)])
        _quieten(session)
        began_s = time.perf_counter()
        for number, packet in enumerate(packets):
            due_s = began_s + number / per_second
            while (left_s := due_s - time.perf_counter()) > 0:
                _match(session.receive(left_s), plan, waiting, taken)
            waiting[(first + number) % plan.streams] = time.perf_counter()
            session.send(packet, 1)
        give_up_s = time.perf_counter() + 10.0
        while waiting and time.perf_counter() < give_up_s:
            _match(session.receive(0.1), plan, waiting, taken)
    return Latency(np.array(taken) * 1000, len(waiting))


def _match(arrived: Sequence[Publish], plan: Plan, waiting: dict[int, float], taken: list[float]) -> None:
    now_s = time.perf_counter()
    for forecast in arrived:
        sent_s = waiting.pop(plan.stream_of(forecast.topic), None)
        if sent_s is not None:
            taken.append(now_s - sent_s)


def _quieten(session: Wire) -> None:
    """Take the retained forecasts that come with a subscription."""
    while session.receive(0.5):
        pass


def bursts(port: int, plan: Plan, step_s: int, count: int, forecasts: str) -> list[float]:
    """Seconds from a boundary until the last of S forecasts is here, of ``count`` boundaries of the machine's clock.

    One reading of each stream arrives, stamped with the machine's time, in the middle of every step.
    """
    seconds = []
    with wire(port, [forecasts]) as session:
        for number in range(count + 1):
            boundary_s = (time.time() // step_s + 1) * step_s
            if boundary_s - time.time() < 0.4 * step_s:
                boundary_s += step_s
            _sleep_until(session, boundary_s - 0.6 * step_s)
            now_ms = int(time.time() * 1000)
            readings = [(plan.topic(i), plan.payload(i, number, now_ms)) for i in range(plan.streams)]
            session.flood(session.framed(readings))
            _sleep_until(session, boundary_s - 0.02)
            arrived = 0
            while arrived < plan.streams and time.time() < boundary_s + 3 * step_s:
                arrived += len(session.receive(0.1))
            if arrived < plan.streams:
                raise TimeoutError(f"{arrived} of {plan.streams} forecasts came after a boundary")
            if number:  # the first time every stream is new
                seconds.append(time.time() - boundary_s)
    return seconds


def _sleep_until(session: Wire, time_s: float) -> None:
    while (left_s := time_s - time.time()) > 0:
        session.receive(left_s)
