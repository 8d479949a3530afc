"""What Grafana is given: it cannot be asked here whether it likes it, so its rules are written down."""

from __future__ import annotations

import importlib.util
import json
import re
from itertools import combinations
from pathlib import Path
from typing import Any

import yaml

GRAFANA = Path(__file__).parents[2] / "deploy/grafana"
WRITTEN = (GRAFANA / "dashboards/forecaster.json").read_text()
DASHBOARD = json.loads(WRITTEN)
PANELS = DASHBOARD["panels"]
SOURCE = yaml.safe_load((GRAFANA / "provisioning/datasources/prometheus.yml").read_text())["datasources"][0]


def test_the_file_is_what_the_program_writes() -> None:
    """Nobody edited the JSON by hand, or forgot to write it."""
    spec = importlib.util.spec_from_file_location("dashboard", GRAFANA / "dashboard.py")
    assert spec is not None
    assert spec.loader is not None
    program = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(program)

    assert program.text() == WRITTEN


def test_panels_have_ids_and_places_of_their_own() -> None:
    """No two panels overlap, and none leaves the 24 columns."""
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)
    places = [panel["gridPos"] for panel in PANELS]
    assert all(place["x"] >= 0 and place["x"] + place["w"] <= 24 for place in places)
    assert [pair for pair in combinations(places, 2) if overlap(*pair)] == []


def overlap(one: dict[str, int], other: dict[str, int]) -> bool:
    """Whether two rectangles share a cell."""
    return all(
        one[start] < other[start] + other[size] and other[start] < one[start] + one[size]
        for start, size in (("x", "w"), ("y", "h"))
    )


def test_everything_asks_the_provisioned_source() -> None:
    """A dashboard whose source has another uid shows nothing but errors."""
    source = {"type": "prometheus", "uid": SOURCE["uid"]}
    asking = [panel for panel in PANELS if panel["type"] != "row"]
    variables = [one for one in DASHBOARD["templating"]["list"] if one["type"] == "query"]

    assert SOURCE["type"] == "prometheus"
    assert {json.dumps(one["datasource"]) for one in [*asking, *variables]} == {json.dumps(source)}
    assert {json.dumps(target["datasource"]) for panel in asking for target in panel["targets"]} == {json.dumps(source)}


def test_only_variables_that_exist_are_used() -> None:
    """Beside our own, Grafana's interval that fits the scrapes."""
    used = {name for panel in PANELS for name in re.findall(r"\$(\w+)", json.dumps(panel))}

    assert used == {one["name"] for one in DASHBOARD["templating"]["list"]} | {"__rate_interval"}


def test_every_panel_says_what_it_shows() -> None:
    """A title, a description, a unit, and a legend where there are several curves."""
    for panel in PANELS:
        if panel["type"] == "row":
            continue
        assert panel["title"]
        assert panel["description"].endswith(".")
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert panel["type"] == "stat" or all(target["legendFormat"] for target in panel["targets"])


def test_overrides_name_legends_that_exist() -> None:
    """A band is filled down to a curve of that name."""
    for panel in PANELS:
        legends = {target["legendFormat"] for target in panel.get("targets", ())}
        overrides: list[Any] = panel.get("fieldConfig", {}).get("overrides", [])
        named = {one["matcher"]["options"] for one in overrides}
        named |= {p["value"] for one in overrides for p in one["properties"] if p["id"] == "custom.fillBelowTo"}
        assert named <= legends


def test_provisioning_finds_the_dashboard() -> None:
    """The provider reads the folder that compose puts the dashboard into."""
    provider = yaml.safe_load((GRAFANA / "provisioning/dashboards/forecaster.yml").read_text())["providers"][0]
    compose = yaml.safe_load((GRAFANA.parent / "compose.yaml").read_text())

    assert f"./grafana/dashboards:{provider['options']['path']}:ro" in compose["services"]["grafana"]["volumes"]
