"""Is the service alive, is it ready: the two questions of an orchestrator, and their answers as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from forecaster.web.server import Response

SILENT_S = 30.0
"""An engine that has not come round for this long hangs."""

JSON = "application/json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """How the service is at this moment.

    Attributes
    ----------
    version
        Of the service.
    uptime_s
        Since start.
    heartbeat_age_s
        Since the engine's loop last came round.
    restored
        Snapshot and journal have been read back; forecasts are those of an unbroken run.
    mqtt_connected
        Messages can flow.
    problems
        What else is wrong, in words for a person; any of them makes the service degraded.
    """

    version: str
    uptime_s: float
    heartbeat_age_s: float
    restored: bool
    mqtt_connected: bool
    problems: tuple[str, ...] = ()


def healthz(health: Health) -> Response:
    """``ok`` with 200, or ``degraded`` with 503: should the process be restarted?

    A broker that is away is no reason to: forecasting goes on, and a restart would not bring it back.
    """
    problems = list(health.problems)
    # restoring may take longer than a heartbeat, and is work, not silence
    if health.restored and health.heartbeat_age_s > SILENT_S:
        problems.append(f"the engine has not come round for {health.heartbeat_age_s:.0f} s")
    return _answer(health, "degraded" if problems else "ok", problems)


def readyz(health: Health) -> Response:
    """``ready`` with 200, or ``waiting`` with 503: do messages flow, and is the state restored?"""
    problems = []
    if not health.restored:
        problems.append("state is being restored")
    if not health.mqtt_connected:
        problems.append("not connected to the MQTT broker")
    return _answer(health, "waiting" if problems else "ready", problems)


def _answer(health: Health, status: str, problems: list[str]) -> Response:
    rounded = {name: round(value, 3) if isinstance(value, float) else value for name, value in asdict(health).items()}
    body = {"status": status, **rounded, "problems": problems}
    return Response(503 if problems else 200, JSON, json.dumps(body).encode() + b"\n")
