"""The MQTT session: one thread that connects for ever, hands messages over, acknowledges and publishes.

The thread is ours and does all that touches paho, so nothing here needs a lock but the outbox. Other threads leave
something to do (an acknowledgement, a publication) and ring a bell. Each connection is an object of its own, with a
paho client of its own: what belongs to a lost connection, above all acknowledgements, whose numbers the broker uses
again, cannot reach the next one.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from forecaster.adapters.mqtt_client import Version, address, new_client, tls_context, versions
from forecaster.adapters.mqtt_connection import Connection, Ending, Session
from forecaster.adapters.mqtt_subscriptions import Subscriptions
from forecaster.adapters.outbox import Outbox, Publication
from forecaster.ports import Offer
from forecaster.settings import Mqtt

log = logging.getLogger(__name__)

STEADY_S = 60.0
"""A connection that held so long counts as a success, and the next failure is the first one again."""


class MqttBroker:
    """Fills :class:`forecaster.ports.Broker`.

    Parameters
    ----------
    mqtt
        The broker and our session with it.
    prefix
        ``<prefix>/status`` tells, retained, whether we are ``online``, ``stopped`` or (by our last will) ``offline``.
    outbox
        Topics that may wait to be published.
    now_ms
        The clock that stamps arrivals.
    schemas
        Last level of a topic → value of the user property ``schema`` its messages carry in MQTT 5.
    subscribed
        File that remembers what the session subscribed to, to take it back when it is no longer wanted.
    backoff_s
        Shortest and longest pause between attempts to connect.

    Attributes
    ----------
    failures
        Attempts that failed and connections that broke, by reason: ``unreachable``, ``tls``, ``no_answer``,
        ``unauthorized``, ``version``, ``refused``, ``lost``.

    Raises
    ------
    ConfigurationError
        When the URL or a certificate cannot be used.
    """

    def __init__(
        self,
        mqtt: Mqtt,
        prefix: str,
        outbox: int,
        now_ms: Callable[[], int],
        *,
        schemas: Mapping[str, str] | None = None,
        subscribed: Path | None = None,
        backoff_s: tuple[float, float] = (1.0, 60.0),
    ) -> None:
        self._mqtt = mqtt
        self._address = address(mqtt.url)
        self._tls = tls_context(mqtt)
        self._versions = versions(mqtt)
        self._subscribed = subscribed
        self._backoff_s = backoff_s
        self._session = Session(
            mqtt=mqtt,
            status_topic=f"{prefix}/status",
            schemas=dict(schemas or {}),
            outbox=Outbox(outbox),
            now_ms=now_ms,
        )
        self.failures: Counter[str] = Counter()
        self._connection: Connection | None = None
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()

    @property
    def received(self) -> int:
        """Messages that came."""
        return self._session.received

    @property
    def published(self) -> int:
        """Publications the broker has confirmed."""
        return self._session.published

    @property
    def refused(self) -> int:
        """Publications the broker refused to take."""
        return self._session.refused

    @property
    def connects(self) -> int:
        """Times a broker accepted us; all but the first are reconnects."""
        return self._session.connects

    @property
    def dropped(self) -> int:
        """Publications lost because too many topics waited."""
        return self._session.outbox.dropped

    @property
    def waiting(self) -> int:
        """Publications that the broker does not have yet."""
        connection = self._connection
        return len(self._session.outbox) + (len(connection.in_flight) if connection else 0)

    def start(self, filters: Sequence[str], offer: Offer) -> None:
        """Connect in the background, for ever, and subscribe on every connect.

        ``offer`` is called by the network thread. An error it raises is a bug: it ends the thread, and
        :meth:`failed` says so.

        Raises
        ------
        StoreError
            When what was subscribed to before cannot be read, or what is now not be written.
        """
        subscriptions = Subscriptions(filters, self._subscribed)
        self._thread = threading.Thread(target=self._listen, args=(subscriptions, offer), name="mqtt", daemon=True)
        self._thread.start()

    def publish(self, topic: str, payload: bytes, *, retain: bool = True, expiry_s: int | None = None) -> None:
        """Queue for publication, QoS 1; never blocks. While the broker is away or slow the newest per topic is kept."""
        self._session.outbox.put(Publication(topic, payload, retain, expiry_s))
        self._session.bell.ring()

    def connected(self) -> bool:
        """Whether messages can flow now: connected, subscribed, network thread alive."""
        connection = self._connection
        return self._alive() and connection is not None and connection.ready

    def listening(self) -> bool:
        """Whether what can flow does: as :meth:`connected`, but the broker may have refused subscriptions."""
        connection = self._connection
        return self._alive() and connection is not None and connection.listening

    def _alive(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def failed(self) -> bool:
        """Whether the network thread has died of a bug. Nothing brings it back: the process should end."""
        return self._thread is not None and not self._alive() and not self._stopping.is_set()

    def stop(self, status: str = "stopped", timeout_s: float = 5.0) -> None:
        """Publish the status, flush what is queued, disconnect. What is not acknowledged by then comes again."""
        if self._thread is None or self._stopping.is_set():
            return
        self._session.outbox.put(Publication(self._session.status_topic, status.encode()))
        self._session.stop_at = time.monotonic() + timeout_s
        self._stopping.set()
        self._session.bell.ring()
        self._thread.join(timeout_s + 2.0)
        if self.waiting:
            log.warning("publications left behind count=%d broker=%s", self.waiting, self._address)

    def _listen(self, subscriptions: Subscriptions, offer: Offer) -> None:
        with self._session.bell:
            self._run(subscriptions, offer)

    def _run(self, subscriptions: Subscriptions, offer: Offer) -> None:
        attempt, lost = 0, False
        while not self._stopping.is_set() or (lost and self._session.unsaid):  # then it says goodbye on another wire
            version = self._versions[0]
            began = time.monotonic()
            ending = self._connect(version, subscriptions, offer)
            lost = ending.reason == "lost"
            if self._stopping.is_set():
                continue
            self.failures[ending.reason] += 1
            if ending.reason == "unreachable":
                self._versions = versions(self._mqtt)  # it may be another broker by then
            elif ending.reason in ("version", "no_answer") and len(self._versions) > 1:
                self._versions.reverse()
                if self._versions[0] != "5":
                    log.info("trying MQTT %s broker=%s because=%s", self._versions[0], self._address, ending.detail)
                    continue
            if time.monotonic() - began > STEADY_S:
                attempt = 0
            shortest, longest = self._backoff_s
            pause_s = min(longest, shortest * 2**attempt) * random.uniform(0.5, 1.0)
            attempt = min(attempt + 1, 16)
            log.warning(
                "no connection to the MQTT broker reason=%s broker=%s detail=%s retry_s=%.1f",
                *(ending.reason, self._address, ending.detail, pause_s),
            )
            self._stopping.wait(pause_s)

    def _connect(self, version: Version, subscriptions: Subscriptions, offer: Offer) -> Ending:
        """One connection, from dialling to its end."""
        client = new_client(self._mqtt, version, self._tls, client_id=self._mqtt.client_id, persistent=True)
        client.will_set(self._session.status_topic, b"offline", qos=1, retain=True)
        connection = Connection(client, version, self._session, subscriptions, offer)
        self._connection = connection
        try:
            return connection.serve()
        finally:
            self._session.outbox.give_back(connection.in_flight.values())
            self._connection = None
