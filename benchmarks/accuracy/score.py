"""From forecasts on disk to one row of results.

Shape letters: **N** forecasts, **H** horizon, **Q** levels, **R** series.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.accuracy import measures
from benchmarks.accuracy.quantiles import chunks
from benchmarks.accuracy.task import Task
from forecaster.leads import buckets
from forecaster.records import Array

PINBALL = (0.1, 0.5, 0.9)
"""Levels over which the quantile loss is averaged."""

NOTHING = 1e-6
"""Part of the mean error that is as good as none."""

PER_LEAD = ("count", "mae", "mse", "pinball", "coverage80", "width80", "coverage95", "width95")
PER_FORECAST = ("smape", "mape", "mase", "msis")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scored:
    """All that is to be known of one method on one task.

    Attributes
    ----------
    measures
        By name; NaN where it does not apply.
    buckets
        The measures that are told per bucket of leads, by the name of the bucket.
    streams
        float64 (R,), mean absolute error of each series; NaN where nothing was forecast.
    errors
        float64 (N,), what skill compares, of each forecast: the MASE in competitions, whose streams differ in size,
        else the sum of absolute errors. NaN where nothing was forecast.
    missing
        Part of the targets that are known and were not forecast.
    """

    measures: dict[str, float]
    buckets: dict[str, dict[str, float]]
    streams: Array
    errors: Array
    missing: float


def score(task: Task, paths: Sequence[Path], leads: int | None = None) -> Scored:
    """Score the forecasts of a file, or the median over several, at the first so many leads (None: all).

    ``mae``, ``mse``, ``pinball`` and the widths are means over all targets, in the unit of the data, or in standard
    deviations where the task says so; ``smape``, ``mape``, ``mase`` and ``msis`` are means over forecasts of means over
    leads.
    """
    horizon = leads or task.dataset.horizon
    levels = task.group.levels
    scale = task.scale() / task.unit
    sums = np.zeros((len(PER_LEAD), horizon))
    single = np.full((len(PER_FORECAST), len(task.rows)), np.nan)
    absolute, sizes = np.full((2, len(task.rows)), np.nan)
    known = 0
    for which, found in chunks(paths):
        rows = task.rows[which]
        unit = task.unit[rows, None]
        truth = task.truth(which)[:, :horizon] / unit  # (n, H)
        quantiles = found[:, :horizon] / unit[..., None]  # (n, H, Q)
        known += int(np.isfinite(truth).sum())
        median = quantiles[..., levels.index(0.5)]
        error = np.abs(truth - median)
        low80, high80 = quantiles[..., levels.index(0.1)], quantiles[..., levels.index(0.9)]
        low95, high95 = quantiles[..., levels.index(0.025)], quantiles[..., levels.index(0.975)]
        three = np.stack([low80, median, high80], -1)
        per_lead = (
            np.where(np.isfinite(error), 1.0, np.nan),
            error,
            error**2,
            measures.pinball(truth, three, np.array(PINBALL)),
            inside(truth, low80, high80),
            width(truth, low80, high80),
            inside(truth, low95, high95),
            width(truth, low95, high95),
        )
        sums += np.nansum(np.stack(per_lead), axis=1)
        single[:, which] = (
            measures.smape(truth, median),
            measures.mape(truth, median),
            measures.mase(truth, median, scale[rows]),
            measures.msis(truth, low95, high95, scale[rows]),
        )
        absolute[which] = measures.mean(error, -1)
        sizes[which] = absolute[which] * np.isfinite(error).sum(-1)
    official = task.dataset.protocol == "official"
    relative = dict(zip(PER_FORECAST, measures.mean(single, 1).tolist(), strict=True))
    if not official:
        relative |= {"mape": float("nan"), "msis": float("nan")}
    if task.dataset.protocol in ("long_horizon", "online"):
        relative["smape"] = float("nan")
    return Scored(
        measures=means(sums) | relative,
        buckets=in_buckets(sums),
        errors=single[PER_FORECAST.index("mase")] if official else sizes,
        streams=np.array([measures.mean(absolute[task.rows == row]) for row in range(len(task.unit))]),
        missing=1 - float(sums[0].sum()) / max(known, 1),
    )


def inside(truth: Array, low: Array, high: Array) -> Array:
    """1 in the interval, 0 outside, NaN where one of them is not known."""
    return np.where(np.isfinite(truth + low + high), (low <= truth) & (truth <= high), np.nan)


def width(truth: Array, low: Array, high: Array) -> Array:
    """Of the interval, where the truth is known."""
    return np.where(np.isfinite(truth), high - low, np.nan)


def means(sums: Array) -> dict[str, float]:
    """Means over some leads, sums (measures, leads); NaN where a method has no intervals."""
    count, *totals = sums.sum(1).tolist()
    found = {name: total / count if count else float("nan") for name, total in zip(PER_LEAD[1:], totals, strict=True)}
    if not found["width95"] > 0:  # points only: nothing finite was summed
        found |= dict.fromkeys(("pinball", "coverage80", "width80", "coverage95", "width95"), float("nan"))
    return found


def in_buckets(sums: Array) -> dict[str, dict[str, float]]:
    """Means per bucket of leads, sums (measures, H)."""
    found = {}
    for name, leads in buckets(sums.shape[1]).items():
        some = means(sums[:, leads])
        found[name] = {key: some[key] for key in ("mae", "pinball", "coverage80", "width80", "coverage95", "width95")}
    return found


def skill(own: Scored, opponents: Sequence[Scored]) -> float:
    """1 − error over that of the better opponent, where both made a forecast."""
    there = np.isfinite(own.errors) & np.all([np.isfinite(one.errors) for one in opponents], axis=0)
    best = min((float(one.errors[there].sum()) for one in opponents), default=float("nan"))
    return 1 - float(own.errors[there].sum()) / best if best > 0 else float("nan")


def worse(task: Task, own: Scored, other: Scored, slack: float = 0.01) -> int:
    """How many streams have an error more than this part above the other's, where both made a forecast.

    Of a stream that stands still the other may have no error at all; a millionth of the mean over all streams is none.
    """
    there = np.isfinite(own.errors) & np.isfinite(other.errors)
    mine, others = (np.bincount(task.rows[there], one.errors[there]) for one in (own, other))
    return int((mine > (1 + slack) * others + NOTHING * others.mean()).sum())
