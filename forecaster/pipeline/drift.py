"""Has the world changed? A sequential test on the errors of a group.

Page and Hinkley's test sums how far the errors lie above their own mean, less a tolerance; when the sum has risen far
above its lowest point, the mean has changed. Errors are in units of what they were in the long run, so the numbers
below mean the same for every group. They are those of a season of up to a day of hours. Where the season has more steps
they are as much larger: a tank that is refilled every morning, and a roof on which the sun rises, err more for many
steps of each day, and have not changed.

References
----------
Page (1954), "Continuous inspection schemes", Biometrika 41; Hinkley (1971), Biometrika 58.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from forecaster.records import Array

TOLERANCE = 0.1
"""Rise of the mean error that is no drift, as a part of it."""

ALARM = 25.0
"""Sum of excess errors, in units of the mean error, at which drift is said."""

LEARN, MEMORY = 50, 1000
"""Steps over which the mean is learned before anything is said, and over which it looks back."""

LARGEST = 4.0
"""Errors above this many times the mean count as this: one spike is no drift."""

DAY = 24
"""Steps of the longest season for which the numbers above stand as they are."""


class Drift:
    """The test on one sequence of errors.

    Parameters
    ----------
    season
        Steps after which the errors may go the same way again.

    Examples
    --------
    >>> test = Drift()
    >>> any(test.changed(1.0) for _ in range(500))
    False
    >>> [test.changed(2.0) for _ in range(60)].index(True)
    29
    """

    def __init__(self, season: int = 1) -> None:
        self._slower = max(1.0, season / DAY)
        self._state = np.zeros(4)  # steps, mean, sum, lowest sum
        self._open = np.zeros(3)  # index of the newest step, sum and count of its errors so far

    def step(self, index: int, errors: Array) -> bool:
        """Take the errors of some streams (B,) at one step; True when with the step before it drift is found."""
        found = False
        if index > self._open[0] and self._open[2]:
            found = self.changed(float(self._open[1] / self._open[2]))
            self._open[:] = 0
        known = errors[np.isfinite(errors)]
        self._open += (0, known.sum(), known.size)
        self._open[0] = max(index, self._open[0])
        return found

    def changed(self, error: float) -> bool:
        """Take the error of a step; True at the step at which drift is found, and the test begins anew."""
        steps, mean, total, lowest = self._state
        steps += 1
        learned = steps > LEARN * self._slower
        if learned:
            error = min(error, LARGEST * mean)
        mean += (error - mean) / min(steps, MEMORY * self._slower)
        if learned and mean > 0:
            total += error / mean - 1 - TOLERANCE
            lowest = min(lowest, total)
        found = bool(total - lowest > ALARM * self._slower)
        self._state[:] = (0, 0, 0, 0) if found else (steps, mean, total, lowest)
        return found

    def state(self) -> dict[str, Array]:
        """Arrays for the snapshot."""
        return {"test": self._state.copy(), "open": self._open.copy()}

    def restore(self, state: Mapping[str, Array]) -> None:
        """Take over what :meth:`state` gave."""
        self._state, self._open = state["test"].copy(), state["open"].copy()
