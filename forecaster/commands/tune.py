"""``forecaster tune``: whether other settings of the network would forecast this group better.

The newest part of the history, the same that a training holds out, is put away. The search sees only what was before,
and judges its trainings on the end of that. Then the winner and the present settings are compared once on what was put
away; only that comparison decides, and is reported.
"""

from __future__ import annotations

import json
import math
import os
import time
from argparse import Namespace
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from rich import box
from rich.console import Console, RenderableType
from rich.console import Group as Rows
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
from rich.table import Table
from rich.text import Text

from forecaster.adapters.exclusions import Exclusions
from forecaster.adapters.files import whole_file
from forecaster.commands.chosen import chosen_group, stored_history
from forecaster.commands.search import Choice, Trial, asked, best, choices, present, search
from forecaster.commands.train import be_modest, out_of_memory, recent, rfc3339, too_little
from forecaster.config import load
from forecaster.configuration.problem import Unreadable
from forecaster.configuration.text import positive_seconds
from forecaster.errors import BadInput, TrainingFailed
from forecaster.inputs import Dataset
from forecaster.ports import History, Predictor
from forecaster.settings import Group

MARGIN = 0.01
"""How much smaller the error must be to be worth a change: less than this, a tail cannot tell."""

Listener = Callable[[str, float], None]
"""Told what goes on, and the part of the budget that is used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuned:
    """What a search found.

    Attributes
    ----------
    trials
        In the order in which they were made.
    winner
        Best of the search; the present settings when nothing was better there.
    tail_from, tail_steps
        What the search did not see: its first step, RFC 3339, and its length.
    scores
        On that tail: ``present``, ``winner``, as :func:`forecaster.nets.score.score` gives; empty when the present
        settings won the search.
    change
        Error of the winner over that of the present settings on the tail, minus 1; 0 when they are the same.
    """

    trials: tuple[Trial, ...]
    winner: Choice
    tail_from: str
    tail_steps: int
    scores: Mapping[str, Mapping[str, float]]
    change: float

    @property
    def better(self) -> bool:
        """Whether the winner is worth a change."""
        return self.change < -MARGIN

    @property
    def verdict(self) -> str:
        """One sentence."""
        where = f"on the last {self.tail_steps} steps, which the search did not see"
        if not self.scores:
            return "nothing better found: the present settings won the search"
        amount = f"{abs(self.change) * 100:.1f} % {'less' if self.change < 0 else 'more'} error"
        if self.better:
            return f"better: {amount} than the present settings {where}"
        return f"nothing better found: the best of the search has {amount} than the present settings {where}"


def duration(text: str) -> float:
    """Seconds of ``--budget``.

    Raises
    ------
    BadInput
        When it is no duration.
    """
    try:
        return positive_seconds(text)
    except Unreadable as error:
        raise BadInput(f"--budget: found '{text}'; expected {error}") from None


def run(arguments: Namespace) -> int:
    """Search, print, and write what was found; 0 also when nothing is better."""
    settings = load(arguments.config, os.environ)
    group = chosen_group(settings, arguments.group)
    group = replace(group, exclude=Exclusions(settings.data).of(group))
    budget_s = duration(arguments.budget)
    be_modest(group.training)
    began = time.monotonic()
    console = Console(highlight=False)
    columns = (TextColumn("[bold]{task.description}"), BarColumn(bar_width=None), TaskProgressColumn())
    with (
        closing(stored_history(settings.data)) as history,
        Progress(*columns, TextColumn("[dim]{task.fields[note]}"), console=console, transient=True) as bar,
    ):
        task = bar.add_task(f"tuning {group.name}", total=1.0, note="")
        found = tune(
            group,
            history,
            budget_s,
            elapsed_s=lambda: time.monotonic() - began,
            listener=lambda note, done: bar.update(task, completed=min(done, 1.0), note=note),
        )
    evidence, patch = (arguments.out / f"tune-{group.name}.{kind}" for kind in ("json", "yaml"))
    written = json.dumps(plain(found, group, budget_s), indent=1, allow_nan=False)
    write(evidence, written + "\n")
    if found.better:
        write(patch, patch_of(found, group))
    else:
        patch.unlink(missing_ok=True)  # of an earlier search: no longer what is advised
    console.print(told(found, group))
    console.print(next_steps(found, group, arguments.config, evidence, patch), style="dim", soft_wrap=True)
    return 0


# --- the search --------------------------------------------------------------------------------------------------


def tune(
    group: Group, history: History, budget_s: float, *, elapsed_s: Callable[[], float], listener: Listener
) -> Tuned:
    """Search on all but the tail of the history, and compare on the tail.

    Raises
    ------
    TrainingFailed
        When there is too little history to put some of it away, or no training came to anything.
    """
    # Torch takes seconds to import, and is not needed to say what is wrong with a configuration.
    from forecaster.nets.baseline import SeasonalNaive
    from forecaster.nets.history import enough, needed, split
    from forecaster.nets.score import ratio, score
    from forecaster.pipeline.calendar import Grid
    from forecaster.pipeline.panel import dataset
    from forecaster.pipeline.stored import remembered

    listener("reading history", 0.0)
    grid = Grid(group.step, group.timezone)
    series, steps = history.read(group.name)
    past = remembered(series, recent(steps, group.training.history_s), group, grid)
    data = dataset(past, group, grid)
    observed = int(np.isfinite(data.values[:, 0]).sum(-1).max(initial=0))
    tail = split(data, group)[1] if observed else 0
    seen = until(data, tail, group.horizon)
    if not enough(seen, group):
        wanted = needed(group) + max(group.horizon, needed(group) // 9 + 1)  # a tenth is put away, at least a horizon
        raise TrainingFailed(
            f"group {group.name}: {too_little(observed, max(wanted, observed + 1), group.step.text)} "
            "before there is anything to tune; until then the present settings are as good as any"
        )

    naive = score(SeasonalNaive(group), seen, group, split(seen, group)[1])  # with another lookback, another naive

    def attempt(choice: Choice, turn: int, limit_s: float) -> Trial:
        listener(f"round {turn}: {in_words(choice)}", elapsed_s() / budget_s)
        return trial(seen, group, choice, turn, limit_s, elapsed_s, naive)

    trials = search(choices(group, group.training.seed), attempt, elapsed_s, budget_s)
    won, now = best(trials), next(one for one in trials if one.round == 2)
    if won is None or now.model is None or won.model is None:
        raise TrainingFailed(f"group {group.name}: no training came to anything; give more time or memory")
    scores = {}
    if won is not now:
        for name, one, model in (("present", now, now.model), ("winner", won, won.model)):
            listener(f"comparing {name}", 1.0)
            scores[name] = score(model, data, asked(group, one.choice), tail)
    return Tuned(
        trials=tuple(trials),
        winner=won.choice,
        tail_from=rfc3339(grid.start(past.first + tail)),
        tail_steps=past.values.shape[1] - tail,
        scores=scores,
        change=ratio(scores["winner"], scores["present"]) - 1 if scores else 0.0,
    )


def until(data: Dataset, end: int, horizon: int) -> Dataset:
    """A history as it was before step ``end``."""
    count = end + horizon
    return replace(data, values=data.values[..., :end], calendar=data.calendar[:count], shift=data.shift[:count])


def trial(
    data: Dataset,
    group: Group,
    choice: Choice,
    turn: int,
    limit_s: float,
    elapsed_s: Callable[[], float],
    naive: Mapping[str, float],
) -> Trial:
    """Train from nothing, and judge as every training is judged; one that runs out of memory comes to nothing."""
    from forecaster.nets import fit
    from forecaster.nets.predictor import NetworkPredictor
    from forecaster.nets.score import ratio
    from forecaster.nets.weights import judged

    training = replace(group.training, budget_s=limit_s, seed=(group.training.seed + turn - 1) % 2**32)
    wanted = replace(asked(group, choice), training=training)
    began_s = elapsed_s()
    error, updates = math.nan, 0
    model: Predictor | None = None
    try:
        trained = fit.train(
            data, wanted, elapsed_s=lambda: elapsed_s() - began_s, progress=lambda _: None, version="tune"
        )
    except (MemoryError, RuntimeError) as trouble:
        if not out_of_memory(trouble):
            raise
        trained = None
    if trained is not None:
        error, updates = ratio(trained.scores["challenger"], naive), trained.updates
        model = NetworkPredictor.from_weights(judged(trained.weights), trained.shape, wanted, "tune")
    return Trial(
        choice=choice,
        round=turn,
        limit_s=limit_s,
        seconds=elapsed_s() - began_s,
        updates=updates,
        error=error,
        model=model,
    )


# --- what is said about it ---------------------------------------------------------------------------------------


def in_words(choice: Choice) -> str:
    """Settings in few words.

    >>> from forecaster.settings import Network
    >>> in_words(Choice(network=Network(dropout=0.1), lookback=336))
    'gru 1 × 64, dropout 0.1, lookback 336'
    """
    one = choice.network
    return f"{one.cell} {one.layers} × {one.hidden}, dropout {one.dropout:g}, lookback {choice.lookback}"


def told(found: Tuned, group: Group) -> RenderableType:
    """All trials, the winner in bold, and the verdict."""
    table = Table(box=box.SIMPLE_HEAD, title=f"tuning {group.name}", title_style="dim", title_justify="left")
    for title in ("round", "settings", "of naive", "s", ""):
        table.add_column(title, justify="left" if title in ("settings", "") else "right")
    for one in found.trials:
        error = f"{one.error:.4f}" if math.isfinite(one.error) else "failed"
        marks = {"now": one.choice == present(group), "best": one.choice == found.winner and one.round == 2}
        table.add_row(
            *(str(one.round), in_words(one.choice), error, f"{one.seconds:.0f}"),
            ", ".join(name for name, here in marks.items() if here),
            style="bold" if marks["best"] else "",
        )
    return Rows(table, Text(found.verdict, style="green" if found.better else "yellow"))


def next_steps(found: Tuned, group: Group, config: Path, evidence: Path, patch: Path) -> str:
    """What to do now."""
    if not found.better:
        return f"keep the configuration; all trials are in {evidence}"
    return (
        f"next: put the keys of {patch} into {config}, then: forecaster check {config} && "
        f"forecaster train {group.name} --config {config}\nall trials are in {evidence}"
    )


def patch_of(found: Tuned, group: Group) -> str:
    """The keys to change, as they stand in the configuration; the name quoted, as it may read as a number."""
    now, new = group.network, found.winner.network
    lines = [f"# forecaster tune {group.name}: {found.verdict}", "groups:", f"  {json.dumps(group.name)}:"]
    if found.winner.lookback != group.lookback:
        lines.append(f"    lookback: {found.winner.lookback}")
    changed = {key: value for key, value in asdict(new).items() if value != asdict(now)[key]}
    if changed:
        lines += ["    network:", *(f"      {key}: {value}" for key, value in changed.items())]
    return "\n".join(lines) + "\n"


def plain(found: Tuned, group: Group, budget_s: float) -> dict[str, object]:
    """The evidence as JSON has it; null for what is not known."""
    trials = [
        {
            **asdict(one.choice.network),
            "lookback": one.choice.lookback,
            "round": one.round,
            "limit_s": round(one.limit_s, 3),
            "seconds": round(one.seconds, 3),
            "updates": one.updates,
            "error_to_naive": one.error if math.isfinite(one.error) else None,
        }
        for one in found.trials
    ]
    return {
        "group": group.name,
        "budget_s": budget_s,
        "verdict": found.verdict,
        "better": found.better,
        "present": asdict(present(group)),
        "winner": asdict(found.winner),
        "tail": {"from": found.tail_from, "steps": found.tail_steps, "scores": found.scores},
        "trials": trials,
    }


def write(path: Path, text: str) -> None:
    """A whole file or none."""
    with whole_file(path) as file:
        file.write(text.encode())
