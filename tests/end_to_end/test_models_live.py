"""Networks in the running service: trained, put into service, killed, exchanged, broken."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from launcher import Launcher
from servers import Mosquitto, eventually, require_mosquitto
from service import Listener, Service, publish

from forecaster.adapters.registry import FileModelRegistry

pytestmark = pytest.mark.e2e

CONFIG = """
mqtt: {{url: "{url}", client_id: {name}}}
data: DATA
clock: events
groups:
  household:
    streams: [{{topic: "home/{{home}}/power", value: $.v, time: $.t, unit: W}}]
    step: 1h
    lateness: 0s
    horizon: 4
    season: [24]
    lookback: 48
    network: {{hidden: 8}}
    training: {{budget: 3s}}
    retrain: {{every: never}}
publish: {{prefix: {name}}}
snapshot_every: {snapshot}
"""
START_S = 1_767_225_600
HISTORY = 240
"""Hours published before the training."""


def config(broker: Mosquitto, name: str, snapshot: str = "1s") -> str:
    return CONFIG.format(url=broker.url, name=name, snapshot=snapshot)


def hours(first: int, last: int) -> list[tuple[str, str]]:
    """A daily wave of three homes that swells and shrinks over days, and noise: naive is good, not perfect."""
    messages = []
    for hour in range(first, last):
        noise = np.random.default_rng(hour).normal(0, 0.3, 3)
        for home in range(3):
            wave = np.sin(2 * np.pi * hour / 24 + home) * (1 + 0.5 * np.sin(2 * np.pi * hour / 200))
            reading = {"v": round(5 + float(wave + noise[home]), 4), "t": START_S + 3600 * hour}
            messages.append((f"home/{home}/power", json.dumps(reading)))
    return messages


def origin(hour: int) -> str:
    return f"2026-01-{1 + hour // 24:02d}T{hour % 24:02d}:00:00Z"


@pytest.fixture(scope="module")
def trained(launcher: Launcher, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data directory of a service that has heard ten days and was trained by hand."""
    require_mosquitto()
    directory = tmp_path_factory.mktemp("trained")
    broker = Mosquitto(directory / "mosquitto").start()
    try:
        with (
            Service(launcher, directory, config(broker, "trained")) as service,
            Listener(broker.port, "trained") as heard,
        ):
            service.start()
            publish(broker.port, hours(0, HISTORY))
            heard.wait("2", origin(HISTORY - 1))
            service.stop()
            service.command("train", "household")
            service.command("models", "promote", "household", "0001")
    finally:
        broker.stop()
    return service.data


@pytest.fixture
def begin(service: Callable[..., Service], mosquitto: Mosquitto, trained: Path) -> Callable[[str], Service]:
    """Starts services that go on where the trained one stopped."""

    def begin(name: str, snapshot: str = "1s") -> Service:
        one = service(config(mosquitto, name, snapshot), name)
        shutil.copytree(trained, one.data)
        return one.start()

    return begin


def swapped(one: Service, version: str) -> None:
    """Wait until the service says that this model serves."""
    eventually(lambda: one.metric("model_info", version=version) == 1, what=f"model {version} in service")


def test_a_hidden_state_survives_being_killed(begin: Callable[..., Service], mosquitto: Mosquitto) -> None:
    """From snapshots every second, from the journal alone, or not killed at all: the same forecasts."""
    unbroken, often, seldom = begin("unbroken"), begin("often"), begin("seldom", "1h")
    for one in (unbroken, often, seldom):
        swapped(one, "0001")
    with (
        Listener(mosquitto.port, "unbroken") as expected,
        Listener(mosquitto.port, "often") as found,
        Listener(mosquitto.port, "seldom") as other,
    ):
        now = HISTORY
        for _ in range(2):
            publish(mosquitto.port, hours(now, now + 10))
            often.kill()
            seldom.kill()
            publish(mosquitto.port, hours(now + 10, now + 20))
            often.start()
            seldom.start()
            now += 20
        publish(mosquitto.port, hours(now, now + 3))
        for home in ("0", "1", "2"):
            forecasts = [one.wait(home, origin(now + 2)) for one in (expected, found, other)]
            assert len({forecast["model"] for forecast in forecasts}) == 1
            for forecast in forecasts[1:]:
                for one, same in zip(forecasts[0]["leads"], forecast["leads"], strict=True):
                    np.testing.assert_allclose(same["quantiles"], one["quantiles"], rtol=1e-5, atol=1e-6)
    for one in (unbroken, often, seldom):
        one.stop()


def another_version(models: FileModelRegistry, version: str) -> None:
    """The same weights under another name."""
    weights, card = models.load("household", "0001")
    models.save("household", weights, replace(card, version=version, promoted=True))


def test_models_are_exchanged_without_missing_a_forecast(begin: Callable[..., Service], mosquitto: Mosquitto) -> None:
    """By hand, while readings come: each step is forecast by the model that served then, and again by the new one."""
    one = begin("exchange")
    swapped(one, "0001")
    another_version(FileModelRegistry(one.data / "models"), "0002")
    with Listener(mosquitto.port, "exchange") as heard:
        publish(mosquitto.port, hours(HISTORY, HISTORY + 5))
        one.command("models", "promote", "household", "0002")
        publish(mosquitto.port, hours(HISTORY + 5, HISTORY + 10))
        swapped(one, "0002")
        publish(mosquitto.port, hours(HISTORY + 10, HISTORY + 15))
        heard.wait("2", origin(HISTORY + 14))
        one.command("models", "rollback", "household")
        swapped(one, "0001")
        publish(mosquitto.port, hours(HISTORY + 15, HISTORY + 20))
        heard.wait("2", origin(HISTORY + 19))
    assert one.metric("forecasts_published_total") == 3 * (20 + 3)
    assert [line for line in one.said().splitlines() if "ERROR" in line or "WARNING" in line] == []
    one.stop()


def test_a_broken_model_is_replaced_by_the_one_before(begin: Callable[..., Service], mosquitto: Mosquitto) -> None:
    """Truncated weights at the start: the log says so, and forecasts go on."""
    one = begin("broken")
    swapped(one, "0001")
    models = FileModelRegistry(one.data / "models")
    another_version(models, "0002")
    models.promote("household", "0002")
    swapped(one, "0002")
    one.stop()
    weights = models.directory / "household" / "0002" / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])

    with Listener(mosquitto.port, "broken") as heard:
        one.start()
        swapped(one, "0001")
        publish(mosquitto.port, hours(HISTORY, HISTORY + 3))
        heard.wait("0", origin(HISTORY + 2))
    assert "fell back group=household model=0001 instead_of=0002" in one.said_now()
    assert "weights.safetensors: broken" in one.said_now()

    one.stop()
    (models.directory / "household" / "champion.json").write_text("not JSON")
    one.start()
    swapped(one, "0001")
    one.stop()


def test_nothing_new_is_not_learned_again(service: Callable[..., Service], mosquitto: Mosquitto, trained: Path) -> None:
    """Due every second: once for what was there, once for the hour that came, and then no more."""
    often = config(mosquitto, "idle").replace("every: never", "every: 1s").replace("budget: 3s", "budget: 1s")
    one = service(often, "idle")
    shutil.copytree(trained, one.data)
    one.start()

    def trainings(how: str) -> int:
        return one.said_now().count(f"training {how}group=household")

    eventually(lambda: trainings("ended ") == 1, what="a training of what is there")
    publish(mosquitto.port, hours(HISTORY, HISTORY + 1))  # one step closes, so nothing comes while it trains
    eventually(lambda: trainings("ended ") == 2, what="a training of what came")
    time.sleep(5)

    assert trainings("") == 2
    one.stop()
