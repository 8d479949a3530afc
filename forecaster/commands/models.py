"""``forecaster models``: list them, put one into service, go back to the one before.

A running service looks at what is in service every few seconds and swaps by itself.
"""

from __future__ import annotations

import math
import os
from argparse import Namespace
from collections.abc import Mapping
from datetime import datetime

from rich.console import Console
from rich.table import Table
from rich.text import Text

from forecaster.adapters.registry import FileModelRegistry
from forecaster.commands.chosen import chosen_group
from forecaster.commands.train import ratio, skill
from forecaster.config import load
from forecaster.errors import ModelError
from forecaster.nets.baseline import NAIVE
from forecaster.nets.shape import from_json, require
from forecaster.ports import Card, ModelRegistry
from forecaster.settings import Group, Settings


def run(arguments: Namespace) -> int:
    """Do what the second word says.

    Raises
    ------
    ModelError
        When a model is missing, broken or does not fit its group, or there is none to go back to.
    """
    settings = load(arguments.config, os.environ)
    models = FileModelRegistry(settings.data / "models")
    console = Console(highlight=False)
    match arguments.action:
        case "list":
            groups = asked_for(settings, arguments.group)
            for group in groups:
                if group is not groups[0]:
                    console.print()
                console.print(listing(group, models))
            if not any(models.cards(group.name) for group in groups):
                console.print(f"looked in {models.directory.absolute()}", style="dim", soft_wrap=True)
        case "promote":
            card = promote(chosen_group(settings, arguments.group), arguments.version, models)
            console.print(f"[green]{arguments.group}-{arguments.version} is in service")
            if not card.promoted:
                console.print(f"[yellow]when it was trained it was {card.verdict}", soft_wrap=True)
        case "rollback":
            version = roll_back(chosen_group(settings, arguments.group), models)
            console.print(f"[green]{arguments.group}-{version} is in service again")
    return 0


def asked_for(settings: Settings, name: str | None) -> tuple[Group, ...]:
    """One group, or all when none is named."""
    return settings.groups if name is None else (chosen_group(settings, name),)


def promote(group: Group, version: str, models: ModelRegistry) -> Card:
    """Put a model into service; its card.

    Raises
    ------
    ModelError
        When it is missing or broken, or was trained for other settings than the group has now.
    """
    _, card = models.load(group.name, version)
    require(from_json(card.shape), group, version)
    models.promote(group.name, version)
    return card


def roll_back(group: Group, models: ModelRegistry) -> str:
    """Put the newest model before the champion that fits the group back into service; its version.

    Raises
    ------
    ModelError
        When there is none.
    """
    version = models.rollback(group.name, lambda card: require(from_json(card.shape), group, card.version))
    if version is None:
        raise ModelError(
            f"no earlier model of group {group.name} can serve it; list them: forecaster models list {group.name}"
        )
    return version


def listing(group: Group, models: ModelRegistry) -> Table | Text:
    """The models of a group, newest first, the champion marked."""
    cards = models.cards(group.name)
    if not cards:
        return Text.assemble((group.name, "bold"), f"  no models yet; train one: forecaster train {group.name}")
    champion = models.champion(group.name)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.title, table.title_style, table.title_justify = group.name, "bold", "left"
    for title in ("version", "kind", "trained", "data until"):
        table.add_column(title, no_wrap=True)
    for title in ("MAE", "MASE", "vs best naive"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    for card in reversed(cards):
        serves = card.version == champion
        own = card.scores.get("challenger", {})
        table.add_row(
            Text.assemble(("● " if serves else "  ", "green"), (card.version, "bold" if serves else "")),
            card.kind,
            f"{datetime.fromisoformat(card.trained_at):%Y-%m-%d %H:%M}",
            f"{datetime.fromisoformat(card.data_until):%Y-%m-%d}",
            f"{own.get('mae', math.nan):.3g}",
            f"{own.get('mase', math.nan):.3g}",
            skill(card.scores, "challenger", best_naive(card.scores)),
            Text("promoted", style="green") if card.promoted else Text("rejected", style="dim"),
        )
        if serves:
            table.caption = f"● in service: {card.verdict.removeprefix('promoted: ')}"
            table.caption_justify = "left"
    return table


def best_naive(scores: Mapping[str, Mapping[str, float]]) -> str:
    """The naive forecast a model was hardest put to beat, as its verdict has it.

    >>> naive, climatology = {"mase": 1.0, "pinball": 0.5}, {"mase": 0.7, "pinball": 0.4}
    >>> best_naive({"challenger": {"mase": 0.8, "pinball": 0.3}, "naive": naive, "climatology": climatology})
    'climatology'
    """
    known = [name for name in NAIVE if name in scores]
    return max(known, key=lambda name: ratio(scores, "challenger", name), default="naive")
