"""The publisher of the commands against brokers that are there, not there, or unwilling."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from servers import Collector, Mosquitto, eventually, free_port

from forecaster.adapters.mqtt_publisher import Publisher
from forecaster.errors import BrokerUnreachable
from forecaster.settings import Mqtt


@pytest.fixture
def silent_port() -> Iterator[int]:
    """Somebody who accepts connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield int(listener.getsockname()[1])


def test_what_is_sent_arrives(mosquitto: Mosquitto) -> None:
    """In order, once, retained where asked."""
    with Collector(mosquitto.port, "#") as collector:
        with Publisher(Mqtt(url=mosquitto.url)) as publisher:
            publisher.send("a", b"1")
            publisher.send("b", b"2", retain=True)
        eventually(lambda: len(collector.messages) == 2, what="two messages")

    assert [(message.topic, message.payload) for message in collector.messages] == [("a", b"1"), ("b", b"2")]
    with Collector(mosquitto.port, "#") as late:
        late.wait("b", b"2")
        assert [message.topic for message in late.messages] == ["b"]


def test_a_broker_that_is_not_there_is_named() -> None:
    """Where we looked, and what the system said."""
    port = free_port()
    with pytest.raises(BrokerUnreachable, match=rf"mqtt://127\.0\.0\.1:{port}: .*refused"):
        Publisher(Mqtt(url=f"mqtt://127.0.0.1:{port}")).__enter__()


def test_a_broker_that_says_nothing_is_given_up(silent_port: int) -> None:
    """A command ends in the time it was given."""
    with pytest.raises(BrokerUnreachable, match=r"no answer within 0\.2 s"):
        Publisher(Mqtt(url=f"mqtt://127.0.0.1:{silent_port}"), timeout_s=0.2).__enter__()


def test_a_broker_that_goes_away_is_told(mosquitto: Mosquitto) -> None:
    """Nothing is dropped silently: the block ends with an error when messages were not confirmed."""

    def publish() -> None:
        with Publisher(Mqtt(url=mosquitto.url), timeout_s=0.3) as publisher:
            publisher.send("a", b"1")
            mosquitto.kill()
            publisher.send("a", b"2")

    with pytest.raises(BrokerUnreachable, match="has not confirmed"):
        publish()
