"""What receiving and acknowledging costs before anything is done with a message: bare paho, and our session."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from forecaster.adapters.mqtt import MqttBroker
from forecaster.records import Message
from forecaster.settings import Mqtt

FILTER = "load/+/power"
VERSIONS = {"5": MQTTProtocolVersion.MQTTv5, "3.1.1": MQTTProtocolVersion.MQTTv311}
PATIENCE_S = 120.0


def by_paho(port: int, count: int, version: Literal["5", "3.1.1"], ready: Path) -> float:
    """CPU microseconds of this process per message, from the first to the last of ``count``, acknowledged by hand.

    Parameters
    ----------
    ready
        A file that is made when messages may come.
    """
    marks: list[float] = []
    arrived = 0

    def on_connect(client: paho.Client, *_: Any) -> None:
        client.subscribe(FILTER, qos=1)

    def on_message(client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        nonlocal arrived
        if not marks:
            marks.append(time.process_time())
        arrived += 1
        client.ack(message.mid, message.qos)
        if arrived == count:
            marks.append(time.process_time())
            client.disconnect()

    client = paho.Client(CallbackAPIVersion.VERSION2, protocol=VERSIONS[version], manual_ack=True)
    client.on_connect = on_connect
    client.on_subscribe = lambda *_: ready.touch()
    client.on_message = on_message
    client.connect("127.0.0.1", port)
    client.loop_forever()
    return (marks[1] - marks[0]) / count * 1e6


def by_session(port: int, count: int, version: Literal["5", "3.1.1"], ready: Path) -> float:
    """As :func:`by_paho`, of the session the service uses: acknowledged at once, by the thread that receives."""
    marks: list[float] = []
    arrived = 0
    done = threading.Event()

    def offer(_message: Message, ack: Callable[[], None]) -> None:
        nonlocal arrived
        if not marks:
            marks.append(time.process_time())
        arrived += 1
        ack()
        if arrived == count:
            marks.append(time.process_time())
            done.set()

    mqtt = Mqtt(url=f"mqtt://127.0.0.1:{port}", client_id=f"session-{version}", version=version)
    broker = MqttBroker(mqtt, "load", outbox=10, now_ms=lambda: time.time_ns() // 1_000_000)
    broker.start([FILTER], offer)
    while not broker.connected():
        time.sleep(0.01)
    ready.touch()
    if not done.wait(PATIENCE_S):
        raise TimeoutError(f"{arrived} of {count} messages came")
    broker.stop()
    return (marks[1] - marks[0]) / count * 1e6
