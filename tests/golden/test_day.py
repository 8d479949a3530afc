"""One golden day for everything at once: what the engine makes of it, line by line.

When a change is meant to change it, write the file again, read the difference, and commit it with the change::

    GOLDEN=write pytest tests/golden
"""

from __future__ import annotations

import os
from collections import Counter
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import numpy as np
from day import GROUP, SETTINGS, events
from hypothesis import given, settings
from hypothesis import strategies as st

from forecaster.nets.baseline import SeasonalNaive
from forecaster.pipeline.engine import Engine
from forecaster.records import Accepted, Closed, Effect, Event, Issued, Reject, Verified

GOLDEN = Path(__file__).with_name("day.txt")


def told(effects: list[Effect]) -> str:
    """Effects as a person would note them down: what closed, what is forecast, what was refused, how good it was."""
    lines, refused, verified = [], Counter[str](), Counter[str]()
    accepted = 0
    for effect in effects:
        match effect:
            case Closed():
                values = "  ".join(
                    f"{name} {value:.3f}" for name, value in zip(effect.series, effect.values.tolist(), strict=True)
                )
                lines.append(f"{clock(effect.start_ms)} closed    {values}")
            case Issued():
                lines += [
                    f"{clock(effect.origin_ms)} forecast  {stream:<5}{fan(quantiles)}  by {model}"
                    for stream, quantiles, model in zip(effect.streams, effect.quantiles, effect.models, strict=True)
                ]
            case Verified():
                verified.update(
                    {
                        name: int(np.isfinite(row).any(-1).sum())
                        for name, row in zip(effect.streams, effect.quantiles, strict=True)
                    }
                )
            case Reject():
                refused[f"{effect.reason:<14}{effect.stream or '-':<7}{effect.detail}"] += 1
            case Accepted():
                accepted += effect.count
    lines += ["", f"accepted {accepted}", *(f"refused {n:>3} {what}".rstrip() for what, n in sorted(refused.items()))]
    return "\n".join([*lines, *(f"verified {n:>3} {name}" for name, n in sorted(verified.items()))]) + "\n"


def clock(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1000, UTC).strftime("%H:%M")


def fan(quantiles: np.ndarray) -> str:
    """Low, median and high of each lead."""
    return "  ".join(f"{low:6.3f} {median:6.3f} {high:6.3f}" for low, median, high in quantiles.tolist())


def scores(engine: Engine) -> str:
    return "".join(
        f"score leads {one.leads:<4} count {one.count:>3} mae {one.mae:.4f} mase {one.mase:.4f} "
        f"pinball {one.pinball:.4f} skill {one.skill:.4f} coverage {one.coverage[0.8]:.4f}\n"
        for one in engine.scores(GROUP.name)
    )


def an_engine() -> Engine:
    return Engine(SETTINGS, lambda group: [SeasonalNaive(group)])


def lived(batches: list[list[Event]]) -> str:
    engine = an_engine()
    effects = [effect for batch in batches for effect in engine.handle(batch)]
    return told(effects) + scores(engine)


def test_the_golden_day() -> None:
    """Exactly as it was written down."""
    found = lived([[event] for event in events()])
    if os.environ.get("GOLDEN") == "write":
        GOLDEN.write_text(found)
    assert found.splitlines() == GOLDEN.read_text().splitlines()


@settings(max_examples=12, deadline=None)
@given(st.sets(st.integers(1, 900), max_size=60))
def test_the_same_day_in_handfuls_of_any_size(cuts: set[int]) -> None:
    """How events are gathered changes nothing of what is made of them."""
    day, edges = events(), [0, *sorted(cuts), 1000]
    found = lived([day[first:end] for first, end in pairwise(edges)])
    assert sorted(found.splitlines()) == sorted(GOLDEN.read_text().splitlines())


def test_the_same_day_with_a_snapshot_at_noon() -> None:
    """Nothing of it is lost on the way through a file."""
    day = events()
    first, second = an_engine(), an_engine()
    effects = [effect for event in day[:500] for effect in first.handle([event])]
    assert second.restore(*first.state(), {}) == {}
    effects += [effect for event in day[500:] for effect in second.handle([event])]
    assert (told(effects) + scores(second)).splitlines() == GOLDEN.read_text().splitlines()
