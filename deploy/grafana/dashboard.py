"""Writes dashboards/forecaster.json: ``python deploy/grafana/dashboard.py``.

The dashboard as a person thinks of it, rows of panels of queries; the JSON is what Grafana wants to read.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

TARGET = Path(__file__).parent / "dashboards" / "forecaster.json"
SOURCE = {"type": "prometheus", "uid": "forecaster-prometheus"}
WIDTH = 24

Json = dict[str, Any]

# Two hues on a quiet ground: what happened is orange, what was forecast is blue.
TRUTH, FORECAST = "#ff9830", "#5794f2"
OUTER, INNER, MEDIAN, VALUE = "all levels", "all but the outermost", "median", "measured"

G = 'group=~"$group"'
S = 'group=~"$group",stream="$stream"'
NEXT, FAR = f'{S},leads="1"', f'{S},leads!="1"'


# --- panels ------------------------------------------------------------------------------------------------------


def panel(kind: str, title: str, about: str, unit: str, width: int, height: int, *queries: tuple[str, str]) -> Json:
    """What all panels share; a query is PromQL and the legend of its series."""
    targets = [
        {"refId": chr(ord("A") + index), "datasource": SOURCE, "expr": expr, "legendFormat": legend}
        for index, (expr, legend) in enumerate(queries)
    ]
    return {
        "type": kind,
        "title": title,
        "description": about,
        "datasource": SOURCE,
        "gridPos": {"h": height, "w": width},
        "targets": targets,
        "fieldConfig": {"defaults": {"unit": unit}, "overrides": []},
        "options": {},
    }


def stat(
    title: str, about: str, unit: str, query: str, legend: str = "", *, steps: Any = (), says: Any = (), **options: Any
) -> Json:
    """One number; ``steps`` are (from value, colour) pairs, ``says`` pairs of a value and a word for it."""
    made = panel("stat", title, about, unit, 4, 4, (query, legend))
    for target in made["targets"]:
        target["instant"] = True
    made["options"] = {
        "reduceOptions": {"calcs": ["lastNotNull"]},
        "graphMode": "none",
        "colorMode": "value",
        **options,
    }
    defaults = made["fieldConfig"]["defaults"]
    defaults["color"] = {"mode": "thresholds"}
    defaults["thresholds"] = thresholds([(None, "text"), *steps])
    if says:
        defaults["mappings"] = [{"type": "value", "options": {str(value): {"text": word} for value, word in says}}]
    return made


def curves(
    title: str, about: str, unit: str, *queries: tuple[str, str], width: int = 8, lines: Any = (), **custom: Any
) -> Json:
    """Curves over time; ``lines`` are (value, colour) pairs drawn across."""
    made = panel("timeseries", title, about, unit, width, 8, *queries)
    defaults = made["fieldConfig"]["defaults"]
    defaults["custom"] = {"lineWidth": 1, "fillOpacity": 8, "showPoints": "never", **custom}
    if lines:
        defaults["thresholds"] = thresholds([(None, "transparent"), *lines])
        defaults["custom"]["thresholdsStyle"] = {"mode": "dashed"}
    made["options"] = {
        "legend": {"showLegend": True, "displayMode": "list", "placement": "bottom"},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    return made


def fan(title: str, about: str, labels: str) -> Json:
    """Intervals as nested bands around the median, and what was measured; one panel per chosen stream."""
    forecast = f"forecaster_stream_forecast{{{labels}}} offset $shift"
    made = curves(
        title,
        about,
        "short",
        (f"min by (stream) ({forecast})", f"{OUTER}, from"),
        (f"max by (stream) ({forecast})", OUTER),
        (f"max by (stream) (bottomk by (stream) (2, {forecast}))", f"{INNER}, from"),
        (f"min by (stream) (topk by (stream) (2, {forecast}))", INNER),
        (f'forecaster_stream_forecast{{{labels},level="0.5"}} offset $shift', MEDIAN),
        (f"forecaster_stream_value{{{S}}}", VALUE),
        width=12,
        lineInterpolation="stepAfter",
    )
    made["fieldConfig"]["overrides"] = [
        *band(OUTER, 12),
        *band(INNER, 24),
        override(MEDIAN, color=FORECAST, width=2, fill=0),
        override(VALUE, color=TRUTH, width=2, fill=0),
    ]
    return {**made, "repeat": "stream", "repeatDirection": "h", "maxPerRow": 2}


def band(name: str, opacity: int) -> list[Json]:
    """From one invisible line to another, filled in between."""
    lower, upper = f"{name}, from", override(name, color=FORECAST, width=0, fill=opacity)
    upper["properties"].append({"id": "custom.fillBelowTo", "value": lower})
    hidden = {"id": "custom.hideFrom", "value": {"legend": True, "tooltip": False, "viz": False}}
    low = override(lower, color=FORECAST, width=0, fill=0)
    return [{**low, "properties": [*low["properties"], hidden]}, upper]


def override(name: str, *, color: str, width: int, fill: int) -> Json:
    return {
        "matcher": {"id": "byName", "options": name},
        "properties": [
            {"id": "color", "value": {"mode": "fixed", "fixedColor": color}},
            {"id": "custom.lineWidth", "value": width},
            {"id": "custom.fillOpacity", "value": fill},
        ],
    }


def thresholds(steps: list[tuple[float | None, str]]) -> Json:
    return {"mode": "absolute", "steps": [{"value": value, "color": color} for value, color in steps]}


def by_group(expr: str, *labels: str) -> tuple[str, str]:
    """A metric per group, and its legend."""
    return expr, " ".join(["{{group}}", *(f"{label} {{{{{label}}}}}" for label in labels)])


# --- the dashboard -----------------------------------------------------------------------------------------------

OK, BAD, WARN = "green", "red", "orange"

ROWS = {
    "Health": [
        stat(
            *("Broker", "Whether the service is connected and subscribed.", "short", "min(forecaster_mqtt_connected)"),
            steps=[(0, BAD), (1, OK)],
            says=[(0, "away"), (1, "connected")],
        ),
        stat(
            *("Streams", "Streams that speak.", "short"),
            f'sum(forecaster_streams{{{G},state=~"active|warming"}})',
            steps=[(1, OK)],
        ),
        stat(
            *("Silent streams", "Streams whose sensors have stopped.", "short"),
            f'sum(forecaster_streams{{{G},state="stale"}})',
            steps=[(0, OK), (1, WARN)],
        ),
        stat(
            *("Age of the newest forecast", "In steps of its group; 1 is as good as it gets at the end of a step."),
            *("short", f"max(forecaster_forecast_age_seconds{{{G}}} / forecaster_step_seconds{{{G}}})"),
            steps=[(0, OK), (2, WARN), (3, BAD)],
        ),
        stat(
            *("Model in service", "The naive forecast, or the version of a network.", "short"),
            *(f"forecaster_model_info{{{G}}}", "{{group}} {{version}}"),
            textMode="name",
        ),
        stat(
            *("Memory", "Of what the service may use.", "percentunit"),
            "max(process_resident_memory_bytes / forecaster_memory_limit_bytes)",
            steps=[(0, OK), (0.8, WARN), (0.9, BAD)],
        ),
    ],
    "Throughput": [
        curves(
            *("Messages", "From and to the broker.", "cps"),
            ("sum(rate(forecaster_mqtt_messages_received_total[$__rate_interval]))", "received"),
            ("sum(rate(forecaster_mqtt_messages_published_total[$__rate_interval]))", "published"),
        ),
        curves(
            *("Steps and forecasts", "Steps that closed, and forecasts issued, by what made them.", "cps"),
            by_group(f"sum by (group) (rate(forecaster_steps_closed_total{{{G}}}[$__rate_interval]))"),
            by_group(
                f"sum by (group, model) (rate(forecaster_forecasts_published_total{{{G}}}[$__rate_interval]))", "model"
            ),
        ),
        curves(
            *("Refused readings", "By reason; docs/topics.md says what each means.", "cps"),
            (
                'sum by (reason) (rate(forecaster_samples_rejected_total{group=~"$group|"}[$__rate_interval]))',
                "{{reason}}",
            ),
        ),
        curves(
            *("Waiting", "Messages the engine has not taken yet, forecasts the broker has not taken yet.", "short"),
            ("sum(forecaster_ingest_queue_samples)", "in"),
            ("sum(forecaster_mqtt_outbox_messages)", "out"),
        ),
        curves(
            *("From measurement to arrival", "Median and 99th percentile, of readings that carry their time.", "s"),
            *(
                (
                    f"histogram_quantile({q}, sum by (le) "
                    f"(rate(forecaster_ingest_delay_seconds_bucket{{{G}}}[$__rate_interval])))",
                    name,
                )
                for q, name in ((0.5, "median"), (0.99, "99 %"))
            ),
        ),
        curves(
            *("Work", "Share of a core, and of that time what the networks take.", "percentunit"),
            ('sum(rate(process_cpu_seconds_total{job="forecaster"}[$__rate_interval]))', "all"),
            ("sum(rate(forecaster_inference_duration_seconds_sum[$__rate_interval]))", "networks"),
        ),
    ],
    "Errors and skill": [
        curves(
            *("Skill against naive", "1 - MAE / MAE of the best naive. Above 0: worth having.", "percentunit"),
            by_group(f"avg by (group, leads) (forecaster_forecast_skill_ratio{{{G}}})", "leads"),
            lines=[(0, OK)],
        ),
        curves(
            *("MAE", "Mean absolute error of the median, in the unit of the data.", "short"),
            by_group(f"avg by (group, leads) (forecaster_forecast_mae{{{G}}})", "leads"),
        ),
        curves(
            *("MASE", "MAE over that of repeating the last season. Below 1 is better than that.", "short"),
            by_group(f"avg by (group, leads) (forecaster_forecast_error_mase{{{G}}})", "leads"),
            lines=[(1, OK)],
        ),
    ],
    "Intervals": [
        curves(
            *("Coverage", "Truths inside each interval; honest intervals lie on their level.", "percentunit"),
            by_group(f"avg by (group, level) (forecaster_interval_coverage_ratio{{{G}}})", "level"),
        ),
        curves(
            *("Coverage off its level, by lead", "Below 0: too narrow. Far ahead only: the world changes faster."),
            "percentunit",
            by_group(
                f"avg by (group, leads) (forecaster_interval_coverage_ratio{{{G}}} "
                "- on (instance, group, level) group_left () forecaster_interval_nominal_ratio)",
                "leads",
            ),
            lines=[(0, FORECAST)],
        ),
        curves(
            *("Pinball loss", "Error of all levels together: small when intervals are narrow and right.", "short"),
            by_group(f"avg by (group, leads) (forecaster_forecast_pinball{{{G}}})", "leads"),
        ),
    ],
    "Training and state": [
        curves(
            *("Training now", "How far it is; 0 when none runs.", "percentunit"),
            by_group(f"max by (group) (forecaster_training_progress_ratio{{{G}}})"),
            lineInterpolation="stepAfter",
        ),
        curves(
            *("Trainings", "Since the service started, by how they ended.", "short"),
            by_group(f"sum by (group, outcome) (forecaster_training_runs_total{{{G}}})", "outcome"),
            lineInterpolation="stepAfter",
        ),
        curves(
            *("Time a training takes", "Mean since the service started.", "s"),
            by_group(
                f"sum by (group) (forecaster_training_duration_seconds_sum{{{G}}}) "
                f"/ sum by (group) (forecaster_training_duration_seconds_count{{{G}}})"
            ),
        ),
        curves(
            *("Age of the newest model", "Since it was trained, in service or not.", "s"),
            by_group(f"time() - max by (group) (forecaster_training_last_success_timestamp_seconds{{{G}}} > 0)"),
        ),
        curves(
            *("Age of the newest snapshot", "What a restart has to replay.", "s"),
            ("time() - max(forecaster_state_checkpoint_last_success_timestamp_seconds > 0)", "snapshot"),
        ),
        curves(
            *("Jobs that failed or were left out", "Within an hour; the log says why.", "short"),
            ("sum by (task) (increase(forecaster_scheduler_job_failures_total[1h]))", "{{task}} failed"),
            ("sum by (task) (increase(forecaster_scheduler_job_missed_total[1h]))", "{{task}} left out"),
        ),
    ],
    "Forecasts of streams": [
        fan("$stream: the next step", "Choose the length of a step as shift: forecasts then meet what came.", NEXT),
        fan("$stream: the farthest step", "The last lead of the horizon.", FAR),
    ],
}


def choice(name: str, label: str, query: str, **more: Any) -> Json:
    """A variable filled from Prometheus."""
    found = {"query": query, "refId": name}
    return {
        **{"type": "query", "name": name, "label": label, "datasource": SOURCE, "query": found, "definition": query},
        **{"refresh": 2, "sort": 1, "multi": True, **more},
    }


SHIFTS = ["1s", "10s", "1m", "5m", "15m", "30m", "1h", "1d"]

VARIABLES = [
    choice("group", "Group", "label_values(forecaster_streams, group)", includeAll=True, allValue=".+"),
    choice("stream", "Streams", 'label_values(forecaster_stream_value{group=~"$group"}, stream)'),
    {
        **{"type": "custom", "name": "shift", "label": "Shift", "query": ",".join(SHIFTS)},
        **{"current": {"text": SHIFTS[0], "value": SHIFTS[0]}},
    },
]


def dashboard() -> Json:
    """All of it, panels laid out from left to right and from top to bottom."""
    panels: list[Json] = []
    y = 0
    for title, row in ROWS.items():
        panels.append(
            {"type": "row", "title": title, "collapsed": False, "gridPos": {"h": 1, "w": WIDTH, "x": 0, "y": y}}
        )
        y, x = y + 1, 0
        for one in row:
            place = one["gridPos"]
            if x + place["w"] > WIDTH:
                x, y = 0, y + place["h"]
            panels.append({**one, "gridPos": {**place, "x": x, "y": y}})
            x += place["w"]
        y += row[-1]["gridPos"]["h"]
    return {
        "uid": "forecaster",
        "title": "Forecaster",
        "tags": ["forecaster"],
        "timezone": "browser",
        "schemaVersion": 39,
        "refresh": "5s",
        "time": {"from": "now-1h", "to": "now"},
        "graphTooltip": 1,
        "templating": {"list": VARIABLES},
        "panels": [{"id": index, **one} for index, one in enumerate(panels, start=1)],
    }


def text() -> str:
    """As it is written to the file."""
    return json.dumps(dashboard(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    TARGET.write_text(text())
