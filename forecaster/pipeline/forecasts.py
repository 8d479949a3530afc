"""Making the forecasts of a group: network, naive or a mixture, as they have come true, corrected by what came true.

::

    inputs ──► network, second opinion ──┐
       └─────► naives ────────────────────┴─► choice per bucket of leads ─► newest error ─► calibration ─► published
                        targets that have come teach choice and calibration (through the shadow)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from forecaster.inputs import Inputs
from forecaster.leads import buckets
from forecaster.pipeline.calibrate import Calibration
from forecaster.pipeline.choose import Choice, towards
from forecaster.pipeline.earlier import Earlier
from forecaster.pipeline.shadow import Said, Shadow
from forecaster.pipeline.table import Column, Table
from forecaster.ports import Predictor, youth
from forecaster.records import Array
from forecaster.settings import Group

SETTLED = 8
"""Seasons since its first reading until the naive ranges of a stream are more than a guess: so many values of a time of
the season the climatology asks for before it stands alone."""

COPIED = 8
"""A lookback has so many parts; after each, with hours after three and a half days, what was learned is copied."""


class Made(NamedTuple):
    """Forecasts of B streams.

    Attributes
    ----------
    quantiles
        As published, (B, H, Q); NaN for a stream never observed.
    naive
        Median of the best naive forecast, (B, H).
    sources
        What each bucket of leads comes from, a bit for the network and one for each naive forecast, int8 (B, K); see
        :meth:`Forecasts.told`.
    """

    quantiles: Array
    naive: Array
    sources: Array


Part = Calibration | Choice | Shadow


class Forecasts:
    """The predictors of a group, their carried states, and what has been learned about how far to trust them.

    Parameters
    ----------
    naives
        Forecasts that need no training, the first of them the one for a stream just begun.
    """

    def __init__(self, settings: Group, naives: Sequence[Predictor]) -> None:
        self._bounds = settings.bounds
        self._median = settings.levels.index(0.5)
        season = min(settings.seasons, default=1)
        young = youth(settings.seasons, settings.lookback) - 1 if settings.own_past else 0
        self._grown = settings.lookback - young  # steps of a window in which a grown stream was observed
        guessed = min(SETTLED * settings.season, settings.lookback // 2)
        self._settled = settings.lookback - guessed  # and one of which naive ranges are no guess
        self._naives = tuple(naives)
        self._network: Predictor | None = None
        leads = buckets(settings.horizon).values()
        self._bucket_of = np.repeat(np.arange(len(leads)), [bucket.stop - bucket.start for bucket in leads])
        self._calibration = Calibration(settings.levels, self._bucket_of, season)
        followed = tuple((bucket.start + 1 + bucket.stop) // 2 for bucket in leads)
        self._choice = Choice(followed, len(self._naives))
        self._shadow = Shadow(followed, len(settings.levels), len(self._naives))
        self._parts: dict[str, Part] = {
            "calibration": self._calibration,
            "choice": self._choice,
            "shadow": self._shadow,
        }
        self._earlier = Earlier(max(1, settings.lookback // COPIED))
        self._longest = max(followed)
        self._long_ago = settings.lookback // 2
        self._hidden, self._hidden_second = self._blank(0)

    @property
    def network(self) -> Predictor | None:
        """The model in service, None before the first."""
        return self._network

    @property
    def version(self) -> str:
        """Of the model in service."""
        return (self._network or self._naives[0]).version

    def add(self) -> int:
        """Slot of a new stream."""
        for part in self._parts.values():
            part.add()
        self._hidden_second.add()
        return self._hidden.add()

    def swap(self, network: Predictor | None) -> None:
        """Forecast with another network, its hidden states blank; see :meth:`walk`."""
        self._network = network
        self._hidden, self._hidden_second = self._blank(self._hidden.count)
        self._choice.unknown(slice(None))

    def blank(self, slots: Array) -> None:
        """Forget the hidden states of some streams."""
        self._hidden["hidden"][slots] = 0.0
        self._hidden_second["hidden"][slots] = 0.0

    def keep(self, index: int) -> None:
        """Step ``index`` is about to close: remember what had been learned by then, from time to time."""
        if self._earlier.due(index):
            self._earlier.keep(index, {"calibration": self._calibration.state(), "choice": self._choice.state()})

    def unlearn(self, slots: Array, first: int, index: int, most: int) -> tuple[int, int]:
        """Take back what was learned of some streams since before step ``first``; nothing was said from then on.

        Where it is not known any more how it was before, it is learned again from half a lookback before ``index``,
        the newest step, or stays as it is when that is more than ``most`` steps of work.

        Returns
        -------
        int, int
            Steps from which on forecasts are to be made again, and from which on what came is to be learned again:
            none but the newest, and nothing, where it would be more than ``most``.
        """
        self._shadow.drop(slots, first)
        since, learned = self._earlier.back(first) or (index - self._long_ago, {})
        few = index - since + self._longest <= most
        if few or learned:
            self._calibration.put(slots, learned.get("calibration", {}))
            self._choice.put(slots, learned.get("choice", {}))
        self._choice.unknown(slots)
        return (since - self._longest, since) if few else (index, index + 1)

    def walk(self, slots: Array, inputs: Inputs) -> None:
        """Advance the hidden states (B) by steps of the past, forecasting nothing."""
        if self._network is not None:
            hidden = self._hidden["hidden"]
            hidden[slots], _ = self._network.step(hidden[slots], inputs)

    def make(self, slots: Array, index: int, inputs: Inputs) -> Made:
        """Advance the hidden states by step ``index``, and forecast from its end."""
        naives = np.stack([one.step(one.initial_state(len(slots)), inputs)[1] for one in self._naives])  # (M, B, H, Q)
        ours, second = np.full_like(naives[0], np.nan), np.full(naives.shape[1:3], np.nan)
        young = np.zeros(len(slots), bool)
        if self._network is not None:
            ours, second = self._heard(self._network, slots, inputs)
            young = ~np.isfinite(inputs.values[:, 0, : self._grown]).any(-1)
            ours[young] = np.nan
        first = ours[..., self._median]  # (B, H)
        if np.isfinite(second).any():
            part = self._choice.second(slots)[:, self._bucket_of]
            ours = ours + (towards(second, part, first) - first)[..., None]
        shares = self._choice.shares(slots, np.isfinite(ours).all((1, 2)))  # (B, K, 1 + M)
        parts = np.moveaxis(shares[:, self._bucket_of], -1, 0)[..., None]  # (1 + M, B, H, 1)
        raw = np.where(parts > 0, parts * np.stack([ours, *naives]), 0.0).sum(0)  # (B, H, Q)
        horizon, mixed = raw.shape[1], raw[..., self._median]  # (B, H)
        moved = self._choice.moved(slots, index, mixed, raw[..., -1] - raw[..., 0])
        raw = raw + (towards(moved, self._choice.again(slots)[:, self._bucket_of], mixed) - mixed)[..., None]
        said = self._calibration.apply(slots, raw, index + 1 + np.arange(horizon) + inputs.shift[-horizon:])
        if self._bounds != (None, None):
            said = np.clip(said, *self._bounds)
        unsettled = ~np.isfinite(inputs.values[:, 0, : self._settled]).any(-1)
        guessed = (shares[..., 0] == 0) & unsettled[:, None]  # how wide a guess was teaches nothing that holds later
        taught = np.where(guessed[:, self._bucket_of, None], np.nan, raw)
        medians = np.moveaxis(naives[..., self._median], 0, -1)  # (B, H, M)
        self._shadow.issue(slots, index, Said(first, second, medians, taught, said, mixed, moved))
        sources = ((shares > 0) << np.arange(shares.shape[-1])).sum(-1).astype(np.int8)
        best = self._choice.best_naive(slots)[:, self._bucket_of, None]  # (B, H, 1)
        return Made(said, np.take_along_axis(medians, best, -1)[..., 0], sources)

    def _heard(self, network: Predictor, slots: Array, inputs: Inputs) -> tuple[Array, Array]:
        """What the network says, (B, H, Q), and the medians of its second opinion, (B, H), NaN where there is none."""
        hidden, hidden_second = self._hidden["hidden"], self._hidden_second["hidden"]
        hidden[slots], ours = network.step(hidden[slots], inputs)
        if network.second is None:
            return ours, np.full(ours.shape[:2], np.nan)
        hidden_second[slots], second = network.second.step(hidden_second[slots], inputs)
        return ours, second

    def mature(self, slots: Array, index: int, shift: int, truth: Array) -> None:
        """The values (B,) of step ``index`` have come: learn from what had been said for it.

        ``shift`` is how many steps the local clock is ahead of the grid's then.
        """
        said = self._shadow.said(slots, index)
        self._calibration.learn(slots, said.raw, said.corrected, truth, index + shift)
        self._choice.learn(slots, index, said, truth)

    def told(self, sources: Array) -> list[str]:
        """Names of what forecasts (B, K) come from: ``0007``, ``climatology``, or several joined by ``+``."""
        names = [self.version, *(naive.version for naive in self._naives)]
        rows = [tuple(row) for row in sources.tolist()]
        parts = {row: [name for code in row for i, name in enumerate(names) if code >> i & 1] for row in set(rows)}
        said = {row: "+".join(dict.fromkeys(found)) for row, found in parts.items()}
        return [said[row] for row in rows]

    def _blank(self, streams: int) -> tuple[Table, Table]:
        """Hidden states of the network, and of its second opinion."""
        network = self._network or self._naives[0]
        shapes = [part.initial_state(1).shape[1:] if part else (0,) for part in (network, network.second)]
        network_s, second_s = (Table({"hidden": Column(shape, np.float32, 0.0)}) for shape in shapes)
        for _ in range(streams):
            network_s.add()
            second_s.add()
        return network_s, second_s

    def state(self) -> dict[str, Array]:
        """Arrays for the snapshot."""
        parts = {name: part.state() for name, part in self._parts.items()}
        parts |= {
            "hidden": self._hidden.state(),
            "second": self._hidden_second.state(),
            "earlier": self._earlier.state(),
        }
        return {f"{part}-{name}": array for part, found in parts.items() for name, array in found.items()}

    def restore(self, state: Mapping[str, Array], *, same_network: bool) -> None:
        """Take over what :meth:`state` gave; the hidden states only when they are of the network in service."""
        for name, part in self._parts.items():
            part.restore(_of(state, name))
        self._earlier.restore(_of(state, "earlier"))
        if same_network:
            self._hidden, self._hidden_second = self._blank(0)
            self._hidden.restore(_of(state, "hidden"))
            self._hidden_second.restore(_of(state, "second"))
        else:
            self._choice.unknown(slice(None))


def _of(state: Mapping[str, Array], part: str) -> dict[str, Array]:
    return {name.split("-", 1)[1]: array for name, array in state.items() if name.startswith(f"{part}-")}
