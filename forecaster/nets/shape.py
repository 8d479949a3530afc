"""What a network is built for, as plain values that travel with its weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import cast

from forecaster.errors import ModelError, ModelMismatch
from forecaster.nets.phases import BLOCKS
from forecaster.nets.smoothing import reach
from forecaster.nets.structural import depth
from forecaster.settings import COLUMNS, Cell, Group, Role

RECENT = 24
"""Most values of the recent past that are shown one by one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """All that is needed to build a network again.

    Attributes
    ----------
    cell, layers, hidden, members, dropout
        As in :class:`forecaster.settings.Network`.
    horizon, levels, seasons, calendar, lookback, own_past
        As in :class:`forecaster.settings.Group`.
    channels
        Role of each input channel, target first.
    features
        F, columns of the calendar.
    """

    cell: Cell
    layers: int
    hidden: int
    members: int
    dropout: float
    horizon: int
    levels: tuple[float, ...]
    seasons: tuple[int, ...]
    calendar: tuple[str, ...]
    lookback: int
    own_past: bool
    channels: tuple[Role, ...]
    features: int

    @property
    def middle(self) -> int:
        """Number of the median among the levels."""
        return self.levels.index(0.5)

    @property
    def season(self) -> int:
        """The smallest season that fits the lookback twice; 1 when none does."""
        return next(iter(self.usable), 1)

    @property
    def usable(self) -> tuple[int, ...]:
        """Seasons of which the lookback holds at least two."""
        return tuple(season for season in self.seasons if 2 * season <= self.lookback)

    @property
    def smoothed(self) -> tuple[int, ...]:
        """Seasons of which the lookback holds enough to take a series apart."""
        return tuple(season for season in self.seasons if reach(season) <= self.lookback)

    @property
    def hour(self) -> int | None:
        """Column of the calendar that has the sine of the time of the day, the cosine beside it."""
        before = self.calendar[: self.calendar.index("hour")] if "hour" in self.calendar else None
        return None if before is None else sum(COLUMNS[feature] for feature in before)

    @property
    def structural(self) -> tuple[int, ...]:
        """Seasons short enough, and known for long enough, for structural models."""
        return tuple(season for season in self.seasons if depth(season, self.lookback))

    @property
    def recent(self) -> int:
        """Length of the moving window of single values."""
        return min(self.lookback, max(4, self.season), RECENT)

    @property
    def warmup(self) -> int:
        """Steps after which a state built from nothing is as good as one carried for ever."""
        return max(RECENT, 2 * self.season)

    def lifted(self, season: int) -> int:
        """How many seasons back, at most three, a longer season is compared with now by the level of the shortest."""
        before = self.season + self.season // 24 + 1  # and the clock may have changed by an hour
        return min(3, (self.lookback - before) // season) if season > self.season else 0

    def blocks(self, season: int) -> int:
        """How many seasons of that length are looked back."""
        return min(BLOCKS, self.lookback // season)


def shape_of(group: Group, features: int) -> Shape:
    """The shape a group asks for, given the width of its calendar."""
    return Shape(
        cell=group.network.cell,
        layers=group.network.layers,
        hidden=group.network.hidden,
        members=group.network.members,
        dropout=group.network.dropout,
        horizon=group.horizon,
        levels=group.levels,
        seasons=group.seasons,
        calendar=group.calendar,
        lookback=group.lookback,
        own_past=group.own_past,
        channels=group.channels,
        features=features,
    )


def to_json(shape: Shape) -> dict[str, object]:
    """Plain JSON values, and the warm-up for people to read."""
    plain = {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(shape).items()}
    return plain | {"warmup": shape.warmup}


def from_json(plain: Mapping[str, object]) -> Shape:
    """The shape written by :func:`to_json`.

    Raises
    ------
    ModelError
        When a value is missing.
    """
    missing = [field.name for field in fields(Shape) if field.name not in plain]
    if missing:
        raise ModelError(f"the model's shape lacks {', '.join(missing)}; retrain the group")
    known = {field.name: plain[field.name] for field in fields(Shape)}
    frozen = {key: tuple(value) if isinstance(value, list) else value for key, value in known.items()}
    return Shape(**cast(dict, frozen))


NOUNS = {
    "horizon": "leads",
    "levels": "levels",
    "seasons": "seasons",
    "calendar": "calendar features",
    "lookback": "steps of lookback",
    "own_past": "own past",
    "channels": "channels",
}


def require(shape: Shape, group: Group, version: str) -> None:
    """Refuse a model that does not fit its group.

    The inner make (cell, layers, hidden, members) may differ: such a model still serves until the next training.

    Raises
    ------
    ModelMismatch
        Naming what differs and the command that mends it.
    """
    wanted = shape_of(group, shape.features)
    for name, noun in NOUNS.items():
        had, asked = getattr(shape, name), getattr(wanted, name)
        if had != asked:
            raise ModelMismatch(
                f"model {group.name}-{version} was trained for {told(had)} {noun}, "
                f"group '{group.name}' asks for {told(asked)}; retrain with: forecaster train {group.name}"
            )


def told(value: object) -> str:
    """As a person writes it."""
    return ", ".join(map(str, value)) or "no" if isinstance(value, tuple) else str(value)
