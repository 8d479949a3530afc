"""Closed steps on their way to the history."""

from __future__ import annotations

import numpy as np

from forecaster.records import Closed, Series
from forecaster.runtime.history_buffer import HistoryBuffer
from forecaster.testing import at


def series(*names: str) -> dict[str, Series]:
    return {name: Series(name=name, source=0, labels=(("home", name),)) for name in names}


def test_many_small_closings_become_one_write_per_group() -> None:
    """Each series is named once, and every step keeps its own."""
    buffer = HistoryBuffer()
    buffer.add(Closed(group="one", series=["a", "b"], start_ms=at("10:00"), values=np.array([1.0, np.nan])))
    buffer.add(Closed(group="two", series=["c"], start_ms=at("10:00"), values=np.array([9.0])))
    buffer.add(Closed(group="one", series=["b"], start_ms=at("11:00"), values=np.array([3.0])))
    assert buffer.rows == 4

    known = {"one": series("z", "b", "a"), "two": series("c")}
    one, two = buffer.take(known)

    assert (one.group, two.group) == ("one", "two")
    assert [one.series[number].name for number in one.steps.series] == ["a", "b", "b"]
    assert one.series == [known["one"]["a"], known["one"]["b"]]
    assert one.steps.start_ms.tolist() == [at("10:00"), at("10:00"), at("11:00")]
    np.testing.assert_array_equal(one.steps.values, [1.0, np.nan, 3.0])
    assert (one.steps.series.dtype, one.steps.start_ms.dtype) == (np.int32, np.int64)


def test_what_was_taken_is_gone() -> None:
    """The next write has only what came since."""
    buffer = HistoryBuffer()
    buffer.add(Closed(group="one", series=["a"], start_ms=at("10:00"), values=np.array([1.0])))
    buffer.take({"one": series("a")})
    assert buffer.rows == 0
    assert buffer.take({"one": series("a")}) == []
