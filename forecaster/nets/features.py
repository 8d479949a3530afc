"""What the network is shown: one function for serving and for training.

A *strip* of ``W - 1 + T + H`` steps holds T origins; each origin sees the W steps up to itself, and H steps ahead only
of what is known ahead. Serving is a strip with one origin. Everything here is causal and needs no training pass, save
the usual range of the covariates.

Shape letters: **B** batch, **C** channels, **W** lookback, **T** origins, **H** horizon, **F** calendar features,
**I** inputs of a step, **J** features of a lead, **K** candidates.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from forecaster.inputs import Inputs
from forecaster.nets.phases import exponential, filled, latest, look, look_back, quantiles, same_phase
from forecaster.nets.shape import Shape
from forecaster.nets.smoothing import parts, trailing
from forecaster.nets.structural import structure
from forecaster.records import Array

SPREAD_LEVELS = (0.1, 0.5, 0.9)
"""Levels of the climatology: its median is a candidate, the others tell how widely that time of the season scatters."""

DOUBT = 3
"""Values that a first rough guess is worth: of the scale, and of how lively a time of the season is."""

MOST = 1000.0
"""Candidates further away, in units of the local scale, count as this far."""


class Strip(NamedTuple):
    """A run of steps with T origins.

    Attributes
    ----------
    values
        float64 (B, C, W - 1 + T + H), NaN for gaps and, in the last H columns, for what is not known ahead.
    calendar, shift
        As in :class:`forecaster.inputs.Inputs`, for the same steps.
    """

    values: Array
    calendar: Array
    shift: Array

    def part(self, steps: slice = slice(None), streams: slice | Array = slice(None)) -> Strip:
        """Some steps of some streams."""
        return Strip(self.values[streams, :, steps], self.calendar[steps], self.shift[steps])


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """What the network sees at T origins, in units of the local scale; of the leads only at T' of them.

    Attributes
    ----------
    inputs
        float32 (B, T, I), for the recurrent cell.
    candidates
        float32 (B, T', H, K): simple forecasts to choose from, NaN where absent. For each season: the value one, two
        and three seasons back, the mean of the last three and of the last seven, the median of up to 28; of a longer
        one also the mean of the last three, lifted by how much the last short season was above those then. Then what
        :mod:`forecaster.nets.smoothing` tells of each season, added and multiplied, and
        :mod:`forecaster.nets.structural` of short ones. Then the last value, and the level of the last season.
    leads
        float32 (B, T', H, J), what else is known about each lead; first of all how :func:`lively` that time is.
    location, scale
        float64 (B, T'): a value is ``location + scale * scaled``.
    known
        bool (B, T'): something was observed in the window.
    """

    inputs: Array
    candidates: Array
    leads: Array
    location: Array
    scale: Array
    known: Array


class Usual(NamedTuple):
    """Centre and spread of each channel in the training data, float64 (C,); the only thing not told by the window."""

    centre: Array
    spread: Array


def strip_of(inputs: Inputs) -> Strip:
    """One origin."""
    return Strip(np.concatenate([inputs.values, inputs.future], axis=-1), inputs.calendar, inputs.shift)


def extract(strip: Strip, shape: Shape, usual: Usual, every: int = 1) -> Features:
    """Everything the network is shown at each origin of a strip; of the leads at every so many-th origin."""
    values, calendar, shift = strip
    batch, _, length = values.shape
    origins = np.arange(shape.lookback - 1, length - shape.horizon)  # (T,)
    asked = slice(every - 1, None, every)
    leads = origins[asked, None] + np.arange(1, shape.horizon + 1)  # (T', H)
    past = values[..., : length - shape.horizon]

    shown = [spread_over(calendar[origins], batch)]
    ahead = [spread_over(calendar[leads], batch)]
    for channel in range(1, len(shape.channels)):
        now, then = covariate(values[:, channel], channel, origins, leads, shift, shape, usual)
        shown += now
        ahead += then

    if shape.own_past:
        own = own_past(past[:, 0], origins, leads, shift, shape, asked)
        shown, ahead = [*own.shown, *shown], [own.lively, own.scatter, *ahead]
        candidates, location, scale, known = own.candidates, own.location, own.scale, own.known
    else:
        location, scale = (np.full((batch, len(origins)), fixed[0]) for fixed in usual)
        candidates = np.empty((batch, *leads.shape, 0), np.float32)
        ahead = [np.ones((batch, *leads.shape, 1)), *ahead]
        known = trailing(np.isfinite(past).any(1), shape.lookback, len(origins)).max(-1)

    return Features(
        inputs=np.concatenate(shown, axis=-1, dtype=np.float32),
        candidates=candidates,
        leads=np.concatenate(ahead, axis=-1, dtype=np.float32),
        location=location[:, asked],
        scale=scale[:, asked],
        known=known[:, asked],
    )


class Own(NamedTuple):
    """What the target's own past tells; arrays as in :class:`Features`, location, scale and known at all T."""

    shown: list[Array]
    lively: Array
    scatter: Array
    candidates: Array
    location: Array
    scale: Array
    known: Array


def own_past(target: Array, origins: Array, leads: Array, shift: Array, shape: Shape, asked: slice) -> Own:
    """Candidates, local scale and the moving window of the target (B, W - 1 + T)."""
    seen = np.isfinite(target)
    whole = filled(target)
    location, dispersion, readings = level(whole, seen, shape)
    scale, pairs = spread(target, location, dispersion, readings, shift, shape)
    last, age = last_seen(whole, seen, origins, shape)

    def scaled(value: Array, which: slice = slice(None)) -> Array:
        """Into units of the local scale at some origins: (B, T', ...) to the same shape."""
        shape = (len(value), -1, *(1,) * (value.ndim - 2))
        unit = (value - location[:, which].reshape(shape)) / scale[:, which].reshape(shape)
        return np.clip(unit, -MOST, MOST)

    simple, scatter, number = choices(target, origins[asked], leads, shift, shape)  # (B, T', H, K)
    window = trailing(target, shape.recent, len(origins))
    ratios = [location / scale * 0.1, np.log1p(dispersion / scale), np.log1p(age), np.log1p(pairs) * 0.1]
    shown = [soft(scaled(window)), np.isfinite(window), soft(np.stack(ratios, axis=-1))]
    smooth = []
    for domain in (linear, logarithms) if shape.smoothed else ():
        series, undo = domain(target)
        for season in shape.smoothed:
            part = parts(series, season, shift, shape.lookback, len(origins))
            smooth.append(undo(part.ahead(leads, origins[asked, None], asked, shift)))
            heights = np.concatenate([0 * part.level, part.slope * season, part.drift * season], axis=-1)
            shown += [soft(scaled(undo(part.level + heights))), filled(part.trust)]
            if season == shape.season:
                shown.append(soft(scaled(undo(part.adjusted[..., -shape.recent :]))))

    widths = [scatter]
    for season in shape.structural:
        model = structure(target, season, shape.lookback, shape.horizon, asked, len(origins))
        smooth.append(model.candidates)
        widths.append(model.spread[..., None])
        shown += [model.posterior, np.log1p(model.error / scale)[..., None]]

    flat = np.stack([last, np.where(readings > 0, location, np.nan)], axis=-1)[:, asked, None]  # (B, T', 1, 2)
    flat = np.repeat(flat, shape.horizon, axis=2)
    return Own(
        shown=shown,
        lively=lively(scatter[..., :2].sum(-1) / scale[:, asked, None], number)[..., None],
        scatter=soft(np.concatenate(widths, axis=-1) / scale[:, asked, None, None]),
        candidates=scaled(np.concatenate([simple, *smooth, flat], axis=-1), asked).astype(np.float32),
        location=location,
        scale=scale,
        known=readings > 0,
    )


def linear(series: Array) -> tuple[Array, Callable[[Array], Array]]:
    """A series whose season adds, and the way back."""
    return series, lambda value: value


def logarithms(series: Array) -> tuple[Array, Callable[[Array], Array]]:
    """A series whose season multiplies, and the way back; what is not positive is a gap."""
    return np.log(np.where(series > 0, series, np.nan)), exponential


def level(whole: Array, seen: Array, shape: Shape) -> tuple[Array, Array, Array]:
    """Mean over the last season, mean distance from it, and the readings in the window; each (B, T).

    Where the last season was silent, over the whole window.
    """
    count = whole.shape[-1] - shape.lookback + 1
    span = min(shape.lookback, max(4, shape.season))
    readings = trailing(seen, shape.lookback, count).sum(-1)
    values, weights = trailing(whole, span, count), trailing(seen, span, count)
    number = weights.sum(-1)
    mean = values.sum(-1) / np.maximum(number, 1)
    distance = (np.abs(values - mean[..., None]) * weights).sum(-1) / np.maximum(number, 1)
    silent = (number == 0) & (readings > 0)
    if silent.any():
        mean[silent] = trailing(whole, shape.lookback, count)[silent].sum(-1) / readings[silent]
    return mean, distance, readings


def spread(
    target: Array, location: Array, dispersion: Array, readings: Array, shift: Array, shape: Shape
) -> tuple[Array, Array]:
    """Mean absolute difference of values one season apart, over the window; and how many there were. Each (B, T).

    This is what a seasonal naive forecast errs by, so a residual in this unit is of the order of 1. A few readings
    are not trusted alone: the distance from the level, or the level itself after a single reading, counts as
    three differences more.
    """
    width = target.shape[-1]
    season = shape.season
    count = width - shape.lookback + 1
    steps = np.arange(season, width)
    change = np.abs(target[:, season:] - look(target, same_phase(steps, 1, season, shift)))
    pairs = trailing(np.isfinite(change), shape.lookback - season, count).sum(-1)
    total = trailing(filled(change), shape.lookback - season, count).sum(-1)
    guess = np.where(readings > 1, dispersion, np.abs(location))
    return np.maximum((total + DOUBT * guess) / (pairs + DOUBT), 1e-6 * np.abs(location) + 1e-9), pairs


def lively(scatter: Array, number: Array) -> Array:
    """How far values at a time of the season lie apart, in units of the local scale, but never more than 1.

    At night a solar plant does not err as by day: what the network adds to its choice is in this unit. Few values are
    not trusted alone: 1 counts as three more.

    Examples
    --------
    >>> lively(np.array([0.0, 0.0, 0.8, 2.0]), number=np.array([0, 27, 27, 27])).round(2)
    array([1.  , 0.1 , 0.82, 1.  ])
    """
    return np.minimum((number * filled(scatter) + DOUBT) / (number + DOUBT), 1.0)


def last_seen(whole: Array, seen: Array, origins: Array, shape: Shape) -> tuple[Array, Array]:
    """Newest observed value of each window, NaN when none, and the steps since then (W when none); each (B, T)."""
    steps = np.where(seen, np.arange(seen.shape[-1], dtype=np.int32), np.int32(-shape.lookback))
    newest = np.maximum.accumulate(steps, axis=-1)[:, origins]  # (B, T)
    age = np.minimum(origins - newest, shape.lookback)
    value = np.take_along_axis(whole, np.maximum(newest, 0), -1)
    return np.where(age < shape.lookback, value, np.nan), age


def choices(target: Array, origins: Array, leads: Array, shift: Array, shape: Shape) -> tuple[Array, Array, Array]:
    """The seasonal candidates of each lead, and how widely that time of the season scatters; NaN where not observed.

    Returns
    -------
    candidates, scatter, number
        float64 (B, T, H, K - 2), and (B, T, H, 2 per season): distance of two quantiles from the median; and of how
        many values, for the shortest season, (B, T, H).
    """
    batch = len(target)
    number = np.zeros((batch, *leads.shape), np.int64)
    columns, widths = [np.empty((batch, *leads.shape, 0))], [np.empty((batch, *leads.shape, 0))]
    for season in shape.usable:
        source = latest(leads, origins[:, None], season, shift)  # (T, H)
        needed, back = np.unique(source, return_inverse=True)  # neighbouring origins share most of them
        table = look_back(target, needed, season, shift, shape.blocks(season))  # (B, U, blocks)
        low, middle, high = np.moveaxis(quantiles(table, SPREAD_LEVELS), -1, 0)
        means = [mean_seen(table[..., :few]) for few in (3, 7) if few <= table.shape[-1]]
        kinds = np.stack([*np.moveaxis(table[..., :3], -1, 0), *means, middle], axis=-1)
        scatter = np.stack([middle - low, high - middle], axis=-1)
        back = back.reshape(leads.shape)
        columns.append(kinds[:, back])  # (B, T, H, kinds)
        widths.append(scatter[:, back])
        if season == shape.season:
            number = np.isfinite(table).sum(-1)[:, back]
        if few := shape.lifted(season):
            before = np.stack([same_phase(origins, k, season, shift) for k in range(1, few + 1)], axis=-1)  # (T, few)
            then = mean_seen(mean_until(target, before, shape.season))
            risen = mean_until(target, origins, shape.season) - then  # (B, T)
            columns.append((mean_seen(table[..., :few])[:, back] + risen[..., None])[..., None])
    return np.concatenate(columns, axis=-1), np.concatenate(widths, axis=-1), number


def mean_until(target: Array, steps: Array, season: int) -> Array:
    """Mean over the season that ends with each step, (B, ...); NaN where less than half of it was observed."""
    window = look(target, steps[..., None] - np.arange(season))
    return np.where(np.isfinite(window).sum(-1) >= season / 2, mean_seen(window), np.nan)


def mean_seen(sample: Array) -> Array:
    """Mean along the last axis of what was observed, NaN when nothing was."""
    number = np.isfinite(sample).sum(-1)
    return np.where(number > 0, filled(sample).sum(-1) / np.maximum(number, 1), np.nan)


def covariate(
    values: Array, channel: int, origins: Array, leads: Array, shift: Array, shape: Shape, usual: Usual
) -> tuple[list[Array], list[Array]]:
    """Inputs and lead features of one covariate, given its values (B, W - 1 + T + H) on the strip."""
    role = shape.channels[channel]
    unit = (values - usual.centre[channel]) / usual.spread[channel]
    seen = np.isfinite(unit[:, : origins[-1] + 1])
    whole = filled(unit[:, : origins[-1] + 1])
    last, age = last_seen(whole, seen, origins, shape)
    shown = [soft(last)[..., None], (age < shape.lookback)[..., None]]
    if role == "static":
        return shown, []
    span = min(shape.lookback, max(4, shape.season))
    number = trailing(seen, span, len(origins)).sum(-1)
    mean = trailing(whole, span, len(origins)).sum(-1) / np.maximum(number, 1)
    shown += [soft(np.where(number > 0, last - mean, np.nan))[..., None], np.log1p(age)[..., None] * 0.2]
    if role == "past":
        return shown, []
    then = unit[:, leads]  # (B, T, H)
    before = look(unit, latest(leads, leads[:, :1] - 1, shape.season, shift))
    ahead = np.stack([soft(then), soft(then - before), np.isfinite(then)], axis=-1)
    return shown, [ahead]


def soft(value: Array) -> Array:
    """A logarithm, so an outlier does not shout; a gap is 0, and told by its mask."""
    whole = filled(value)
    return np.copysign(np.log1p(np.abs(whole)), whole)


def spread_over(rows: Array, batch: int) -> Array:
    """The same rows for each stream: (...) to (B, ...)."""
    return np.broadcast_to(rows, (batch, *rows.shape))
