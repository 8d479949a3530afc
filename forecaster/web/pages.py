"""What is served where."""

from __future__ import annotations

from collections.abc import Callable
from html import escape

from forecaster.settings import Group, Settings
from forecaster.web.health import Health, healthz, readyz
from forecaster.web.server import Response, Route


def routes(
    settings: Settings, health: Callable[[], Health], metrics: Callable[[], bytes], metrics_type: str
) -> dict[str, Route]:
    """The pages of the service by path.

    Parameters
    ----------
    settings
        Shown on the first page; secrets are not.
    health
        How the service is now; called for each request, from any thread.
    metrics, metrics_type
        Body and content type of ``/metrics``.
    """
    return {
        "/": lambda: Response(200, "text/html; charset=utf-8", index(settings, health()).encode()),
        "/metrics": lambda: Response(200, metrics_type, metrics()),
        "/healthz": lambda: healthz(health()),
        "/readyz": lambda: readyz(health()),
    }


def index(settings: Settings, health: Health) -> str:
    """The first page: how the service is, what it forecasts, where to look. Works without scripts or a network."""
    checks = {
        "engine": (healthz(health).status == 200, "running", "degraded"),
        "state": (health.restored, "restored", "being restored"),
        "broker": (health.mqtt_connected, "connected", "away"),
    }
    lights = "".join(
        f'<li class="{"good" if fine else "bad"}">{name} <b>{yes if fine else no}</b></li>'
        for name, (fine, yes, no) in checks.items()
    )
    groups = "".join(_row(group, settings.publish.prefix) for group in settings.groups)
    return PAGE.format(version=escape(health.version), uptime=_ago(health.uptime_s), lights=lights, groups=groups)


def _row(group: Group, prefix: str) -> str:
    topics = "<br>".join(f"<code>{escape(source.topic)}</code>" for source in group.targets)
    return (
        f"<tr><td><b>{escape(group.name)}</b></td><td>{topics}</td>"
        f"<td>{escape(group.step.text)} × {group.horizon}</td><td>{group.network.cell}</td>"
        f"<td><code>{escape(prefix)}/{escape(group.name)}/…/forecast</code></td></tr>"
    )


def _ago(seconds: float) -> str:
    """A duration for a person.

    >>> _ago(42), _ago(3_720), _ago(200_000)
    ('42 s', '1 h 2 min', '2 d 7 h')
    """
    days, hours, minutes = int(seconds // 86_400), int(seconds % 86_400 // 3_600), int(seconds % 3_600 // 60)
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min" if minutes else f"{int(seconds)} s"


PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>forecaster</title>
<style>
:root {{ color-scheme: light dark; --line: #8884; --good: #2a9d5c; --bad: #d1495b }}
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 3rem auto; padding: 0 1rem }}
h1 {{ margin: 0; letter-spacing: -.02em }} h2 {{ font-size: 1rem; margin: 2.5rem 0 .5rem; opacity: .7 }}
small {{ opacity: .6; font-weight: normal }} a {{ color: inherit }} code {{ font-size: .9em }}
ul.lights {{ list-style: none; display: flex; flex-wrap: wrap; gap: .6rem; padding: 0; margin: 1rem 0 }}
.lights li {{ border: 1px solid var(--line); border-radius: 2rem; padding: .15rem .9rem }}
.lights li::before {{ content: "●"; margin-right: .5rem }}
.good::before {{ color: var(--good) }} .bad::before {{ color: var(--bad) }}
table {{ border-collapse: collapse; width: 100% }}
th, td {{ text-align: left; vertical-align: top; padding: .4rem .8rem .4rem 0; border-bottom: 1px solid var(--line) }}
th {{ font-weight: normal; opacity: .6 }}
</style></head><body>
<h1>forecaster <small>{version} · up {uptime}</small></h1>
<ul class="lights">{lights}</ul>
<h2>Groups</h2>
<table><tr><th>name</th><th>listens to</th><th>step × leads</th><th>network</th><th>publishes</th></tr>{groups}</table>
<h2>Where to look</h2>
<table>
<tr><td><a href="/metrics">/metrics</a></td><td>for Prometheus</td></tr>
<tr><td><a href="/healthz">/healthz</a></td><td>alive: 200 or 503</td></tr>
<tr><td><a href="/readyz">/readyz</a></td><td>ready: state restored and broker connected</td></tr>
</table>
</body></html>
"""
