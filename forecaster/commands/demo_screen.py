"""What a person sees of the demo: a panel that changes, or a line now and then where no person watches."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from forecaster.commands.plot import sparkline
from forecaster.commands.scrape import Numbers

SHADE = "grey50"

NAIVE = "seasonal_naive"
"""In service while there is no network."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Errors:
    """Mean absolute errors, in the unit of the data.

    Attributes
    ----------
    ours
        Of what was published.
    yesterday
        Of seasonal naive: the value one day before.
    usual
        Of the best naive forecast of each stream and lead: now, yesterday, or what that hour usually is.
    """

    ours: float
    yesterday: float
    usual: float


def better(ours: float, theirs: float) -> str:
    """How much smaller an error is.

    >>> better(3.0, 4.0), better(4.0, 3.2), better(4.0, 4.03)
    ('25% better', '25% worse', 'level')
    """
    change = abs(1 - ours / theirs)
    return "level" if change < 0.01 else f"{change:.0%} {'better' if ours < theirs else 'worse'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """The demo at one moment.

    Attributes
    ----------
    forecast
        Stream, and what was measured in the day before and is expected for the day ahead; None before the first.
    origin
        Of the newest forecast, RFC 3339; empty before the first.
    total
        Readings there are to replay.
    """

    numbers: Numbers
    forecast: tuple[str, list[float], list[float]] | None
    origin: str
    total: int
    homes: int
    horizon: int
    where: str
    topics: str
    zone: str

    @property
    def readings(self) -> int:
        """Readings taken so far."""
        return int(self.numbers.total("forecaster_samples_accepted_total"))

    @property
    def forecasts(self) -> int:
        """Forecasts made so far."""
        return int(self.numbers.total("forecaster_forecasts_published_total"))

    @property
    def model(self) -> str:
        """Version in service."""
        return next(iter(self.numbers.by("forecaster_model_info", "version")), NAIVE)

    @property
    def training(self) -> float:
        """Fraction of the training that runs; 0 when none does."""
        return self.numbers.total("forecaster_training_progress_ratio")

    @property
    def errors(self) -> Errors | None:
        """Rolling mean absolute errors over all leads; None before a day is scored."""
        weight = self.numbers.by("forecaster_forecasts_verified_total", "leads")
        mae, mase, skill = (
            self.numbers.by(f"forecaster_forecast_{name}", "leads") for name in ("mae", "error_mase", "skill_ratio")
        )
        leads = [lead for lead in mae if mase.get(lead, 0) > 0 and skill.get(lead, 1) < 1 and weight.get(lead, 0) > 0]
        total = sum(weight[lead] for lead in leads)
        if not total:
            return None
        return Errors(
            ours=sum(weight[lead] * mae[lead] for lead in leads) / total,
            yesterday=sum(weight[lead] * mae[lead] / mase[lead] for lead in leads) / total,
            usual=sum(weight[lead] * mae[lead] / (1 - skill[lead]) for lead in leads) / total,
        )

    @property
    def coverage(self) -> float | None:
        """Fraction of truths inside the 80 % range, mean over the buckets of leads; None before a day is scored."""
        inside = self.numbers.mean("forecaster_interval_coverage_ratio", level="0.8")
        return inside if self.errors else None


def line(look: Look) -> str:
    """One line for a log."""
    said = f"readings={look.readings} steps={look.numbers.total('forecaster_steps_closed_total'):.0f}"
    said += f" forecasts={look.forecasts} model={look.model} origin={look.origin or '-'}"
    if look.training:
        said += f" training={look.training:.0%}"
    if look.errors:
        errors = look.errors
        said += f" mae={errors.ours:.3f} seasonal_naive={errors.yesterday:.3f} best_naive={errors.usual:.3f}"
    return said


def panel(look: Look) -> RenderableType:
    """The live view."""
    rows = Table.grid(padding=(0, 2))
    rows.add_column(style=SHADE, no_wrap=True)
    rows.add_column()
    rows.add_row("time", _time(look))
    rows.add_row("in, out", _counts(look))
    rows.add_row("model", _model(look))
    rows.add_row("error", _error(look))
    if look.coverage is not None:
        rows.add_row("ranges", f"{look.coverage:.0%} of what came lay in the 80 % range")
    if look.forecast:
        rows.add_row(*_forecast(*look.forecast))
    rows.add_row("", "")
    rows.add_row("open", Text(look.where, style="underline"))
    rows.add_row("listen", Text(look.topics))
    title = f"[bold]forecaster[/] · {look.homes} real homes, hourly electricity, replayed over MQTT"
    return Panel(rows, title=title, title_align="left", border_style="blue", padding=(1, 2), subtitle="Ctrl-C stops")


def _time(look: Look) -> RenderableType:
    if not look.origin:
        return Text("waiting for the first hour", style=SHADE)
    moment = datetime.fromisoformat(look.origin).astimezone(ZoneInfo(look.zone))
    bar = Table.grid(padding=(0, 2))
    bar.add_row(f"{moment:%a %d %b %Y %H:00}", ProgressBar(total=look.total, completed=look.readings, width=30))
    return bar


def _counts(look: Look) -> Text:
    steps = int(look.numbers.total("forecaster_steps_closed_total"))
    return Text.assemble(
        (f"{look.readings:,}", "bold"), " readings   ", (f"{steps:,}", "bold"), " steps   ",
        (f"{look.forecasts:,}", "bold"), f" forecasts of {look.horizon} hours",
    )  # fmt: skip


def _model(look: Look) -> RenderableType:
    if look.model == NAIVE:
        name = Text("none yet: naive (the last value, the same hour of the days before)", style="yellow")
    else:
        name = Text.assemble(("recurrent network ", ""), (look.model, "bold green"))
    if not look.training:
        return name
    bar = Table.grid(padding=(0, 2))
    bar.add_row(name, Text("training the next", style=SHADE), ProgressBar(total=1.0, completed=look.training, width=16))
    return bar


def _error(look: Look) -> Text:
    if look.errors is None:
        return Text("not yet: forecasts are scored when their hours have come", style=SHADE)
    return compared(look.errors, look.model)


def compared(errors: Errors, model: str) -> Text:
    """Our error, and on lines of their own those of the naive forecasts that are not what we publish ourselves."""
    naive = {"same hour yesterday": errors.yesterday, "best naive forecast": errors.usual}
    if model == NAIVE:
        del naive["best naive forecast"]
    said = Text.assemble((f"{errors.ours:.3f}", "bold"), " kWh per hour")
    for name, error in naive.items():
        said.append(f"\n{name:<19} {error:.3f} ")
        said.append(better(errors.ours, error), "bold green" if errors.ours < error else "yellow")
    return said


def _forecast(stream: str, past: list[float], ahead: list[float]) -> tuple[str, RenderableType]:
    drawn = sparkline([*past, *ahead])
    return stream, Group(
        Text.assemble(
            (drawn[: len(past)], ""),
            (" ┊ ", SHADE),
            (drawn[len(past) :], "bold blue"),
        ),
        Text(f"{'the day before':>{len(past)}} ┊ the day ahead", style=SHADE),
    )


def summary(look: Look) -> RenderableType:
    """What was seen, at the end."""
    trainings = look.numbers.by("forecaster_training_runs_total", "outcome")
    promoted, rejected = (int(trainings.get(outcome, 0)) for outcome in ("promoted", "rejected"))
    steps = int(look.numbers.total("forecaster_steps_closed_total"))
    rows = Table.grid(padding=(0, 1))
    rows.add_column(style=SHADE)
    rows.add_column()
    rows.add_row(
        "seen",
        f"{look.readings:,} readings of {look.homes} homes, {steps:,} hours closed, "
        f"{look.forecasts:,} forecasts of {look.horizon} hours published; "
        f"networks trained: {promoted + rejected}, put into service: {promoted}",
    )
    if look.errors:
        rows.add_row("error", compared(look.errors, look.model))
    rows.add_row("next", "forecaster run configs/household.yaml, with the topics of your own sensors in it")
    return rows
