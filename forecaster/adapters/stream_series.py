"""Per-stream metrics as text, for the few groups and streams they are switched on for.

The lines are written by hand with prefixes built once: with 100 000 series that takes 0.1 s a scrape, where objects
per series took 2 to 3 s and held the interpreter all the while.
"""

from __future__ import annotations

import numpy as np

from forecaster.records import Array, Closed, Issued
from forecaster.settings import Group, Settings

VALUE = "forecaster_stream_value"
FORECAST = "forecaster_stream_forecast"
HELP = {
    VALUE: "Value of the last closed step, in the unit of the stream; NaN for a gap.",
    FORECAST: "Newest forecast, at the nearest and the farthest lead, per level.",
}


class StreamSeries:
    """Last value and newest forecast of the streams of one group, first come first served.

    Parameters
    ----------
    group
        Its streams are told; covariates are not.
    """

    def __init__(self, group: Group) -> None:
        self.group = group
        self.leads = sorted({1, group.horizon})
        self.slots: dict[str, int] = {}
        self._seen: set[str] = set()
        self._values: list[float] = []
        self._forecasts: list[list[float]] = []  # len(leads) * Q numbers per stream
        self._value_prefixes: list[str] = []
        self._forecast_prefixes: list[list[str]] = []

    def take(self, effect: Closed | Issued, room: int) -> None:
        """Keep what is new of an effect, with room for so many streams more."""
        names = effect.series if isinstance(effect, Closed) else effect.streams
        for name in names:
            if room <= 0:
                break
            if name not in self.slots and not name.startswith("~"):  # a covariate: closed, never forecast
                self._add(name)
                room -= 1
        # an effect may name 100 000 streams of which a hundred are told: no loop over them beyond this line
        rows = dict(zip(names, range(len(names)), strict=True))
        told = [(slot, rows[name]) for name, slot in self.slots.items() if name in rows]
        for slot, row in told:
            if isinstance(effect, Closed):
                self._values[slot] = float(effect.values[row])
            else:
                self._forecasts[slot] = self._picked(effect.quantiles[row])
        if isinstance(effect, Issued):
            self._seen.update(names)

    @property
    def omitted(self) -> int:
        """Streams that are forecast and not told."""
        return len(self._seen - self.slots.keys())

    def lines(self, family: str) -> list[str]:
        """Lines of one family, in the Prometheus text format, without HELP and TYPE."""
        # the engine adds to the end of these lists while we read; zip stops at the shortest
        if family == VALUE:
            return [prefix + number(value) for prefix, value in zip(self._value_prefixes, self._values, strict=False)]
        return [
            prefix + number(value)
            for prefixes, values in zip(self._forecast_prefixes, self._forecasts, strict=False)
            for prefix, value in zip(prefixes, values, strict=False)
        ]

    def _picked(self, quantiles: Array) -> list[float]:
        """Of (H, Q), the leads we tell, flat."""
        numbers: list[float] = quantiles[np.array(self.leads) - 1].ravel().tolist()
        return numbers

    def _add(self, name: str) -> int:
        labels = f'group="{escaped(self.group.name)}",stream="{escaped(name)}"'
        self._values.append(float("nan"))
        self._forecasts.append([])
        self._value_prefixes.append(f"{VALUE}{{{labels}}} ")
        self._forecast_prefixes.append(
            [
                f'{FORECAST}{{{labels},leads="{lead}",level="{level:g}"}} '
                for lead in self.leads
                for level in self.group.levels
            ]
        )
        self.slots[name] = slot = len(self.slots)
        return slot


class AllStreamSeries:
    """The per-stream metrics of all groups they are switched on for, under one limit."""

    def __init__(self, settings: Settings) -> None:
        self._limit = settings.metrics.max_streams
        self._groups = {name: StreamSeries(settings.group(name)) for name in settings.metrics.per_stream}

    @property
    def omitted(self) -> int:
        """Streams that are not told because the limit is reached."""
        return sum(series.omitted for series in self._groups.values())

    def take(self, effect: Closed | Issued) -> None:
        """Keep what is new of an effect, when its group is one of ours."""
        if series := self._groups.get(effect.group):
            series.take(effect, self._limit - sum(len(one.slots) for one in self._groups.values()))

    def render(self) -> str:
        """Both families in the Prometheus text format; empty when no group has them switched on."""
        if not self._groups:
            return ""
        lines = []
        for family, text in HELP.items():
            lines += [f"# HELP {family} {text}", f"# TYPE {family} gauge"]
            for series in self._groups.values():
                lines += series.lines(family)
        return "\n".join(lines) + "\n"


def escaped(label: str) -> str:
    r"""A label value as it stands between quotes.

    >>> print(escaped('a"b'))
    a\"b
    """
    return label.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def number(value: float) -> str:
    """A sample value in the Prometheus text format.

    >>> number(0.25), number(float("nan"))
    ('0.25', 'NaN')
    """
    return "NaN" if value != value else repr(value)
