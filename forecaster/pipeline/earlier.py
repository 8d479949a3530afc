"""What streams had learned some time ago, so that what a broken sensor taught can be taken back.

A few copies, of which one is of before any fault of the last days.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from forecaster.records import Array

Learned = Mapping[str, Mapping[str, Array]]
"""Arrays by part and name; never written to."""

COPIES = 3
"""Copies kept: one of them is at least two intervals old."""


class Earlier:
    """The newest copies of what all streams of a group had learned.

    Parameters
    ----------
    every
        Steps from one copy to the next.
    """

    def __init__(self, every: int) -> None:
        self._every = every
        self._copies: list[tuple[int, Learned]] = []

    def due(self, index: int) -> bool:
        """Whether it is time for a copy, before step ``index`` closes."""
        return not self._copies or index >= self._copies[-1][0] + self._every

    def keep(self, index: int, learned: Learned) -> None:
        """This had been learned when step ``index`` closed first; kept to seven digits."""
        kept = {part: {name: short(array) for name, array in arrays.items()} for part, arrays in learned.items()}
        self._copies = [*self._copies, (index, kept)][-COPIES:]

    def back(self, index: int) -> tuple[int, Learned] | None:
        """The newest copy of what was learned before step ``index``, and the first step that it knows nothing of.

        Later ones are given up: they hold what is to be unlearned.
        """
        self._copies = [one for one in self._copies if one[0] <= index]
        return self._copies[-1] if self._copies else None

    def state(self) -> dict[str, Array]:
        """Arrays for the snapshot."""
        found: dict[str, Array] = {}
        for number, (index, learned) in enumerate(self._copies):
            found[f"{number}-index"] = np.array(index)
            for part, arrays in learned.items():
                found |= {f"{number}-{part}-{name}": array for name, array in arrays.items()}
        return found

    def restore(self, state: Mapping[str, Array]) -> None:
        """Take over what :meth:`state` gave."""
        self._copies = []
        for number in range(sum(key.endswith("-index") for key in state)):
            learned: dict[str, dict[str, Array]] = {}
            for key, array in state.items():
                if key.startswith(f"{number}-") and key != f"{number}-index":
                    _, part, name = key.split("-", 2)
                    learned.setdefault(part, {})[name] = array
            self._copies.append((int(state[f"{number}-index"]), learned))


def short(array: Array) -> Array:
    """An array in single precision, if it is in double."""
    return array.astype(np.float32) if array.dtype == np.float64 else array
