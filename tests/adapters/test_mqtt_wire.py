"""Packets read and written in bulk, held against paho's own reading of the same bytes."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paho.mqtt import _packet
from paho.mqtt.enums import MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from forecaster.adapters.mqtt_wire import Malformed, Other, Puback, Publish, Reader, pubacks, publish, subscriptions

TOPICS = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="#+"), min_size=1, max_size=300)


def some_properties() -> bytes:
    """Properties of a PUBLISH as paho writes them, longer than one length byte can tell."""
    properties = Properties(PacketTypes.PUBLISH)
    properties.MessageExpiryInterval = 3600
    properties.ContentType = "application/json"
    properties.UserProperty = ("schema", "x" * 150)
    return bytes(properties.pack())


@settings(max_examples=100)
@given(topic=TOPICS, payload=st.binary(max_size=20_000), identifier=st.integers(1, 65535), mqtt5=st.booleans())
def test_what_is_written_paho_reads(topic: str, payload: bytes, identifier: int, mqtt5: bool) -> None:
    """A PUBLISH of ours means the same to paho, which reads it by its own code."""
    packet = publish(topic, payload, identifier, retain=True, properties=some_properties() if mqtt5 else b"")
    body = packet[1:].lstrip(bytes(range(128, 256)))[1:]
    version = MQTTProtocolVersion.MQTTv5 if mqtt5 else MQTTProtocolVersion.MQTTv311

    read = _packet.decode_publish(packet[0], body, version)

    assert (read.topic, read.mid, read.payload, read.qos, read.retain, read.dup) == (
        *(topic.encode(), identifier, payload, 1, True, False),
    )


@settings(max_examples=100)
@given(
    messages=st.lists(st.tuples(TOPICS, st.binary(max_size=300), st.integers(1, 65535), st.booleans()), max_size=8),
    cuts=st.lists(st.integers(1, 200), min_size=1, max_size=50),
    mqtt5=st.booleans(),
)
def test_packets_come_out_however_the_stream_is_cut(
    messages: list[tuple[str, bytes, int, bool]], cuts: list[int], mqtt5: bool
) -> None:
    """TCP has no packets: any cutting of the stream gives the same ones, in order."""
    properties = some_properties() if mqtt5 else b""
    kept = properties[2:]  # without their length
    stream = b""
    expected: list[Publish | Puback | Other] = []
    for topic, payload, identifier, retained in messages:
        stream += publish(topic, payload, identifier, retain=retained, properties=properties)
        stream += pubacks([identifier]) + b"\xd0\x00"
        message = Publish(topic, payload, retained, identifier, False, kept)
        expected += [message, Puback(identifier, 0), Other(b"\xd0\x00")]
    reader = Reader(mqtt5)
    packets: list[Publish | Puback | Other] = []
    while stream:
        cut = cuts.pop(0) if len(cuts) > 1 else 200
        packets += reader.feed(stream[:cut])
        stream = stream[cut:]

    assert packets == expected


@settings(max_examples=100)
@given(identifiers=st.lists(st.integers(1, 268_435_455), max_size=4), text=st.text(max_size=200), more=st.booleans())
def test_identifiers_of_subscriptions_are_found_among_all_properties(
    identifiers: list[int], text: str, more: bool
) -> None:
    """As paho writes them, one of each kind beside them or none."""
    properties = Properties(PacketTypes.PUBLISH)
    properties.PayloadFormatIndicator = 1
    if more:
        properties.MessageExpiryInterval = 3600
        properties.TopicAlias = 7
        properties.ContentType = properties.ResponseTopic = "x" * 300
        properties.CorrelationData = text.encode()
        properties.UserProperty = [("a", "b"), ("schema", "x" * 150)]
    for identifier in identifiers:
        properties.SubscriptionIdentifier = identifier
    packed = bytes(properties.pack())
    [message] = Reader(mqtt5=True).feed(publish("a", b"1", 7, retain=False, properties=packed))
    assert isinstance(message, Publish)
    assert sorted(subscriptions(message.properties)) == sorted(identifiers)


@pytest.mark.parametrize("properties", [b"\x0b", b"\x0b\x80", b"\x02\x00", b"\x03\x00\x05a", b"\x00", b"\x26\x00\x01a"])
def test_properties_that_are_none_are_refused(properties: bytes) -> None:
    """Cut short, or of no kind that belongs to a message."""
    with pytest.raises(Malformed):
        subscriptions(properties)


def test_a_message_of_qos_0_has_no_identifier() -> None:
    """Nothing to acknowledge: 0."""
    assert list(Reader(mqtt5=True).feed(b"\x31\x06\x00\x01a\x0021")) == [Publish("a", b"21", True, 0)]


def test_what_was_sent_before_says_so() -> None:
    """The duplicate flag, by which a message is told from one that merely says the same."""
    assert list(Reader(mqtt5=False).feed(b"\x3a\x06\x00\x01a\x00\x071")) == [Publish("a", b"1", False, 7, True)]


def test_a_refusal_is_read() -> None:
    """MQTT 5 says why it did not take a message: 0x97 is quota exceeded."""
    assert list(Reader(mqtt5=True).feed(b"\x40\x03\x00\x07\x97")) == [Puback(7, 0x97)]


def test_a_topic_that_is_not_utf8_is_still_a_topic() -> None:
    """A broken topic is delivered, matches nothing, and is counted by whoever decodes it."""
    assert list(Reader(mqtt5=False).feed(b"\x30\x04\x00\x01\xff1")) == [Publish("\ufffd", b"1", False, 0)]


@pytest.mark.parametrize(
    "stream",
    [
        b"\x30\x02\x00\x09",
        b"\x30\x00\x00\x00",
        b"\x32\x03\x00\x01a",
        b"\x30\xff\xff\xff\xff\x01",
        b"\x30\x05\x00\x01a\x09b",
    ],
    ids=["topic too long", "no topic", "no identifier", "length too long", "properties too long"],
)
def test_contradicting_lengths_are_refused(stream: bytes) -> None:
    """Reading on would give messages that nobody sent."""
    with pytest.raises(Malformed):
        list(Reader(mqtt5=True).feed(stream))


@settings(max_examples=200)
@given(stream=st.binary(max_size=100), mqtt5=st.booleans())
def test_any_bytes_are_packets_or_refused(stream: bytes, mqtt5: bool) -> None:
    """No other error, whatever comes."""
    with suppress(Malformed):
        list(Reader(mqtt5).feed(stream))
