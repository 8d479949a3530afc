"""One connection to the broker, from dialling to its end.

paho opens it and speaks CONNECT, SUBSCRIBE, PING and DISCONNECT with all their reasons and properties; messages and
their acknowledgements are read and written here, in bulk. Two of paho's private names are used for that, both below:
``_sock``, in whose place we put one that it sees only its own packets of, and ``_packet_queue``, which takes bytes.
"""

from __future__ import annotations

import logging
import selectors
import socket
import ssl
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache, partial
from itertools import count
from typing import Any, Literal, NamedTuple, cast

import paho.mqtt.client as paho
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from forecaster.adapters.mqtt_client import (
    Bell,
    Tap,
    Version,
    dial,
    packed_properties,
    patience_s,
    subscribe_properties,
)
from forecaster.adapters.mqtt_subscriptions import Subscriptions
from forecaster.adapters.mqtt_wire import Malformed, Other, Puback, Publish, Reader, pubacks, publish, subscriptions
from forecaster.adapters.outbox import Outbox, Publication
from forecaster.ports import Offer
from forecaster.records import Message
from forecaster.settings import Mqtt

log = logging.getLogger(__name__)

CHUNK = 65_536
IN_FLIGHT = 500
"""Publications sent and not yet confirmed; fewer when the broker says so."""
FIRST_IDENTIFIER, LAST_IDENTIFIER = 1000, 65_535
"""Packet identifiers of our publications; those below are paho's."""
LONGEST_TOPIC = 65_535
OVERHEAD = 100
"""Room in a packet for all that is neither topic nor payload, in bytes."""
REFUSED = 0x80
READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE

Reason = Literal["unreachable", "tls", "no_answer", "unauthorized", "version", "refused", "lost"]


class Ending(NamedTuple):
    """Why a connection ended; ``detail`` is for the log line."""

    reason: Reason
    detail: str


@dataclass(slots=True, kw_only=True)
class Session:
    """What outlives a connection.

    Attributes
    ----------
    status_topic
        Where ``online`` is published.
    schemas
        Last level of a topic → schema of its messages.
    stop_at
        ``time.monotonic()`` at which to be gone; None: stay.
    """

    mqtt: Mqtt
    status_topic: str
    schemas: Mapping[str, str]
    outbox: Outbox
    now_ms: Callable[[], int]
    bell: Bell = field(default_factory=Bell)
    stop_at: float | None = None
    received: int = 0
    published: int = 0
    refused: int = 0
    connects: int = 0

    @property
    def unsaid(self) -> bool:
        """Whether something waits to be said before we are gone, and there is time for it."""
        return self.stop_at is not None and len(self.outbox) > 0 and time.monotonic() < self.stop_at


class Connection:
    """One connection. All but the acknowledgements it hands out belongs to the network thread.

    Attributes
    ----------
    listening
        Connected, and every subscription answered: what we are let have comes.
    in_flight
        Publications sent and not yet confirmed, oldest first.
    """

    def __init__(
        self, client: paho.Client, version: Version, session: Session, subscriptions: Subscriptions, offer: Offer
    ) -> None:
        self.listening = False
        self.in_flight: dict[int, Publication] = {}
        self._client = client
        self._version = version
        self._session = session
        self._subscriptions = subscriptions
        self._asked: dict[int, tuple[str, ...]] = {}
        self._refused: dict[str, str] = {}
        self._offer = offer
        self._reader = Reader(mqtt5=version == "5")
        self._answered = False
        self._ending = Ending("no_answer", "the broker closed the connection before it answered")
        self._window = IN_FLIGHT
        self._largest: float = float("inf")
        self._next_identifier = FIRST_IDENTIFIER
        self._serials = count()
        self._unacknowledged: dict[int, int] = {}
        self._acknowledge: deque[int] = deque()
        self._properties = lru_cache(maxsize=64)(packed_properties)
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_unsubscribe = self._on_unsubscribe
        client.on_disconnect = self._on_disconnect

    @property
    def ready(self) -> bool:
        """Listening, and every subscription granted."""
        return self.listening and not self._refused

    def serve(self) -> Ending:
        """Dial, and return when the connection has ended."""
        try:
            dial(self._client, self._session.mqtt, self._version, persistent=True)
        except ssl.SSLError as error:
            return Ending("tls", str(error))
        except OSError as error:
            return Ending("unreachable", str(error))
        tap = Tap(cast(socket.socket, self._client._sock))
        self._client._sock = cast(Any, tap)
        try:
            self._serve(tap)
        finally:
            tap.close()  # when a bug ended us; paho has closed it otherwise
            self.listening = False
        return self._ending

    def _serve(self, tap: Tap) -> None:
        wait_s = patience_s(self._session.mqtt, self._version)
        give_up_at = time.monotonic() + wait_s
        bell, asked = self._session.bell, READ
        with selectors.DefaultSelector() as selector:
            selector.register(bell.ear, READ)
            selector.register(tap.wire, asked)
            while self._client.socket() is not None:
                events = READ | WRITE if self._client.want_write() else READ
                if events != asked:
                    selector.modify(tap.wire, events)
                    asked = events
                for key, happened in selector.select(1.0):
                    if key.fileobj is bell.ear:
                        bell.quieten()
                    elif happened & READ:
                        self._read(tap)
                self._write()
                self._client.loop_misc()
                if not self._answered and time.monotonic() > give_up_at:
                    self._ending = Ending("no_answer", f"the broker did not answer within {wait_s:g} s")
                    self._hang_up(tap)
                if self._session.stop_at is not None:
                    self._leave(tap, self._session.stop_at)

    def _read(self, tap: Tap) -> None:
        """Take all that has arrived, and do what it says."""
        more = True
        while more and self._client.socket() is not None:
            try:
                chunk = tap.wire.recv(CHUNK)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return
            except OSError:
                chunk = b""
            if not chunk:
                self._hang_up(tap)
                return
            self._handle(chunk, tap)
            more = isinstance(tap.wire, ssl.SSLSocket) and self._client.socket() is not None and tap.wire.pending() > 0

    def _handle(self, chunk: bytes, tap: Tap) -> None:
        offer, now_ms, session = self._offer, self._session.now_ms, self._session
        try:
            for packet in self._reader.feed(chunk):
                match packet:
                    case Publish(topic, payload, retained, identifier, redelivered, properties):
                        session.received += 1
                        if properties and not self._counts(topic, properties):
                            self._acknowledgement(identifier)()
                            continue
                        message = Message(topic, payload, now_ms(), retained, identifier, redelivered)
                        offer(message, self._acknowledgement(identifier))
                    case Puback(identifier, reason):
                        self._confirmed(identifier, reason)
                    case Other(other):
                        tap.pour(other)
                        self._client.loop_read()
        except Malformed as error:
            log.error("the broker sent what is not MQTT detail=%s", error)
            self._hang_up(tap)

    def _counts(self, topic: str, properties: bytes) -> bool:
        """Whether this is no copy of a message that comes by an earlier subscription too."""
        if not self._subscriptions.identifiers:
            return True
        return self._subscriptions.counts(topic, subscriptions(properties))

    def _acknowledgement(self, identifier: int) -> Callable[[], None]:
        """What the journal calls when the message is durable: from any thread, and only the first call counts."""
        if identifier == 0:
            return _nothing
        serial = next(self._serials)
        self._unacknowledged[serial] = identifier
        return partial(self._acknowledged, serial)

    def _acknowledged(self, serial: int) -> None:
        # One that belongs to a connection that is gone lands in its own deque, which nobody reads any more.
        identifier = self._unacknowledged.pop(serial, None)
        if identifier is not None:
            self._acknowledge.append(identifier)
            self._session.bell.ring()

    def _confirmed(self, identifier: int, reason: int) -> None:
        publication = self.in_flight.pop(identifier, None)
        if publication is None:
            return
        if reason < REFUSED:
            self._session.published += 1
            return
        self._session.refused += 1
        if self._session.refused & (self._session.refused - 1) == 0:  # 1, 2, 4, 8 …: seldom enough
            log.warning("the broker refused publications count=%d topic=%s", self._session.refused, publication.topic)

    def _write(self) -> None:
        """Send acknowledgements and publications, as much as the broker takes."""
        if self._answered and not self._client.want_write():
            identifiers = [self._acknowledge.popleft() for _ in range(len(self._acknowledge))]
            publications = self._session.outbox.take(self._window - len(self.in_flight))
            if identifiers or publications:
                packets = [self._packet(each) for each in publications if self._fits(each)]
                # As an acknowledgement, which paho sends and forgets.
                self._client._packet_queue(paho.PUBACK, pubacks(identifiers) + b"".join(packets), 0, 1)
        if self._client.want_write():
            self._client.loop_write()

    def _fits(self, publication: Publication) -> bool:
        """Whether the broker can take it; sent all the same, it would hang up on us, again and again."""
        topic = len(publication.topic.encode())
        if topic <= LONGEST_TOPIC and topic + len(publication.payload) + OVERHEAD <= self._largest:
            return True
        self._session.refused += 1
        log.error(
            "larger than the broker takes topic=%.80s topic_bytes=%d bytes=%d",
            *(publication.topic, topic, len(publication.payload)),
        )
        return False

    def _packet(self, publication: Publication) -> bytes:
        identifier = self._next_identifier
        while identifier in self.in_flight:
            identifier = identifier + 1 if identifier < LAST_IDENTIFIER else FIRST_IDENTIFIER
        self._next_identifier = identifier + 1 if identifier < LAST_IDENTIFIER else FIRST_IDENTIFIER
        properties = b""
        if self._version == "5":
            schema = self._session.schemas.get(publication.topic.rpartition("/")[2])
            properties = self._properties(expiry_s=publication.expiry_s, schema=schema)
        packet = publish(
            publication.topic, publication.payload, identifier, retain=publication.retain, properties=properties
        )
        self.in_flight[identifier] = publication
        return packet

    def _hang_up(self, tap: Tap) -> None:
        """End without a word; paho closes the socket and tells :meth:`_on_disconnect`."""
        tap.ended = True
        self._client.loop_read()

    def _leave(self, tap: Tap, stop_at: float) -> None:
        """Disconnect when all is said, or when there is no time left for it."""
        now = time.monotonic()
        if (self.in_flight or len(self._session.outbox)) and now < stop_at:
            return
        if self._client.is_connected():
            self._client.disconnect()
        elif not self._answered or now > stop_at:
            self._hang_up(tap)

    def _on_connect(
        self,
        client: paho.Client,
        _data: Any,
        flags: paho.ConnectFlags,
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        if reason.is_failure:
            self._ending = Ending(_refusal(reason), str(reason))
            return
        self._answered = True
        self._ending = Ending("lost", "the connection broke")
        self._session.connects += 1
        self._window = min(IN_FLIGHT, getattr(properties, "ReceiveMaximum", IN_FLIGHT))
        self._largest = getattr(properties, "MaximumPacketSize", self._largest)
        log.info(
            "connected to the MQTT broker version=%s session_present=%s connects=%d",
            *(self._version, flags.session_present, self._session.connects),
        )
        self._session.outbox.give_back([Publication(self._session.status_topic, b"online")])
        self._subscribe(identified=bool(getattr(properties, "SubscriptionIdentifierAvailable", self._version == "5")))

    def _subscribe(self, *, identified: bool) -> None:
        """Ask for what is wanted, then take back what is not: the other way round, messages could fall in between."""
        wanted, stale = self._subscriptions.wanted, self._subscriptions.stale
        identifiers = self._subscriptions.identifiers if identified else {}
        self._ask(tuple(one for one in wanted if one not in identifiers), None)
        for one in wanted:
            if one in identifiers:
                self._ask((one,), identifiers[one])
        if stale:
            self._client.unsubscribe(list(stale))
        self.listening = not self._asked

    def _ask(self, filters: tuple[str, ...], number: int | None) -> None:
        if not filters:
            return
        qos = int(self._session.mqtt.qos)
        if self._version == "5":
            options, properties = (
                SubscribeOptions(qos=qos),
                subscribe_properties(number),
            )
            _, identifier = self._client.subscribe([(one, options) for one in filters], properties=properties)
        else:
            _, identifier = self._client.subscribe([(one, qos) for one in filters])
        self._asked[cast(int, identifier)] = filters

    def _on_subscribe(
        self, _client: paho.Client, _data: Any, identifier: int, reasons: list[ReasonCode], _properties: Properties
    ) -> None:
        filters = self._asked.pop(identifier)
        self._refused |= {one: str(reason) for one, reason in zip(filters, reasons, strict=True) if reason.is_failure}
        self._subscriptions.refused(self._refused)
        self.listening = not self._asked
        if self.listening and self._refused:
            log.error("the broker does not let us subscribe, and nothing comes by filters=%s", self._refused)

    def _on_unsubscribe(
        self, _client: paho.Client, _data: Any, _identifier: int, reasons: list[ReasonCode], _: Properties | None
    ) -> None:
        if not any(reason.is_failure for reason in reasons):
            self._subscriptions.settled()

    def _on_disconnect(
        self, _client: paho.Client, _data: Any, flags: paho.DisconnectFlags, reason: ReasonCode, _: Properties | None
    ) -> None:
        self.listening = False
        if flags.is_disconnect_packet_from_server:  # "Session taken over" means: another client has our client_id
            self._ending = Ending("lost", f"the broker disconnected us: {reason}")


def _nothing() -> None:
    """Acknowledges a message of QoS 0."""


def _refusal(reason: ReasonCode) -> Reason:
    match reason.getName():
        case "Unsupported protocol version":
            return "version"
        case "Not authorized" | "Bad user name or password" | "Bad authentication method":
            return "unauthorized"
        case _:
            return "refused"
