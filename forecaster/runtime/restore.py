"""A start: the newest snapshot, the journal after it, and stored history for groups that neither fits."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace

from forecaster.pipeline.calendar import Grid
from forecaster.pipeline.engine import Engine
from forecaster.pipeline.panel import panel
from forecaster.ports import History, Journal, Predictor, Snapshots
from forecaster.records import Closed, Effect, Event, ModelReady
from forecaster.settings import Group, Settings

log = logging.getLogger(__name__)

FindModel = Callable[[Group, str], Predictor | None]
"""The predictor of a group by version, or None when it can no longer be loaded."""


def restore(
    engine: Engine,
    settings: Settings,
    snapshots: Snapshots,
    journal: Journal,
    history: History,
    find_model: FindModel,
    keep: Callable[[Closed], None],
) -> int:
    """Bring an engine to where the last one stopped or was killed; nothing is published meanwhile.

    Parameters
    ----------
    keep
        Takes the steps that close during the replay: the last of them may not have reached the history.

    Returns
    -------
    int
        Journal position of the last event in the state.
    """
    position, lost = _from_snapshot(engine, settings, snapshots, journal, find_model)
    complete = next((last - len(events) for last, events in journal.read(0)), 0) == 0
    for group in settings.groups:
        reason = lost.get(group.name)
        if reason is None or (position == 0 and complete):
            continue  # restored, or the journal tells everything from the beginning
        grid = Grid(group.step, group.timezone)
        known = panel(*history.read(group.name), grid)
        engine.load(group.name, known)
        log.info("state from history group=%s steps=%d reason=%s", group.name, known.values.shape[1], reason)
    by_name = {group.name: group for group in settings.groups}
    replayed = 0
    for last, events in journal.read(position):
        effects = engine.handle([_with_model(event, by_name, find_model) for event in events])
        _keep_steps(effects, keep)
        position, replayed = last, replayed + len(events)
    log.info("state restored position=%d replayed=%d", position, replayed)
    return position


def _from_snapshot(
    engine: Engine, settings: Settings, snapshots: Snapshots, journal: Journal, find_model: FindModel
) -> tuple[int, dict[str, str]]:
    """Position of the newest usable snapshot (0: none), and the groups it does not restore, with the reason."""
    for position, arrays, meta in snapshots.newest():
        if position > journal.last():
            log.warning("snapshot is newer than the journal, ignored position=%d journal=%d", position, journal.last())
            continue
        groups = meta["groups"]
        assert isinstance(groups, dict)
        networks = {
            group.name: model
            for group in settings.groups
            if group.name in groups and (model := find_model(group, groups[group.name]["version"])) is not None
        }
        return position, engine.restore(arrays, meta, networks)
    return 0, {group.name: "no snapshot" for group in settings.groups}


def _with_model(event: Event, groups: dict[str, Group], find_model: FindModel) -> Event:
    if isinstance(event, ModelReady) and event.group in groups:
        return replace(event, predictor=find_model(groups[event.group], event.version))
    return event


def _keep_steps(effects: list[Effect], keep: Callable[[Closed], None]) -> None:
    for effect in effects:
        if isinstance(effect, Closed):
            keep(effect)
