"""A bare paho client: what receiving and acknowledging costs before anything is done with a message."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion


def receive(port: int, count: int, version: MQTTProtocolVersion, ready: Path) -> float:
    """CPU microseconds of this process per message, from the first to the last of ``count``, acknowledged by hand.

    Parameters
    ----------
    ready
        A file that is made when messages may come.
    """
    marks: list[float] = []
    arrived = 0

    def on_connect(client: paho.Client, *_: Any) -> None:
        client.subscribe("load/+/power", qos=1)

    def on_message(client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        nonlocal arrived
        if not marks:
            marks.append(time.process_time())
        arrived += 1
        client.ack(message.mid, message.qos)
        if arrived == count:
            marks.append(time.process_time())
            client.disconnect()

    client = paho.Client(CallbackAPIVersion.VERSION2, protocol=version, manual_ack=True)
    client.on_connect = on_connect
    client.on_subscribe = lambda *_: ready.touch()
    client.on_message = on_message
    client.connect("127.0.0.1", port)
    client.loop_forever()
    return (marks[1] - marks[0]) / count * 1e6
