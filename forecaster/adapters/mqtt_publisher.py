"""A small client that only publishes, and waits where the broker is slow: for commands, not for the service."""

from __future__ import annotations

import os
import threading
from types import TracebackType
from typing import Any, Self

import paho.mqtt.client as paho
from paho.mqtt.reasoncodes import ReasonCode

from forecaster.adapters.mqtt_client import Version, address, dial, new_client, patience_s, tls_context, versions
from forecaster.errors import BrokerUnreachable
from forecaster.settings import Mqtt

IN_FLIGHT = 500


class Publisher:
    """Connected while the ``with`` block runs; its end waits until the broker has everything.

    Parameters
    ----------
    mqtt
        The broker. The client id gets a suffix, so that a running service keeps its session.
    timeout_s
        How long the broker may take to accept us, and later to confirm a message.

    Raises
    ------
    ConfigurationError
        When the URL or a certificate cannot be used.
    BrokerUnreachable
        On entry, when the broker is not there or refuses us; later, when it does not confirm in time.
    """

    def __init__(self, mqtt: Mqtt, timeout_s: float = 10.0) -> None:
        self._mqtt = mqtt
        self._tls = tls_context(mqtt)
        self._timeout_s = timeout_s
        self._room = threading.Semaphore(IN_FLIGHT)
        self._client: paho.Client | None = None

    def __enter__(self) -> Self:
        trouble = ""
        for version in versions(self._mqtt):
            trouble = self._connect(version)
            if not trouble:
                return self
        raise BrokerUnreachable(f"no connection to the MQTT broker at {address(self._mqtt.url)}: {trouble}")

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is None:
            for _ in range(IN_FLIGHT):
                self._take_room()
        self._close()

    def send(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Publish at QoS 1; waits while too many are unconfirmed.

        Raises
        ------
        BrokerUnreachable
            When the broker has not confirmed anything for the time limit.
        """
        assert self._client is not None, "send() belongs into the with block"
        self._take_room()
        self._client.publish(topic, payload, qos=1, retain=retain)

    def _take_room(self) -> None:
        if not self._room.acquire(timeout=self._timeout_s):
            self._close()
            raise BrokerUnreachable(
                f"the MQTT broker at {address(self._mqtt.url)} has not confirmed a message for {self._timeout_s:g} s"
            )

    def _connect(self, version: Version) -> str:
        """Try one protocol version; what went wrong, empty when nothing did."""
        client = new_client(
            self._mqtt, version, self._tls, client_id=f"{self._mqtt.client_id}-{os.getpid()}", persistent=False
        )
        answered = threading.Event()
        answers: list[str] = []

        def on_connect(_client: paho.Client, _data: Any, _flags: Any, reason: ReasonCode, _properties: Any) -> None:
            answers.append(str(reason) if reason.is_failure else "")
            answered.set()

        def on_disconnect(_client: paho.Client, _data: Any, _flags: Any, reason: ReasonCode, _: Any) -> None:
            answers.append(f"it closed the connection: {reason}")
            answered.set()

        client.on_connect = on_connect
        client.on_disconnect = on_disconnect
        client.on_publish = lambda *_: self._room.release()
        client.connect_timeout = self._timeout_s
        try:
            dial(client, self._mqtt, version, persistent=False)
        except OSError as error:
            return str(error)
        self._client = client
        client.loop_start()
        wait_s = min(self._timeout_s, patience_s(self._mqtt, version))
        if not answered.wait(wait_s):
            answers.append(f"no answer within {wait_s:g} s")
        if answers[0]:
            self._close()
        return answers[0]

    def _close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.disconnect()
            client.loop_stop()
