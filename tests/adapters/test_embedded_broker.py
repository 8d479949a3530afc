"""The demo's broker, and our session and publisher with it: MQTT 3.1.1 without being told."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest
from servers import accepts, eventually

from forecaster.adapters.embedded_broker import EmbeddedBroker
from forecaster.adapters.mqtt import MqttBroker
from forecaster.adapters.mqtt_publisher import Publisher
from forecaster.settings import Mqtt


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """Of an embedded broker that this module shares."""
    with EmbeddedBroker() as broker:
        yield broker.url


def test_the_session_falls_back_to_3_1_1_and_messages_flow(url: str) -> None:
    """amqtt refuses MQTT 5; nobody had to configure that."""
    inbox: list[tuple[str, bytes]] = []
    broker = MqttBroker(Mqtt(url=url), "forecaster", outbox=1000, now_ms=lambda: 0, backoff_s=(0.02, 0.1))

    broker.start(["fall/+/back"], lambda message, ack: (inbox.append((message.topic, message.payload)), ack())[1])
    eventually(broker.connected, what="connecting")
    for number in range(300):
        broker.publish(f"fall/{number}/back", b"%d" % number, retain=False)
    eventually(lambda: len(inbox) == 300, what="300 messages")
    broker.stop()

    assert inbox == [(f"fall/{number}/back", b"%d" % number) for number in range(300)]
    assert broker.waiting == 0


def test_a_publisher_waits_until_everything_is_there(url: str) -> None:
    """More messages than may be unconfirmed at a time, all of them confirmed at the end of the block."""
    received: list[bytes] = []
    broker = MqttBroker(Mqtt(url=url, client_id="watcher", version="3.1.1"), "watcher", outbox=10, now_ms=lambda: 0)
    broker.start(["csv/#"], lambda message, ack: (received.append(message.payload), ack())[1])
    eventually(broker.connected, what="connecting")

    with Publisher(Mqtt(url=url, version="3.1.1")) as publisher:
        for number in range(1200):
            publisher.send("csv/a", b"%d" % number)
    eventually(lambda: len(received) == 1200, what="1200 messages")
    broker.stop()

    assert received == [b"%d" % number for number in range(1200)]


def test_two_brokers_run_side_by_side_and_stop(url: str) -> None:
    """Each takes a port that is free, and gives it back."""
    with EmbeddedBroker() as other:
        port = int(other.url.rpartition(":")[2])
        assert other.url != url
        assert accepts(port)

    assert not accepts(port)


def test_the_broker_does_not_outlive_whoever_started_it() -> None:
    """A parent that is killed leaves no broker behind: its end of the pipe closes."""
    program = (
        "from forecaster.adapters.embedded_broker import EmbeddedBroker\n"
        "broker = EmbeddedBroker().__enter__()\n"
        "print(broker.url, flush=True)\n"
        "input()\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert parent.stdout is not None
    assert parent.stdin is not None
    port = int(parent.stdout.readline().rpartition(b":")[2])
    assert accepts(port)

    parent.kill()
    parent.wait()

    eventually(lambda: not accepts(port), what="the broker ending")
    parent.stdout.close()
    parent.stdin.close()
