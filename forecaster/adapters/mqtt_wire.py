"""The two MQTT packets that come by the thousand, PUBLISH and PUBACK, read and written in bulk.

paho takes three reads of the socket, a wait for it, and a dozen objects for each message; its cost is the largest of
the whole service. All other packets are few, and stay paho's: this module only cuts them out of the stream. Pure.

References
----------
OASIS, MQTT Version 5.0, sections 1.5.5, 2.1, 2.2.2, 3.3 and 3.4; MQTT Version 3.1.1, sections 2.2, 3.3 and 3.4.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from struct import Struct
from typing import NamedTuple

PUBLISH, PUBACK = 3, 4
LARGEST_LENGTH_BYTES = 4
SUBSCRIPTION_IDENTIFIER = 0x0B
OF_FIXED_SIZE = {0x01: 1, 0x02: 4, 0x23: 2}
"""Properties of a message: payload format, expiry, topic alias; their bytes."""
OF_TEXTS = {0x03: 1, 0x08: 1, 0x09: 1, 0x26: 2}
"""Content type, response topic, correlation data, user property; how many texts or the like, each with its length."""

_u16 = Struct("!H")
_puback = Struct("!BBH")


class Malformed(Exception):
    """The bytes are not MQTT; the connection has to be closed."""


class Publish(NamedTuple):
    """A message for us.

    Attributes
    ----------
    topic
        Bytes that are not UTF-8 are replaced, so that such a topic matches no subscription of ours.
    identifier
        To acknowledge it with; 0 at QoS 0.
    redelivered
        Sent before, says the broker, and not acknowledged then.
    properties
        As they stand on the wire, without their length (MQTT 5).
    """

    topic: str
    payload: bytes
    retained: bool
    identifier: int
    redelivered: bool = False
    properties: bytes = b""


class Puback(NamedTuple):
    """The answer to a message of ours; ``reason`` from 0x80 on means refused (MQTT 5)."""

    identifier: int
    reason: int


class Other(NamedTuple):
    """Any other packet, whole and as it came."""

    packet: bytes


class Reader:
    """Cuts a stream of bytes into packets.

    Parameters
    ----------
    mqtt5
        Whether the connection speaks MQTT 5, whose packets carry properties.

    Examples
    --------
    >>> reader = Reader(mqtt5=False)
    >>> list(reader.feed(b"\\x40\\x02\\x00")), list(reader.feed(b"\\x07\\xd0\\x00"))
    ([], [Puback(identifier=7, reason=0), Other(packet=b'\\xd0\\x00')])
    """

    def __init__(self, mqtt5: bool) -> None:
        self._mqtt5 = mqtt5
        self._rest = bytearray()

    def feed(self, chunk: bytes) -> Iterator[Publish | Puback | Other]:
        """Packets that are complete with these bytes, in order.

        Raises
        ------
        Malformed
            When a length contradicts another.
        """
        data, at = self._rest, 0
        data += chunk
        while len(data) - at >= 2:
            size, body = data[at + 1], at + 2
            if size > 127:
                length = _variable_length(data, at + 1)
                if length is None:
                    break
                size, body = length
            end = body + size
            if end > len(data):
                break
            kind, qos = data[at] >> 4, data[at] >> 1 & 3
            if kind == PUBLISH and qos < 2:
                yield self._publish(data, body, end, qos, data[at])
            elif kind == PUBACK and size >= 2:
                yield Puback(data[body] << 8 | data[body + 1], data[body + 2] if size > 2 else 0)
            else:
                yield Other(bytes(data[at:end]))
            at = end
        del data[:at]

    def _publish(self, data: bytearray, body: int, end: int, qos: int, flags: int) -> Publish:
        start = body + 2
        after_topic = start + (data[body] << 8 | data[body + 1]) if start <= end else end + 1
        payload = after_topic + 2 * qos
        identifier = 0
        if payload <= end and qos:
            identifier = data[after_topic] << 8 | data[after_topic + 1]
        properties = b""
        if payload < end and self._mqtt5:
            if data[payload] == 0:  # nearly always
                payload += 1
            else:
                size, first = _variable_length(data, payload) or (end, payload)
                payload = first + size
                properties = bytes(data[first:payload])
        if payload > end:
            raise Malformed("a PUBLISH shorter than its own topic and properties")
        topic = data[start:after_topic].decode("utf-8", "replace")
        return Publish(topic, bytes(data[payload:end]), bool(flags & 1), identifier, bool(flags & 8), properties)


def subscriptions(properties: bytes) -> list[int]:
    """Identifiers of the subscriptions by which a message came, among its properties.

    Raises
    ------
    Malformed
        When they are not properties of a message.

    Examples
    --------
    >>> subscriptions(b"\\x01\\x01\\x0b\\x07\\x0b\\x80\\x01")
    [7, 128]
    """
    found: list[int] = []
    at = 0
    while at < len(properties):
        kind = properties[at]
        at += 1
        if kind == SUBSCRIPTION_IDENTIFIER:
            number, at = _variable_length(properties, at) or (0, len(properties) + 1)
            found.append(number)
        elif kind in OF_FIXED_SIZE:
            at += OF_FIXED_SIZE[kind]
        elif kind in OF_TEXTS:
            for _ in range(OF_TEXTS[kind]):
                at += 2 + int.from_bytes(properties[at : at + 2], "big")
        else:
            raise Malformed(f"a PUBLISH with a property 0x{kind:02x}")
    if at > len(properties):
        raise Malformed("a property longer than all of them")
    return found


def _variable_length(data: bytes | bytearray, at: int) -> tuple[int, int] | None:
    """A variable byte integer: its value, and where the bytes after it begin. None when it is not yet complete."""
    value = 0
    for count, byte in enumerate(data[at : at + LARGEST_LENGTH_BYTES]):
        value |= (byte & 127) << 7 * count
        if byte < 128:
            return value, at + count + 1
    if len(data) - at >= LARGEST_LENGTH_BYTES:
        raise Malformed("a length of more than four bytes")
    return None


def publish(topic: str, payload: bytes, identifier: int, *, retain: bool, properties: bytes) -> bytes:
    """A PUBLISH at QoS 1; ``properties`` as they stand on the wire, with their length, and empty in MQTT 3.1.1.

    Examples
    --------
    >>> publish("a/b", b"21", 7, retain=True, properties=b"").hex(" ")
    '33 09 00 03 61 2f 62 00 07 32 31'
    """
    name = topic.encode()
    size = 4 + len(name) + len(properties) + len(payload)
    head = bytearray((PUBLISH << 4 | 2 | retain,))
    while size > 127:
        head.append(size & 127 | 128)
        size >>= 7
    head.append(size)
    return b"".join((head, _u16.pack(len(name)), name, _u16.pack(identifier), properties, payload))


def pubacks(identifiers: Iterable[int]) -> bytes:
    """Acknowledgements, one after the other.

    Examples
    --------
    >>> pubacks([1, 258]).hex(" ")
    '40 02 00 01 40 02 01 02'
    """
    return b"".join([_puback.pack(PUBACK << 4, 2, identifier) for identifier in identifiers])
