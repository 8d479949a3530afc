"""How we dial: the broker's address, TLS, and a paho client with our session, for whoever talks MQTT here."""

from __future__ import annotations

import socket
import ssl
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal, Self
from urllib.parse import urlsplit

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from forecaster.errors import ConfigurationError
from forecaster.settings import Mqtt

Version = Literal["5", "3.1.1"]

PORTS = {"mqtt": 1883, "mqtts": 8883}
SESSION_EXPIRY_S = 86_400
"""How long a broker that speaks MQTT 5 keeps our session, and queues for it, while we are away."""
RECEIVE_MAXIMUM = 65_535
"""Unacknowledged messages we let a broker that speaks MQTT 5 send us. Acknowledgements wait for the journal, so a
small number would set the pace. A 3.1.1 session has no such word: there the broker's own limit (mosquitto:
``max_inflight_messages``, 20 by default) times the commits per second is the most that can arrive."""
CONNECT_TIMEOUT_S = 10.0
PROBE_TIMEOUT_S = 3.0


@dataclass(frozen=True, slots=True)
class Address:
    """Where the broker listens."""

    host: str
    port: int
    tls: bool

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'mqtts' if self.tls else 'mqtt'}://{host}:{self.port}"


def address(url: str) -> Address:
    """Read ``mqtt://host:port`` or ``mqtts://host:port``; the port may be left out.

    Raises
    ------
    ConfigurationError
        When it is anything else. A password in it is not repeated.

    Examples
    --------
    >>> address("mqtt://broker.home"), str(address("mqtts://[::1]:8884"))
    (Address(host='broker.home', port=1883, tls=False), 'mqtts://[::1]:8884')
    """
    parts = urlsplit(url)
    wanted = "expected mqtt://host:port, or mqtts://host:port for TLS"
    if parts.username is not None or parts.password is not None:
        raise ConfigurationError("mqtt.url: no user name or password here; use mqtt.username and mqtt.password_file")
    if parts.scheme not in PORTS or parts.path not in ("", "/") or parts.query:
        raise ConfigurationError(f"mqtt.url: found {url!r}, {wanted}")
    try:
        port = parts.port or PORTS[parts.scheme]
        (parts.hostname or "").encode("idna")
    except ValueError as error:
        raise ConfigurationError(f"mqtt.url: found {url!r} ({error}), {wanted}") from error
    if not parts.hostname:
        raise ConfigurationError(f"mqtt.url: found {url!r} without a host, {wanted}")
    return Address(parts.hostname, port, parts.scheme == "mqtts")


def tls_context(mqtt: Mqtt) -> ssl.SSLContext | None:
    """What certificates are held against, None for a connection without TLS.

    Raises
    ------
    ConfigurationError
        When a file is missing or not what it should be.
    """
    if not address(mqtt.url).tls:
        return None
    try:
        context = ssl.create_default_context(cafile=_path(mqtt.ca_file))
        if mqtt.cert_file is not None:
            context.load_cert_chain(mqtt.cert_file, mqtt.key_file)
    except OSError as error:
        files = ", ".join(str(file) for file in (mqtt.ca_file, mqtt.cert_file, mqtt.key_file) if file)
        raise ConfigurationError(f"mqtt: a certificate or key cannot be used ({files}): {error}") from error
    if mqtt.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _path(file: Path | None) -> str | None:
    return None if file is None else str(file)


def versions(mqtt: Mqtt) -> list[Version]:
    """Protocol versions to try, in this order."""
    return ["5", "3.1.1"] if mqtt.version == "auto" else [mqtt.version]


def patience_s(mqtt: Mqtt, version: Version) -> float:
    """How long the broker may take to answer CONNECT.

    Shorter where another version is still to be tried: a broker that does not know MQTT 5 may take its properties
    for the beginning of something long, and wait (amqtt does).
    """
    return PROBE_TIMEOUT_S if version != versions(mqtt)[-1] else CONNECT_TIMEOUT_S


def new_client(
    mqtt: Mqtt, version: Version, tls: ssl.SSLContext | None, *, client_id: str, persistent: bool
) -> paho.Client:
    """A client that is not connected yet, without paho's own reconnecting and queueing."""
    client = paho.Client(
        CallbackAPIVersion.VERSION2,
        client_id=client_id,
        protocol=paho.MQTTv5 if version == "5" else paho.MQTTv311,
        clean_session=None if version == "5" else not persistent,
        reconnect_on_failure=False,
    )
    client.username_pw_set(mqtt.username, mqtt.password)
    client.connect_timeout = CONNECT_TIMEOUT_S
    client.max_inflight_messages = 0  # whoever publishes bounds it; paho's own bound costs a search per message
    if tls is not None:
        client.tls_set_context(tls)
    return client


def dial(client: paho.Client, mqtt: Mqtt, version: Version, *, persistent: bool) -> None:
    """Open the connection and send CONNECT; the answer is still to come.

    Raises
    ------
    OSError
        When nobody is there, the name is unknown, or TLS does not trust them.
    """
    to = address(mqtt.url)
    if version == "3.1.1":
        client.connect(to.host, to.port, mqtt.keepalive_s)
        return
    properties = _properties(PacketTypes.CONNECT)
    properties.ReceiveMaximum = RECEIVE_MAXIMUM
    if persistent:
        properties.SessionExpiryInterval = SESSION_EXPIRY_S
    client.connect(to.host, to.port, mqtt.keepalive_s, clean_start=not persistent, properties=properties)


def packed_properties(*, expiry_s: int | None, schema: str | None) -> bytes:
    """Properties of an MQTT 5 publication as they stand on the wire."""
    properties = _properties(PacketTypes.PUBLISH)
    if expiry_s is not None:
        properties.MessageExpiryInterval = expiry_s
    if schema is not None:
        properties.ContentType = "application/json"
        properties.UserProperty = ("schema", schema)
    return bytes(properties.pack())  # type: ignore[no-untyped-call]


def subscribe_properties(identifier: int | None) -> Properties:
    """Properties of an MQTT 5 subscription: the identifier that comes with its messages, None for none."""
    properties = _properties(PacketTypes.SUBSCRIBE)
    if identifier is not None:
        properties.SubscriptionIdentifier = identifier
    return properties


def _properties(packet: int) -> Properties:
    return Properties(packet)  # type: ignore[no-untyped-call]


class Tap:
    """A socket of which paho sees only the packets that are meant for it.

    The connection reads the wire itself and pours paho's packets in here; what paho writes goes straight out.

    Attributes
    ----------
    wire
        The real socket.
    ended
        Set when the wire is dead: paho then notices, and says goodbye to its side.
    """

    def __init__(self, wire: socket.socket) -> None:
        self.wire = wire
        self.ended = False
        self._poured = bytearray()

    def pour(self, packet: bytes) -> None:
        """Let paho read this."""
        self._poured += packet

    def recv(self, size: int) -> bytes:
        """What paho calls to read."""
        if not self._poured and not self.ended:
            raise BlockingIOError
        taken = bytes(self._poured[:size])
        del self._poured[:size]
        return taken

    def send(self, data: bytes) -> int:
        """What paho calls to write."""
        return self.wire.send(data)

    def close(self) -> None:
        """What paho calls when it is done."""
        self.wire.close()

    def fileno(self) -> int:
        """What paho may want to wait for; it does not here."""
        return self.wire.fileno()

    def setblocking(self, flag: bool) -> None:
        """What paho calls after connecting."""
        self.wire.setblocking(flag)


class Bell:
    """Wakes the network thread out of its wait; rung from any thread, many times at the price of one.

    The thread that listens enters it. Outside of that, ringing does nothing: whoever enters looks first anyway.

    Attributes
    ----------
    ear
        Readable when it was rung.
    """

    ear: socket.socket
    _rope: socket.socket

    def __init__(self) -> None:
        self._rung = True

    def __enter__(self) -> Self:
        self.ear, self._rope = socket.socketpair()
        self.ear.setblocking(False)
        self._rope.setblocking(False)
        self._rung = False
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._rung = True
        self.ear.close()
        self._rope.close()

    def ring(self) -> None:
        """There is something to do."""
        if not self._rung:
            self._rung = True
            with suppress(OSError):  # rung while the listener leaves
                self._rope.send(b"!")

    def quieten(self) -> None:
        """About to look what there is to do; what comes after this rings again."""
        self.ear.recv(4096)
        self._rung = False
