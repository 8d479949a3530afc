"""Alive and ready."""

from __future__ import annotations

import json
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from forecaster.settings import Group, Mqtt, Settings, Source, Step
from forecaster.web.health import Health, healthz, readyz
from forecaster.web.pages import index, routes

FINE = Health(version="1.2", uptime_s=60.0, heartbeat_age_s=0.1, restored=True, mqtt_connected=True)
SETTINGS = Settings(
    mqtt=Mqtt(url="mqtt://broker", password="secret"),
    groups=(
        Group(
            name="<home>",
            sources=(Source(topic="home/{meter}"),),
            step=Step(unit="second", count=3600, text="1h"),
            horizon=48,
        ),
    ),
)


def test_healthz_answers_json() -> None:
    """All that is known, and a status."""
    response = healthz(FINE)

    assert (response.status, response.content_type) == (200, "application/json")
    assert json.loads(response.body) == {
        "status": "ok",
        "version": "1.2",
        "uptime_s": 60.0,
        "heartbeat_age_s": 0.1,
        "restored": True,
        "mqtt_connected": True,
        "problems": [],
    }


@pytest.mark.parametrize(
    ("health", "alive", "ready"),
    [
        (FINE, 200, 200),
        (replace(FINE, mqtt_connected=False), 200, 503),  # a restart does not bring the broker back
        (replace(FINE, restored=False, heartbeat_age_s=100.0), 200, 503),  # restoring is work
        (replace(FINE, heartbeat_age_s=100.0), 503, 200),
        (replace(FINE, problems=("disk full",)), 503, 200),
    ],
)
def test_alive_and_ready_are_two_questions(health: Health, alive: int, ready: int) -> None:
    """Alive: the process should not be restarted. Ready: messages flow into a restored state."""
    assert (healthz(health).status, readyz(health).status) == (alive, ready)


def test_what_is_wrong_is_said() -> None:
    """The reasons are in the answer."""
    body = json.loads(readyz(replace(FINE, restored=False, mqtt_connected=False)).body)

    assert body["status"] == "waiting"
    assert body["problems"] == ["state is being restored", "not connected to the MQTT broker"]


def test_the_first_page_lists_groups_and_pages_and_no_secret() -> None:
    """Names are escaped, tags are closed, every page of the service is linked."""
    page = index(SETTINGS, FINE)
    links = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            links.extend(value for name, value in attrs if name == "href")

    Reader().feed(page)

    assert set(links) == set(routes(SETTINGS, lambda: FINE, lambda: b"", "text/plain")) - {"/"}
    assert "&lt;home&gt;" in page
    assert "<home>" not in page
    assert "1h × 48" in page
    assert "secret" not in page


def test_metrics_are_passed_through() -> None:
    """Body and type are the exporter's."""
    pages = routes(SETTINGS, lambda: FINE, lambda: b"x 1\n", "text/plain; version=0.0.4")

    response = pages["/metrics"]()

    assert (response.status, response.content_type, response.body) == (200, "text/plain; version=0.0.4", b"x 1\n")
    assert pages["/"]().content_type == "text/html; charset=utf-8"
