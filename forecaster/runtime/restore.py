"""A start: the newest snapshot, the journal after it, and stored history for groups that neither fits."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from forecaster.pipeline.calendar import Grid
from forecaster.pipeline.engine import Engine
from forecaster.pipeline.stored import remembered
from forecaster.ports import Columns, History, Journal, Predictor, Snapshots
from forecaster.records import Closed, Effect, Event, Message, ModelReady, Tick
from forecaster.settings import Group, Settings

log = logging.getLogger(__name__)

FindModel = Callable[[Group, str], Predictor | None]
"""The predictor of a group by version, or None when it can no longer be loaded."""


NO_SNAPSHOT = "no snapshot"


class Start(NamedTuple):
    """Where a start begins.

    Attributes
    ----------
    position
        In the journal.
    rebuilt
        Something came from the history: worth a snapshot, for the journal alone cannot bring it back.
    """

    position: int
    rebuilt: bool


def restore(
    engine: Engine,
    settings: Settings,
    snapshots: Snapshots,
    journal: Journal,
    history: History,
    find_model: FindModel,
    keep: Callable[[Closed], None],
) -> Start:
    """Bring an engine to where the last one stopped or was killed; nothing is published meanwhile.

    Parameters
    ----------
    keep
        Takes the steps that close during the replay: the last of them may not have reached the history.

    Returns
    -------
    Start
        With the journal position of the last event in the state.
    """
    start, rebuilt = begin(engine, settings, snapshots, journal, history, find_model, keep=keep)
    position = start
    for reached, effects in replay(engine, settings, journal, find_model, start):
        position = reached
        _keep_steps(effects, keep)
    log.info("state restored position=%d replayed=%d", position, position - start)
    return Start(position, rebuilt)


def begin(
    engine: Engine,
    settings: Settings,
    snapshots: Snapshots,
    journal: Journal,
    history: History,
    find_model: FindModel,
    upto: int | None = None,
    keep: Callable[[Closed], None] = lambda _: None,
) -> Start:
    """Fill a fresh engine from the newest usable snapshot; groups it does not fit get their steps from the history.

    Parameters
    ----------
    upto
        Journal position at which to begin at the latest, and with steps from before it only; None: the newest.

    Returns
    -------
    Start
        With the journal position of the state; 0 when there is no such snapshot.
    """
    position, lost = _from_snapshot(engine, settings, snapshots, journal, find_model, upto)
    first = next((last - len(events) for last, events in journal.read(0)), None)
    if first == 0 and set(lost.values()) == {NO_SNAPSHOT}:
        return Start(0, False)  # the journal tells everything from the beginning
    before_ms = None if upto is None else _first_ms(journal, position)
    rebuilt = position > journal.last()
    for name, reason in lost.items():
        group = settings.group(name)
        series, steps = history.read(name)
        steps = steps if before_ms is None else _before(steps, before_ms)
        if len(steps.start_ms):
            known = remembered(series, steps, group, Grid(group.step, group.timezone))
            engine.load(name, known)
            engine.forecast(name)
            log.info("state from history group=%s steps=%d reason=%s", name, known.values.shape[1], reason)
            rebuilt = True
    if lost and 0 < position <= journal.last():
        _catch_up(engine.part(lost), journal, position, keep)
    return Start(min(position, journal.last()), rebuilt)


def _catch_up(engine: Engine, journal: Journal, upto: int, keep: Callable[[Closed], None]) -> None:
    """Show groups that were filled from the history what the journal still has: readings of the open steps, meters."""
    for last, events in journal.read(0):
        if last - len(events) >= upto:
            return
        known = [event for event in events[: len(events) - max(0, last - upto)] if not isinstance(event, ModelReady)]
        _keep_steps(engine.handle(known), keep)


def replay(
    engine: Engine, settings: Settings, journal: Journal, find_model: FindModel, after: int
) -> Iterator[tuple[int, list[Effect]]]:
    """Handle the journaled events after a position; position and effects of each unit."""
    groups = {group.name: group for group in settings.groups}
    for position, events in journal.read(after):
        yield position, engine.handle([_with_model(event, groups, find_model) for event in events])


def _from_snapshot(
    engine: Engine,
    settings: Settings,
    snapshots: Snapshots,
    journal: Journal,
    find_model: FindModel,
    upto: int | None,
) -> tuple[int, dict[str, str]]:
    """Position of the newest usable snapshot (0: none), and the groups it does not restore, with the reason."""
    reason, end = NO_SNAPSHOT, journal.last()
    for position, arrays, meta in snapshots.newest():
        if position > end and end == 0:
            log.warning("the journal is gone, state is that of the last snapshot position=%d", position)
        elif position > end:
            log.warning("snapshot is newer than the journal, ignored position=%d journal=%d", position, end)
            reason = "the snapshot is newer than the journal"
            continue
        if upto is not None and position > upto:
            continue
        groups = meta["groups"]
        assert isinstance(groups, dict)
        networks = {
            group.name: model
            for group in settings.groups
            if (version := groups.get(group.name, {}).get("model")) is not None
            and (model := find_model(group, version)) is not None
        }
        return position, engine.restore(arrays, meta, networks)
    return 0, {group.name: reason for group in settings.groups}


def _first_ms(journal: Journal, after: int) -> int:
    """Time of the first event after a position that has one."""
    for _, events in journal.read(after):
        for event in events:
            match event:
                case Message():
                    return event.received_ms
                case Tick():
                    return event.now_ms
    return 0


def _before(steps: Columns, time_ms: int) -> Columns:
    old = steps.start_ms < time_ms
    return Columns(series=steps.series[old], start_ms=steps.start_ms[old], values=steps.values[old])


def _with_model(event: Event, groups: dict[str, Group], find_model: FindModel) -> Event:
    if isinstance(event, ModelReady) and event.group in groups:
        return replace(event, predictor=find_model(groups[event.group], event.version))
    return event


def _keep_steps(effects: Sequence[Effect], keep: Callable[[Closed], None]) -> None:
    for effect in effects:
        if isinstance(effect, Closed):
            keep(effect)
