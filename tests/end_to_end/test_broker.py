"""The broker comes and goes; the service stays, and says how it is."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from threading import Thread

import pytest
from servers import Mosquitto, eventually, refusing
from service import Listener, Service, publish

pytestmark = pytest.mark.e2e

CONFIG = """
mqtt: {{url: "{url}", client_id: guest, version: "{version}"}}
data: DATA
clock: events
groups:
  home:
    streams:
      - {{topic: "home/{{home}}/power", value: $.v, time: $.t, kind: amount}}
      - {{topic: "home/{{home}}/state", name: "{{home}}/state"}}
    step: 1h
    lateness: 0s
    horizon: 3
    retrain: {{every: never}}
"""


def power(hour: int, value: float = 1.0) -> tuple[str, str]:
    return "home/a/power", json.dumps({"v": value, "t": 1_767_225_600 + 3600 * hour})


def origin(hour: int) -> str:
    return f"2026-01-{1 + hour // 24:02d}T{hour % 24:02d}:00:00Z"


@pytest.mark.parametrize("version", ["auto", "3.1.1"])
def test_a_retained_message_is_used_once(service: Callable[..., Service], mosquitto: Mosquitto, version: str) -> None:
    """Not again after a restart of the service, and not after a reconnect."""
    publish(mosquitto.port, [power(0)], retain=True)
    guest = service(CONFIG.format(url=mosquitto.url, version=version)).start()
    eventually(lambda: guest.metric("samples_accepted_total") == 1, what="the retained reading used")
    guest.kill()
    guest.start()
    mosquitto.stop()
    mosquitto.start()
    eventually(lambda: guest.metric("mqtt_connects_total") == 2, what="reconnecting")
    with Listener(mosquitto.port) as listener:
        publish(mosquitto.port, [power(1), power(2)])
        listener.wait("a", origin(2))
    assert guest.metric("samples_accepted_total") == 2
    assert set(guest.rejects()) <= {"retained", "duplicate"}
    guest.stop()


def test_a_broker_that_restarts_loses_us_nothing(service: Callable[..., Service], mosquitto: Mosquitto) -> None:
    """With persistence, what was published before it ended is delivered after it."""
    guest = service(CONFIG.format(url=mosquitto.url, version="auto")).start()
    publish(mosquitto.port, [power(hour, hour) for hour in range(5)])
    mosquitto.stop()
    eventually(lambda: guest.status("/readyz") == 503, what="noticing")
    assert guest.status("/healthz") == 200
    mosquitto.start()
    publish(mosquitto.port, [power(hour, hour) for hour in range(5, 9)])
    guest.ready()
    with Listener(mosquitto.port) as listener:
        publish(mosquitto.port, [power(9, 9)])
        assert listener.wait("a", origin(9))["leads"][0]["median"] == 8.0
    assert guest.metric("samples_accepted_total") == 10
    guest.stop()


def test_a_broker_that_is_not_there_yet_is_waited_for(service: Callable[..., Service], mosquitto: Mosquitto) -> None:
    """The order in which a machine starts its services does not matter."""
    mosquitto.stop()
    guest = service(CONFIG.format(url=mosquitto.url, version="auto")).begin()
    eventually(lambda: guest.status("/healthz") == 200, what="living")
    assert guest.status("/readyz") == 503
    mosquitto.start()
    guest.ready()
    with Listener(mosquitto.port) as listener:
        publish(mosquitto.port, [power(0), power(1)])
        listener.wait("a", origin(1))
    guest.stop()


def test_a_refused_subscription_does_not_stop_the_clock(
    service: Callable[..., Service], mosquitto_here: None, tmp_path: Path
) -> None:
    """Steps of the other groups close, though nothing comes; that we are not ready says that something is wrong."""
    mosquitto = Mosquitto(tmp_path / "m", lines=refusing(tmp_path, "secret/#")).start()
    group = "{{streams: [{{topic: '{}/{{x}}'}}], step: 1s, retrain: {{every: never}}}}"
    groups = f"groups:\n  home: {group.format('home')}\n  other: {group.format('secret')}\n"
    guest = service(f"mqtt: {{url: '{mosquitto.url}', client_id: guest}}\ndata: DATA\n{groups}")
    try:
        guest.begin()
        eventually(lambda: "does not let us subscribe" in guest.said(), what="the refusal")
        with Listener(mosquitto.port) as listener:
            publish(mosquitto.port, [("home/a", "1")])
            eventually(listener.forecasts, what="a forecast")
        assert guest.status("/readyz") == 503
        guest.stop()
    finally:
        mosquitto.stop()


def test_the_status_topic_tells_how_the_service_is(service: Callable[..., Service], mosquitto: Mosquitto) -> None:
    """Retained, so that it can be asked for at any time; offline is told by the broker for us."""
    with Listener(mosquitto.port) as listener:
        guest = service(CONFIG.format(url=mosquitto.url, version="auto"))
        for end, status in ((guest.kill, "offline"), (guest.stop, "stopped")):
            guest.start()
            eventually(lambda: listener.statuses()[-1:] == ["online"], what="online")
            end()
            eventually(lambda status=status: listener.statuses()[-1:] == [status], what=status)
    assert listener.statuses() == ["online", "offline", "online", "stopped"]


def test_two_services_with_one_name_do_not_end_each_other(
    service: Callable[..., Service], mosquitto: Mosquitto
) -> None:
    """The broker lets only one in at a time. When the other is gone, all is well."""
    one = service(CONFIG.format(url=mosquitto.url, version="auto"), "one").start()
    two = service(CONFIG.format(url=mosquitto.url, version="auto"), "two").start()
    eventually(lambda: "reason=lost" in one.said(), what="noticing")
    assert one.status("/healthz") == two.status("/healthz") == 200
    two.kill()
    one.ready()
    one.stop()


@pytest.mark.timeout(240)  # thousands of forecasts on a slow machine
def test_a_stop_under_load_is_quick_and_loses_nothing(service: Callable[..., Service], mosquitto: Mosquitto) -> None:
    """What is not taken any more waits at the broker for the next start."""
    guest = service(CONFIG.format(url=mosquitto.url, version="auto")).start()
    load = [(f"home/{home}/power", power(hour)[1]) for hour in range(60) for home in range(200)]
    publisher = Thread(target=publish, args=(mosquitto.port, load))
    publisher.start()
    for least in (1000, 1000):
        eventually(lambda least=least: guest.metric("samples_accepted_total") > least, what="being under load")
        guest.stop()
        guest.start()
    publisher.join(30)
    eventually(lambda: guest.metric("ingest_queue_samples") == 0, what="an empty queue")
    with Listener(mosquitto.port) as listener:
        publish(mosquitto.port, [(f"home/{home}/power", power(60)[1]) for home in range(200)])
        last = origin(60)
        eventually(lambda: sum(key[1] == last for key in listener.forecasts()) == 200, 100, "all forecasts")
    guest.stop()
    steps = guest.stored("home")
    assert len(steps) == 60 * 200
    assert set(steps.values()) == {1.0}
