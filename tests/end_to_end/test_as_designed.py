"""The configuration by which the service was designed runs as it stands."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from servers import Mosquitto, eventually
from service import Listener, Service, publish

pytestmark = pytest.mark.e2e

CONFIG = """
mqtt:
  url: mqtts://broker.home:8883          # mqtt:// without TLS
  username: forecaster
  password_file: /run/secrets/mqtt       # or password: ${MQTT_PASSWORD:?set it}
data: /data                              # journal, history, snapshots, models
groups:
  household:
    streams:
      - topic: home/{home}/{meter}/energy    # captures name the stream and label it
        value: $.ENERGY.Total                # omit when the payload is a bare number
        time: $.Time                         # omit to use arrival time
        kind: meter                          # gauge | amount | meter (cumulative)
        unit: kWh
    step: 1h                             # 1s … 1d, week, month; calendar-aware
    timezone: Europe/Paris
    horizon: 48                          # leads
    retrain: {cron: "0 3 * * *"}
    # network: {cell: gru, layers: 2, hidden: 64}; levels: [0.025, 0.1, 0.5, 0.9, 0.975]; season: [24, 168]
    # lateness: 2m; bounds: [0, null]; covariates: [hour, weekday, {topic: weather/{home}/temperature, known: future}]
publish: {prefix: forecaster}            # forecaster/household/<home>/<meter>/forecast
http: {listen: 127.0.0.1:8080}
"""


def tasmota(time: datetime, total: float) -> str:
    """What a plug with Tasmota says every few minutes: local time without a zone, and a counter."""
    local = time.astimezone(ZoneInfo("Europe/Paris")).strftime("%Y-%m-%dT%H:%M:%S")
    energy = {
        "TotalStartTime": "2025-01-01T00:00:00",
        "Total": round(total, 3),
        "Today": 1.2,
        "Power": 212,
        "Voltage": 231,
    }
    return json.dumps({"Time": local, "ENERGY": energy})


@pytest.mark.timeout(240)
def test_the_designed_configuration_forecasts_plugs(
    service: Callable[..., Service], mosquitto: Mosquitto, tmp_path: Path
) -> None:
    """Only addresses and places are changed. The plugs went on while it was away for a few hours."""
    secret = tmp_path / "secret"
    secret.write_text("hush\n")
    plugs = service(
        CONFIG.replace("mqtts://broker.home:8883", mosquitto.url)
        .replace("/run/secrets/mqtt", str(secret))
        .replace("data: /data", "data: DATA")
        .replace("127.0.0.1:8080", "127.0.0.1:0")
    ).start()
    plugs.kill()
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    times = [now - timedelta(minutes=10 * count) for count in range(30, -1, -1)]
    said = [
        (f"home/a/{meter}/energy", tasmota(time, 1000 + number * count / 10))
        for count, time in enumerate(times)
        for number, meter in enumerate(("fridge", "oven"), start=1)
    ]
    publish(mosquitto.port, said)
    with Listener(mosquitto.port) as listener:
        plugs.start()
        late = 150.0  # in the first two minutes of an hour the one before still waits for readings
        forecast = listener.wait("a/oven", now.strftime("%Y-%m-%dT%H:%M:%SZ"), late)
        listener.wait("a/fridge", now.strftime("%Y-%m-%dT%H:%M:%SZ"))
    assert (forecast["unit"], forecast["step"], len(forecast["leads"])) == ("kWh", "1h", 48)
    assert forecast["levels"] == [0.025, 0.1, 0.5, 0.9, 0.975]
    eventually(lambda: plugs.metric("samples_accepted_total") == len(said), what="every reading used")
    assert plugs.rejects() == {}
    assert "hush" not in plugs.said()
    plugs.stop()
    steps = plugs.stored("household")
    last_hours = [int(now.timestamp() * 1000) - 3_600_000 * count for count in (4, 3, 2, 1)]
    assert [steps["a/oven", hour] for hour in last_hours] == [pytest.approx(1.2)] * 4
    assert [steps["a/fridge", hour] for hour in last_hours] == [pytest.approx(0.6)] * 4
