"""``forecaster check``: what is wrong with a configuration, or what it says."""

from __future__ import annotations

import os
import re
from argparse import Namespace
from pathlib import Path

from rich.console import Console
from rich.text import Text

from forecaster.config import load, problems
from forecaster.configuration.problem import Problem
from forecaster.errors import ConfigurationError
from forecaster.settings import Group, Network, Settings


def run(arguments: Namespace) -> int:
    """Print every problem and return 78, or a table of the groups and 0."""
    console = Console(highlight=False, soft_wrap=True)
    found = problems(arguments.config, os.environ)
    for problem in found:
        console.print(coloured(problem))
    if found:
        console.print(Text("1 problem" if len(found) == 1 else f"{len(found)} problems", style="bold red"))
        return ConfigurationError.exit_code
    settings = load(arguments.config, os.environ)
    console.print(Text(good_news(arguments.config, settings), style="green"))
    console.print(summary(settings))
    return 0


def coloured(problem: Problem) -> Text:
    """The line of a problem, its place and key standing out, as compilers do."""
    line = str(problem)
    text = Text(line)
    place = line.find(": ") + 1
    text.stylize("bold", 0, place)
    text.stylize("bold red", place, place + 1 + len(problem.key))
    return text


def good_news(path: Path, settings: Settings) -> str:
    """The one line that says all is well."""
    count = len(settings.groups)
    broker = re.sub("//.*@", "//", settings.mqtt.url)  # a password may stand there
    return f"{path}: no problems; {count} {'group' if count == 1 else 'groups'}, broker {broker}"


def summary(settings: Settings) -> Text:
    """What each group will do: a row each, and under it the topics it listens to."""
    rows = [("group", "step", "horizon", "seasons", "lookback", "network")]
    rows += [
        (
            *(group.name, group.step.text, str(group.horizon), ", ".join(map(str, group.seasons)) or "none"),
            *(str(group.lookback), network(group.network)),
        )
        for group in settings.groups
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    text = Text(lines[0], style="dim")
    for group, line in zip(settings.groups, lines[1:], strict=True):
        text.append("\n").append(Text(line, style="not dim"))
        for topic in filters(group):
            text.append(f"\n  ← {topic}", style="cyan not dim")
    return text


def filters(group: Group) -> list[str]:
    """Topic filters of the group; a covariate says its role."""
    return [source.topic if source.role == "target" else f"{source.topic} ({source.role})" for source in group.sources]


def network(shape: Network) -> str:
    """Shape of a network in few words.

    Examples
    --------
    >>> network(Network(cell="gru", layers=2, hidden=64))
    'gru 2 × 64'
    """
    return f"{shape.cell} {shape.layers} × {shape.hidden}"
