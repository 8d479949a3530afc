"""Forecasts as pictures: a fan chart for files, a sparkline for terminals."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from forecaster.errors import BadInput
from forecaster.records import Array

PAPER, INK, FAINT, GRID, FAN = "#fcfbf8", "#28323c", "#7d868e", "#e6e3dc", "#2c6fb3"
BLOCKS = "▁▂▃▄▅▆▇█"


def sparkline(values: Sequence[float] | Array) -> str:
    """A row of block characters, lowest to highest; a gap is a blank.

    Examples
    --------
    >>> sparkline([0, 1, 2, float("nan"), 7])
    '▁▂▃ █'
    >>> sparkline([5, 5])
    '▄▄'
    """
    row = np.asarray(values, dtype=np.float64)
    seen = row[np.isfinite(row)]
    if not seen.size:
        return " " * row.size
    low, spread = seen.min(), np.ptp(seen)
    heights = (row - low) / spread * (len(BLOCKS) - 1) if spread else np.where(np.isfinite(row), 3.0, np.nan)
    return "".join(BLOCKS[round(height)] if np.isfinite(height) else " " for height in heights)


def require_picture(path: Path) -> None:
    """Refuse what cannot be drawn, before there is anything to draw.

    Raises
    ------
    BadInput
        matplotlib is not installed, or the file name ends in something else than ``.png`` or ``.svg``.
    """
    if find_spec("matplotlib") is None:
        raise BadInput("drawing needs matplotlib: pip install 'forecaster[plot]'")
    if path.suffix not in (".png", ".svg"):
        raise BadInput(f"{path}: a picture ends in .png or .svg")


def fan(
    path: Path | str,
    *,
    history_times: Array,
    history_values: Array,
    forecast_times: Array,
    quantiles: Array,
    levels: Sequence[float],
    truth: Array | None = None,
    title: str = "",
    unit: str = "",
    zone: str = "UTC",
) -> None:
    """Draw one forecast: the past as a line, the forecast as nested bands about its median, the truth as dots.

    Parameters
    ----------
    path
        Where to; ``.png`` or ``.svg``.
    history_times, history_values
        Starts of the steps before the origin, epoch milliseconds (T,), and their values (T,), NaN for gaps.
    forecast_times, quantiles
        Starts of the steps of the leads, epoch milliseconds (H,), and the forecast (H, Q), increasing along Q.
    levels
        The Q levels; each pair symmetric about 0.5 becomes a band.
    truth
        What came, (H,), NaN where nothing did; None: not known yet.
    title, unit
        Above the picture.
    zone
        Dates and hours are those of this time zone.

    Raises
    ------
    BadInput
        matplotlib is not installed, or the file name ends in something else.
    """
    path = Path(path)
    require_picture(path)
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    past, ahead = _moments(history_times), _moments(forecast_times)
    # svg.hashsalt: the same forecast gives the same bytes
    with rc_context({"font.family": "DejaVu Sans", "font.size": 9.5, "text.color": INK, "svg.hashsalt": "fan"}):
        figure = Figure(figsize=(10.5, 4.6), facecolor=PAPER, layout="constrained")
        axes: Any = figure.add_subplot(facecolor=PAPER)
        _bands(axes, ahead, quantiles, levels)
        axes.plot(past, history_values, color=INK, linewidth=1.1, solid_joinstyle="round", zorder=3, label="measured")
        if truth is not None:
            axes.plot(ahead, truth, color=INK, linewidth=0.6, alpha=0.45, zorder=5)
            size = dot(len(ahead))
            dots = {"markersize": size, "markeredgecolor": PAPER, "markeredgewidth": size / 6}
            axes.plot(ahead, truth, "o", color=INK, zorder=6, label="what came", **dots)
        axes.axvline(ahead[0], color=FAINT, linewidth=0.8, linestyle=(0, (4, 3)), zorder=1)
        _furnish(axes, title, unit)
        _dates(axes, past if len(past) else ahead, ahead, zone)
        figure.savefig(path, dpi=160, metadata={"Date": None} if path.suffix == ".svg" else None)


def dot(leads: int) -> float:
    """Diameter of a dot, in points: many must not hide the median they lie on.

    >>> dot(48), dot(288), dot(1440)
    (4.0, 2.2, 2.2)
    """
    return min(4.0, max(2.2, 400 / leads))


def _moments(times_ms: Array) -> Array:
    """Epoch milliseconds (T,) as datetime64."""
    return np.asarray(times_ms, dtype="int64").astype("datetime64[ms]")


def _bands(axes: Any, times: Array, quantiles: Array, levels: Sequence[float]) -> None:
    """Central intervals from the widest to the narrowest, then the median."""
    columns = {round(level, 6): index for index, level in enumerate(levels)}
    lower = [level for level in sorted(columns) if level < 0.5 and round(1 - level, 6) in columns]
    for depth, level in enumerate(lower):
        low, high = quantiles[:, columns[level]], quantiles[:, columns[round(1 - level, 6)]]
        label = f"{100 * (1 - 2 * level):.3g} % range"
        axes.fill_between(times, low, high, color=FAN, alpha=_tone(depth), linewidth=0, label=label, zorder=2)
    if 0.5 in columns:
        axes.plot(times, quantiles[:, columns[0.5]], color=FAN, linewidth=1.9, label="median", zorder=4)


def _tone(depth: int) -> float:
    """Opacity of the band at this depth, counted from the widest."""
    return 0.16 + 0.10 * depth


def _furnish(axes: Any, title: str, unit: str) -> None:
    """Title, legend and quiet axes; from zero when zero is near."""
    low, high = axes.get_ylim()
    if 0 < low < 0.4 * high or low < 0 <= axes.dataLim.y0:
        axes.set_ylim(bottom=0)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(FAINT)
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", length=0, colors=FAINT, pad=6)
    axes.margins(x=0.01)
    axes.set_title(title, loc="left", fontsize=12, fontweight="bold", pad=30)
    axes.set_ylabel(unit, color=FAINT)
    place = {"loc": "lower left", "bbox_to_anchor": (-0.008, 1.0), "borderaxespad": 0.2}
    legend = axes.legend(ncols=6, frameon=False, labelcolor=FAINT, handlelength=1.3, columnspacing=1.4, **place)
    through = 1.0
    for depth, swatch in enumerate(legend.get_patches()):  # bands lie on each other; so must their swatches
        through *= 1 - _tone(depth)
        swatch.set_alpha(1 - through)


def _dates(axes: Any, past: Array, ahead: Array, zone: str) -> None:
    """Local dates a person reads at once: days by name where days are what is seen."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, DayLocator, HourLocator, num2date

    local = ZoneInfo(zone)
    days = int((ahead[-1] - past[0]) / np.timedelta64(1, "D"))
    if 2 <= days <= 20:
        axes.xaxis.set_major_locator(DayLocator(interval=1 + days // 10, tz=local))
        axes.xaxis.set_minor_locator(HourLocator(range(6, 24, 6) if days <= 10 else (12,), tz=local))
        axes.xaxis.set_major_formatter(lambda value, _: _day(num2date(value, local)))
    else:
        locator = AutoDateLocator(tz=local, minticks=4, maxticks=10)
        axes.xaxis.set_major_locator(locator)
        # from years down to seconds; the second list where a larger unit begins
        plain, turning = (
            ["%Y", "%b", "%d", "%H:%M", "%H:%M", "%H:%M:%S"],
            ["", "%Y", "%d %b", "%d %b", "%H:%M", "%H:%M"],
        )
        form = ConciseDateFormatter(locator, tz=local, formats=plain, zero_formats=turning, show_offset=False)
        axes.xaxis.set_major_formatter(form)
    axes.tick_params(axis="x", which="major", length=5, color=FAINT, labelcolor=INK, pad=5)
    axes.tick_params(axis="x", which="minor", length=2.5, color=FAINT)
    origin = datetime.fromtimestamp(ahead[0].astype("int64") / 1000, local)
    axes.set_xlabel(f"forecast of {_day(origin)} {origin:%Y, %H:%M}, {zone}", loc="right", color=FAINT, fontsize=8.5)


def _day(moment: datetime) -> str:
    """``Mon 17 Jun``."""
    return f"{moment:%a} {moment.day} {moment:%b}"
