"""The MQTT session against a real mosquitto: what is delivered, what is redelivered, what is said when we go."""

from __future__ import annotations

import logging
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from servers import Collector, Mosquitto, Relay, eventually, free_port
from sessions import NOW_MS, Inbox, a_broker, payloads

from forecaster.adapters.mqtt import MqttBroker
from forecaster.errors import ConfigurationError
from forecaster.records import Message
from forecaster.settings import Mqtt


def sure_acks_arrived(broker: MqttBroker, collector: Collector) -> None:
    """What is published after an acknowledgement arrives after it."""
    broker.publish("probe", b"", retain=False)
    eventually(lambda: collector.payloads("probe"), what="the probe arriving")


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_a_message_is_offered_as_it_came(mosquitto: Mosquitto, version: str) -> None:
    """Topic and payload as on the wire, the time by our clock, the retained flag."""
    inbox: Inbox = []
    with Collector(mosquitto.port) as collector:
        collector.publish("home/a/energy", b"1", retain=True)
        with a_broker(mosquitto.url, inbox, "home/+/energy", version=version):
            collector.publish("home/b/energy", b"\xff\x00", qos=0)
            collector.publish("home/b/other", b"not ours")
            collector.publish("home/b/energy", b"2")
            eventually(lambda: len(inbox) == 3, what="three messages")

    assert [message for message, _ in inbox] == [
        Message("home/a/energy", b"1", NOW_MS, retained=True, identifier=1),
        Message("home/b/energy", b"\xff\x00", NOW_MS),
        Message("home/b/energy", b"2", NOW_MS, identifier=2),
    ]


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_thousands_of_messages_arrive_once_and_in_order(mosquitto: Mosquitto, version: str) -> None:
    """More than any window: outbox, flow control and acknowledgements keep up with each other."""
    inbox: Inbox = []
    with (
        a_broker(mosquitto.url, inbox, "many/+", version=version) as receiver,
        a_broker(mosquitto.url, [], outbox=5000, version=version, client_id="sender") as sender,
    ):
        for number in range(3000):
            sender.publish(f"many/{number}", b"x" * number, retain=False)
        for number in range(3000):
            eventually(lambda number=number: len(inbox) > number, what=f"message {number}")
            inbox[number][1]()
        eventually(lambda: sender.waiting == 0, what="the confirmations")
        assert receiver.received == 3000

    assert [(message.topic, len(message.payload)) for message, _ in inbox] == [(f"many/{n}", n) for n in range(3000)]


def test_the_subscription_survives_a_restart_of_a_forgetful_broker(mosquitto_here: None, tmp_path: Path) -> None:
    """We subscribe on every connect: a broker without persistence has forgotten us."""
    mosquitto = Mosquitto(tmp_path, persistence=False).start()
    inbox: Inbox = []
    try:
        with a_broker(mosquitto.url, inbox, "home/#") as broker:
            mosquitto.kill()
            eventually(lambda: not broker.connected(), what="noticing")
            mosquitto.start()
            eventually(broker.connected, what="reconnecting")
            with Collector(mosquitto.port) as collector:
                collector.publish("home/a", b"1")
            eventually(lambda: payloads(inbox) == [b"1"], what="the message")
            assert broker.connects == 2
    finally:
        mosquitto.stop()


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_what_was_not_acknowledged_comes_again_and_what_was_does_not(mosquitto: Mosquitto, version: str) -> None:
    """A client that dies has lost nothing but what it had made durable."""
    first: Inbox = []
    second: Inbox = []
    with Collector(mosquitto.port, "probe") as collector, Relay(mosquitto.port) as relay:
        with a_broker(relay.url, first, "home/#", version=version) as broker:
            for payload in (b"1", b"2", b"3"):
                collector.publish("home/a", payload)
            eventually(lambda: len(first) == 3, what="three messages")
            first[0][1]()
            first[2][1]()
            sure_acks_arrived(broker, collector)
            relay.accepting = False
            relay.cut()
        with a_broker(mosquitto.url, second, "home/#", version=version):
            eventually(lambda: second, what="redelivery")
            collector.publish("home/a", b"4")
            eventually(lambda: len(second) == 2, what="the next message")

    assert payloads(second) == [b"2", b"4"]


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_an_acknowledgement_of_a_lost_connection_does_nothing(mosquitto: Mosquitto, version: str) -> None:
    """After a reconnect the broker uses the same identifiers again, for messages that are not durable yet."""
    inbox: Inbox = []
    later: Inbox = []
    with Collector(mosquitto.port, "probe") as collector, Relay(mosquitto.port) as relay:
        with a_broker(relay.url, inbox, "home/#", version=version) as broker:
            collector.publish("home/a", b"1")
            collector.publish("home/a", b"2")
            eventually(lambda: len(inbox) == 2, what="two messages")
            relay.cut()
            eventually(lambda: len(inbox) == 4, what="redelivery")
            inbox[0][1]()
            inbox[1][1]()
            inbox[2][1]()
            inbox[2][1]()
            sure_acks_arrived(broker, collector)
        with a_broker(mosquitto.url, later, "home/#", version=version):
            eventually(lambda: payloads(later) == [b"2"], what="the one that was not acknowledged")

    assert payloads(inbox) == [b"1", b"2", b"1", b"2"]


def test_the_status_says_online_then_offline_by_the_will_then_stopped(mosquitto: Mosquitto) -> None:
    """Whoever looks at the status topic knows whether we live, were stopped, or died."""
    with Collector(mosquitto.port, "forecaster/status") as collector, Relay(mosquitto.port) as relay:
        with a_broker(relay.url, []):
            collector.wait("forecaster/status", b"online")
            relay.accepting = False
            relay.cut()
            collector.wait("forecaster/status", b"offline")
            relay.accepting = True
            eventually(lambda: collector.payloads("forecaster/status").count(b"online") == 2, what="reconnecting")
        collector.wait("forecaster/status", b"stopped")

        assert collector.payloads("forecaster/status") == [b"online", b"offline", b"online", b"stopped"]
        with Collector(mosquitto.port, "forecaster/status") as late:  # before the relay may cut off our goodbye
            late.wait("forecaster/status", b"stopped")


def test_a_goodbye_lost_with_the_wire_is_said_on_another(mosquitto: Mosquitto) -> None:
    """Else the last word would be the will's ``offline``, of a service that was stopped as it should be."""
    with Collector(mosquitto.port, "forecaster/status") as collector, Relay(mosquitto.port) as relay:
        with a_broker(relay.url, []):
            collector.wait("forecaster/status", b"online")
            relay.cut()
        collector.wait("forecaster/status", b"stopped")
        with Collector(mosquitto.port, "forecaster/status") as late:
            late.wait("forecaster/status", b"stopped")


def test_while_the_broker_is_away_the_newest_of_each_topic_is_kept(mosquitto: Mosquitto) -> None:
    """An hour without a broker costs memory for one forecast per stream, and the oldest topics beyond the bound."""
    with a_broker(mosquitto.url, [], outbox=2) as broker:
        mosquitto.stop()
        eventually(lambda: not broker.connected(), what="noticing")
        for topic, payload in [("a", b"1"), ("b", b"1"), ("b", b"2"), ("c", b"1"), ("c", b"2")]:
            broker.publish(topic, payload)
        assert (broker.dropped, broker.waiting) == (1, 2)
        mosquitto.start()
        with Collector(mosquitto.port, "+") as collector:
            collector.wait("b", b"2")
            collector.wait("c", b"2")

    assert sorted((message.topic, message.payload) for message in collector.messages) == [("b", b"2"), ("c", b"2")]


def test_a_forecast_carries_its_schema_and_expires(mosquitto: Mosquitto) -> None:
    """Consumers that speak MQTT 5 can tell what they got without parsing it."""
    with Collector(mosquitto.port, "forecaster/#") as collector, a_broker(mosquitto.url, []) as broker:
        broker.publish("forecaster/g/s/forecast", b"{}", expiry_s=7200)
        collector.wait("forecaster/g/s/forecast", b"{}")

    [message] = [each for each in collector.messages if each.topic.endswith("/forecast")]
    assert message.properties is not None
    properties = message.properties.json()
    assert 7195 <= properties.pop("MessageExpiryInterval") <= 7200
    assert properties == {"ContentType": "application/json", "UserProperty": [("schema", "forecast/v1")]}


def test_what_no_broker_can_take_does_not_stop_the_rest(mosquitto_here: None, tmp_path: Path) -> None:
    """A topic longer than MQTT knows, or a payload beyond the broker's limit, is refused once, not sent for ever."""
    mosquitto = Mosquitto(tmp_path, lines=["max_packet_size 2000"]).start()
    try:
        with Collector(mosquitto.port, "#") as collector, a_broker(mosquitto.url, []) as broker:
            broker.publish("a" * 70_000, b"1")
            broker.publish("large", b"x" * 2000)
            broker.publish("small", b"1")
            collector.wait("small", b"1")
            assert (broker.refused, broker.connects) == (2, 1)
    finally:
        mosquitto.stop()


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_retained_messages_come_to_whoever_begins_to_read_them(mosquitto: Mosquitto, version: str) -> None:
    """Though the session has had them: a data directory was emptied, or another group reads the topic too."""
    inbox: Inbox = []
    with Collector(mosquitto.port) as collector:
        collector.publish("registry/a", b"1", retain=True)
        for count in (1, 2):
            with a_broker(mosquitto.url, inbox, "registry/+", version=version):
                eventually(lambda count=count: len(inbox) == count, what="the retained message")
                inbox[-1][1]()

    assert [(message.payload, message.retained) for message, _ in inbox] == [(b"1", True), (b"1", True)]


def test_a_broker_that_comes_up_later_is_found(
    mosquitto_here: None, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """We start without it, say so, and try again for ever."""
    caplog.set_level(logging.WARNING)
    port = free_port()
    mosquitto = Mosquitto(tmp_path, port=port)
    with a_broker(mosquitto.url, [], "home/#", wait=False) as broker:
        eventually(lambda: broker.failures["unreachable"] >= 2, what="two attempts")
        assert not broker.connected()
        assert not broker.failed()
        mosquitto.start()
        try:
            eventually(broker.connected, what="connecting")
            broker.stop()
        finally:
            mosquitto.stop()

    assert f"reason=unreachable broker=mqtt://127.0.0.1:{port} detail=[Errno 111]" in caplog.text


def test_a_wrong_password_is_named_and_tried_again(
    mosquitto_here: None, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A person must act, but perhaps at the broker: we go on trying, and never log the password."""
    caplog.set_level(logging.WARNING)
    file = tmp_path / "passwords"
    subprocess.run(["mosquitto_passwd", "-b", "-c", str(file), "forecaster", "right"], check=True)
    mosquitto = Mosquitto(tmp_path / "m", anonymous=False, lines=[f"password_file {file}"]).start()
    try:
        with a_broker(mosquitto.url, [], wait=False, username="forecaster", password="wrong-one") as broker:
            eventually(lambda: broker.failures["unauthorized"] >= 2, what="two attempts")
            assert not broker.connected()
        with a_broker(mosquitto.url, [], "home/#", username="forecaster", password="right") as broker:
            assert broker.connected()
    finally:
        mosquitto.stop()

    assert "reason=unauthorized" in caplog.text
    assert "wrong-one" not in caplog.text


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_bug_in_the_receiver_is_told_not_hidden(mosquitto: Mosquitto) -> None:
    """A dead network thread never looks connected; the daemon asks, and ends."""

    def offer(message: Message, ack: Callable[[], None]) -> None:
        raise ZeroDivisionError

    broker = MqttBroker(Mqtt(url=mosquitto.url), "forecaster", outbox=10, now_ms=lambda: NOW_MS)
    broker.start(["home/#"], offer)
    eventually(broker.connected, what="connecting")
    with Collector(mosquitto.port, "forecaster/status") as collector:
        collector.publish("home/a", b"1")
        eventually(broker.failed, what="failing")
        collector.wait("forecaster/status", b"offline")

    assert not broker.connected()
    broker.stop()


def certificates(directory: Path) -> None:
    """A certificate authority of our own, and a certificate of 127.0.0.1 signed by it, by openssl."""
    subject = ["-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-days", "2"]
    authority = ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial"]
    (directory / "names").write_text("subjectAltName = IP:127.0.0.1\n")
    for command in (
        ["req", "-x509", *subject, "-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=our own authority"],
        ["req", *subject[:-2], "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=127.0.0.1"],
        ["x509", "-req", "-in", "server.csr", "-out", "server.crt", "-days", "2", "-extfile", "names", *authority],
    ):
        subprocess.run(["openssl", *command], cwd=directory, check=True, capture_output=True)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # paho leaves what it mistrusts open
def test_tls_trusts_whom_it_was_told_to_trust(mosquitto_here: None, tmp_path: Path) -> None:
    """With the authority's certificate we connect; without it we do not; ``insecure`` trusts anybody."""
    certificates(tmp_path)
    lines = [f"certfile {tmp_path}/server.crt", f"keyfile {tmp_path}/server.key"]
    mosquitto = Mosquitto(tmp_path / "m", lines=lines, scheme="mqtts").start()
    inbox: Inbox = []
    try:
        with a_broker(mosquitto.url, inbox, "home/#", ca_file=tmp_path / "ca.crt") as broker:
            for number in range(200):
                broker.publish(f"home/{number}", b"x" * 1000, retain=False)
            eventually(lambda: len(inbox) == 200, what="200 messages by TLS")
        with a_broker(mosquitto.url, [], client_id="other", insecure=True):
            pass
        with a_broker(mosquitto.url, [], wait=False, client_id="third") as broker:
            eventually(lambda: broker.failures["tls"], what="mistrust")
    finally:
        mosquitto.stop()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://broker", "expected mqtt://host:port"),
        ("mqtt://broker:seven", "expected mqtt://host:port"),
        ("mqtt://", "without a host"),
        ("mqtt://me:secret@broker", "mqtt.username"),
        ("broker:1883", "expected mqtt://host:port"),
    ],
)
def test_an_address_that_is_none_is_refused_with_the_fix(url: str, words: str) -> None:
    """Names the key, what was found and what was expected; repeats no password."""
    with pytest.raises(ConfigurationError, match=words) as refusal:
        MqttBroker(Mqtt(url=url), "forecaster", outbox=1, now_ms=lambda: 0)
    assert "secret" not in str(refusal.value)


def test_a_missing_certificate_is_named(tmp_path: Path) -> None:
    """At start, not at the first connection."""
    with pytest.raises(ConfigurationError, match=r"nowhere\.crt"):
        MqttBroker(
            Mqtt(url="mqtts://broker", ca_file=tmp_path / "nowhere.crt"), "forecaster", outbox=1, now_ms=lambda: 0
        )
