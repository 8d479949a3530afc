"""What a predictor is shown when it forecasts, and when it learns.

Shape letters: **S** streams, **B** batch, **T** steps, **H** horizon, **C** channels (target first, then
covariates), **F** calendar features, **W** window.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from forecaster.records import Array
from forecaster.settings import Role


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Inputs:
    """All that may be known at one origin. The streams of a batch share the origin.

    Attributes
    ----------
    values
        float64 (B, C, W): the last W closed steps of each channel, oldest first, NaN for gaps; channel 0 is the
        target, the others the covariates in the order of the settings.
    future
        float64 (B, C, H): values known ahead for leads 1…H; NaN where not known (always so for channel 0).
    calendar
        float32 (W + H, F): calendar features of the steps of the window and of the leads, in [-1, 1].
    shift
        int64 (W + H,): offset of the local clock from UTC in steps, for the same steps; constant except around a
        daylight-saving change. Step ``j`` is at the phase of step ``i`` k seasons of m steps earlier when
        ``j = i - k * m + shift[i] - shift[i - k * m]``.
    streams
        Names of the B streams; empty: not said.
    steps
        How many steps a state is to be carried over, the last before the forecast; W is ``steps - 1`` more than a
        lookback, so that each sees all it would have seen alone.
    """

    values: Array
    future: Array
    calendar: Array
    shift: Array
    streams: Sequence[str] = ()
    steps: int = 1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Dataset:
    """What a network is trained on: a panel with covariates beside their targets.

    Attributes
    ----------
    streams
        Names of the S targets.
    values
        float64 (S, C, T): channel 0 the target, then the covariates; NaN for gaps.
    calendar
        float32 (T + H, F), as in :class:`Inputs`, for the T steps and the H steps after them.
    shift
        int64 (T + H,), as in :class:`Inputs`.
    roles
        Role of each channel, length C; a ``future`` channel is known H steps ahead of each origin.
    """

    streams: tuple[str, ...]
    values: Array
    calendar: Array
    shift: Array
    roles: tuple[Role, ...]
