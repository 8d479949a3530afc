"""What happens to services in cellars and cupboards: files vanish, rot, cannot be written; settings change."""

from __future__ import annotations

import json
import shutil
import socket
import sqlite3
from collections.abc import Callable
from contextlib import closing

import pytest
from servers import Mosquitto, eventually
from service import Listener, Service, publish

from forecaster.adapters.snapshots import FileSnapshots

pytestmark = pytest.mark.e2e

CONFIG = """
mqtt: {{url: "{url}", client_id: cellar}}
data: DATA
clock: events
groups:
  home:
    streams: [{{topic: "home/{{home}}/energy", value: $.v, time: $.t, kind: amount}}]
    step: {step}
    lateness: 0s
    horizon: {horizon}
    levels: {levels}
    lookback: 24
    season: [4]
    retrain: {{every: never}}
snapshot_every: 1h
"""
START_S = 1_767_225_600


def config(broker: Mosquitto, step: str = "1h", horizon: int = 3, levels: str = "[0.1, 0.5, 0.9]") -> str:
    return CONFIG.format(url=broker.url, step=step, horizon=horizon, levels=levels)


def amount(hour: int) -> float:
    """The same every four hours: what comes next is known as soon as a season is."""
    return float(hour % 4)


def hours(first: int, last: int) -> list[tuple[str, str]]:
    """Two readings an hour."""
    return [
        ("home/a/energy", json.dumps({"v": amount(hour) / 2, "t": START_S + 3600 * hour + 1800 * half}))
        for hour in range(first, last)
        for half in range(2)
    ]


def origin(hour: int) -> str:
    return f"2026-01-{1 + hour // 24:02d}T{hour % 24:02d}:00:00Z"


@pytest.fixture
def cellar(service: Callable[..., Service], mosquitto: Mosquitto) -> Service:
    """Has heard ten hours, and was stopped."""
    cellar = service(config(mosquitto)).start()
    with Listener(mosquitto.port) as listener:
        publish(mosquitto.port, hours(0, 10))
        listener.wait("a", origin(9))
    cellar.stop()
    return cellar


def stored(cellar: Service) -> dict[int, float]:
    """What the history has of each hour."""
    return {(start_ms // 1000 - START_S) // 3600: value for (_, start_ms), value in cellar.stored("home").items()}


def medians(broker: Mosquitto, first: int, last: int) -> list[float]:
    """Publish some hours; medians of the forecast from the last."""
    with Listener(broker.port) as listener:
        publish(broker.port, hours(first, last))
        return [lead["median"] for lead in listener.wait("a", origin(last - 1))["leads"]]


def test_without_its_data_it_starts_anew(cellar: Service, mosquitto: Mosquitto) -> None:
    """The directory was deleted; what waited at the broker is used."""
    shutil.rmtree(cellar.data)
    publish(mosquitto.port, hours(10, 12))
    cellar.start()
    assert medians(mosquitto, 12, 13) == [amount(11), amount(11), amount(10)]
    cellar.stop()
    assert stored(cellar) == {hour: amount(hour) for hour in (10, 11)}


def test_the_snapshot_before_a_rotten_one_serves(cellar: Service, mosquitto: Mosquitto) -> None:
    """And the journal after it: nothing is missing."""
    cellar.start()
    assert medians(mosquitto, 10, 16) == [amount(15), amount(16), amount(17)]
    cellar.stop()
    newest = max(cellar.data.glob("snapshots/*"))
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 1
    newest.write_bytes(content)

    cellar.start()
    assert "snapshot skipped, trying the one before it" in cellar.said_now()
    assert medians(mosquitto, 16, 17) == [amount(16), amount(17), amount(18)]
    cellar.stop()
    assert stored(cellar) == {hour: amount(hour) for hour in range(16)}


def test_a_fault_of_ours_at_the_start_ends_as_one_while_it_runs(cellar: Service) -> None:
    """Exit code 70 and a traceback; here over a snapshot that is whole, and tells nothing."""
    snapshots = FileSnapshots(cellar.data / "snapshots")
    position = max(position for position, _, _ in snapshots.newest())
    snapshots.save(position, {}, {})
    assert cellar.begin().ended() == 70
    assert "ERROR   forecaster.commands.run a fault of ours ends the service" in cellar.said_now()
    assert "KeyError: 'groups'" in cellar.said_now()


def test_without_any_snapshot_the_journal_tells_it_all(cellar: Service, mosquitto: Mosquitto) -> None:
    """Slower, but the same."""
    shutil.rmtree(cellar.data / "snapshots")
    cellar.start()
    assert medians(mosquitto, 10, 12) == [amount(11), amount(12), amount(13)]
    cellar.stop()


def test_a_rotten_journal_is_said_and_its_advice_helps(cellar: Service, mosquitto: Mosquitto) -> None:
    """It does not start over events it cannot read; with the file moved away it goes on from the snapshot."""
    cellar.start()
    publish(mosquitto.port, hours(10, 12))
    eventually(lambda: cellar.metric("samples_accepted_total") == 4, what="accepting")
    cellar.kill()
    journal = cellar.data / "journal.db"
    with closing(sqlite3.connect(journal)) as db:
        (body,) = db.execute("SELECT body FROM unit ORDER BY last DESC LIMIT 1").fetchone()
        db.execute("UPDATE unit SET body = ? WHERE last = (SELECT max(last) FROM unit)", (body[:-1] + b"\0",))
        db.commit()

    assert cellar.begin().ended() == 74
    assert f"{journal}: unit ending at position 24 is damaged" in cellar.said_now()
    assert "move the file away" in cellar.said_now()
    assert "Traceback" not in cellar.said_now()

    for file in cellar.data.glob("journal.db*"):
        file.rename(file.with_name(f"old-{file.name}"))
    cellar.start()
    publish(mosquitto.port, hours(12, 13))
    eventually(lambda: cellar.metric("samples_accepted_total") == 2, what="accepting")
    cellar.kill()
    cellar.start()
    assert medians(mosquitto, 13, 15) == [amount(14), amount(15), amount(16)]
    cellar.stop()
    assert stored(cellar).items() >= {hour: amount(hour) for hour in (*range(9), 12, 13)}.items()


@pytest.mark.parametrize(("horizon", "levels"), [(5, "[0.1, 0.5, 0.9]"), (3, "[0.05, 0.25, 0.5, 0.75, 0.95]")])
def test_other_leads_and_levels_are_forecast_from_the_same_past(
    cellar: Service, mosquitto: Mosquitto, horizon: int, levels: str
) -> None:
    """The state of before does not fit; what was stored does, down to the readings of the open step."""
    cellar.write(config(mosquitto, horizon=horizon, levels=levels))
    cellar.start()
    with Listener(mosquitto.port) as listener:
        publish(mosquitto.port, hours(10, 12))
        said = listener.wait("a", origin(11))
    assert [lead["median"] for lead in said["leads"]] == [amount(11 + ahead) for ahead in range(horizon)]
    assert said["levels"] == json.loads(levels)
    cellar.stop()
    assert stored(cellar) == {hour: amount(hour) for hour in range(11)}


def test_another_step_begins_with_the_readings_that_are_left(cellar: Service, mosquitto: Mosquitto) -> None:
    """Half hours instead of hours: the journal still has every reading."""
    cellar.write(config(mosquitto, step="30m"))
    cellar.start()
    with Listener(mosquitto.port) as listener:
        publish(mosquitto.port, hours(10, 11))
        assert listener.wait("a", "2026-01-01T10:30:00Z")["step"] == "30m"
    cellar.stop()


def test_a_full_disk_is_waited_out(cellar: Service, mosquitto: Mosquitto) -> None:
    """Nothing is acknowledged that was not written: it waits at the broker, and is used when there is room again."""
    cellar.start()
    assert medians(mosquitto, 10, 30)
    cellar.fill_disk()
    publish(mosquitto.port, hours(30, 40))
    eventually(lambda: "cannot write, will try again every second" in cellar.said_now(), what="the refusal")
    assert cellar.status("/healthz") == 200
    accepted = cellar.metric("samples_accepted_total")
    assert accepted < 60

    cellar.fill_disk(False)
    assert medians(mosquitto, 40, 50)
    cellar.stop()
    assert stored(cellar) == {hour: amount(hour) for hour in range(49)}


def test_a_full_disk_does_not_hold_up_the_end(cellar: Service, mosquitto: Mosquitto) -> None:
    """It stops without a snapshot; the next start needs none."""
    cellar.start()
    assert medians(mosquitto, 10, 30)
    cellar.fill_disk()
    publish(mosquitto.port, hours(30, 40))
    eventually(lambda: "cannot write, will try again every second" in cellar.said_now(), what="the refusal")
    cellar.stop()
    assert "stopping without a snapshot" in cellar.said_now()

    cellar.start()
    assert medians(mosquitto, 40, 50)
    cellar.stop()
    assert stored(cellar) == {hour: amount(hour) for hour in range(49)}


def test_a_place_that_cannot_be_written_is_said(cellar: Service) -> None:
    """Which one, and what to do; exit code 74."""
    shutil.rmtree(cellar.data)
    cellar.data.write_text("a file where a directory should be")
    assert cellar.begin().ended() == 74
    assert str(cellar.data) in cellar.said_now()
    assert "Traceback" not in cellar.said_now()


def test_a_port_in_use_is_said(cellar: Service, mosquitto: Mosquitto) -> None:
    """Exit code 78: it is the configuration that must change."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        cellar.write(config(mosquitto) + f"\nhttp: {{listen: 127.0.0.1:{port}}}\n")
        assert cellar.begin().ended() == 78
    assert f"http.listen: cannot listen on 127.0.0.1:{port}" in cellar.said_now()
    assert "Traceback" not in cellar.said_now()


def test_two_daemons_on_one_directory_are_kept_apart(
    service: Callable[..., Service], cellar: Service, mosquitto: Mosquitto
) -> None:
    """The second says so and ends; the first does not notice."""
    cellar.start()
    second = service(config(mosquitto).replace("cellar", "second"), "second")
    second.config.write_text(second.config.read_text().replace(str(second.data), str(cellar.data)))
    assert second.begin().ended() == 74
    assert "another forecaster" in second.said_now()
    assert medians(mosquitto, 10, 12) == [amount(11), amount(12), amount(13)]
    cellar.stop()
