"""Single values: what they are read as, and what is offered instead."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecaster.configuration import text
from forecaster.configuration.problem import Unreadable
from forecaster.settings import Step


@given(st.integers(1, 10**6), st.sampled_from("smhdw"))
def test_duration_is_its_number_of_units(number: int, unit: str) -> None:
    """Any number of any unit, alone or after another."""
    length = number * {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}[unit]
    assert text.seconds(f"{number}{unit}") == length
    assert text.seconds(f"1d{number}{unit}") == 86_400 + length


@given(st.integers(1, 86_399))
def test_step_divides_a_day_or_is_refused_with_one_that_does(length: int) -> None:
    """Below a day a step fits a whole number of times; otherwise the nearest that does is offered."""
    if 86_400 % length == 0:
        assert text.step(f"{length}s") == Step(unit="second", count=length, text=f"{length}s")
        return
    with pytest.raises(Unreadable) as refused:
        text.step(f"{length}s")
    assert refused.value.hint is not None
    assert text.step(refused.value.hint).text == refused.value.hint
