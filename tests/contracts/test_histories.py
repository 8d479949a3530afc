"""What every history promises: the one in SQLite, and the one for tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecaster.adapters.sqlite_history import SqliteHistory
from forecaster.ports import Columns, History
from forecaster.records import Series
from forecaster.testing import MemoryHistory

A = Series(name="a", source=0, labels=(("home", "a"),))
B = Series(name="b", source=0, labels=(("home", "b"), ("meter", "1")))
C = Series(name="~1/c", source=1, labels=())


@pytest.fixture(params=["sqlite", "memory"])
def history(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[History]:
    if request.param == "memory":
        yield MemoryHistory()
        return
    with closing(SqliteHistory(tmp_path / "history.db")) as opened:
        yield opened


Row = tuple[Series, int, float]


def append(history: History, *rows: Row, group: str = "household") -> None:
    """Add rows of (series, start, value); the list of series is given in the order of first use."""
    series = list(dict.fromkeys(one for one, _, _ in rows))
    steps = Columns(
        series=np.array([series.index(one) for one, _, _ in rows], dtype=np.int32),
        start_ms=np.array([start for _, start, _ in rows], dtype=np.int64),
        values=np.array([value for _, _, value in rows], dtype=np.float64),
    )
    history.append(group, series, steps)


def rows_of(history: History, since_ms: int | None = None, group: str = "household") -> list[Row]:
    series, steps = history.read(group, since_ms)
    assert (steps.series.dtype, steps.start_ms.dtype, steps.values.dtype) == (np.int32, np.int64, np.float64)
    values = zip(steps.series.tolist(), steps.start_ms.tolist(), steps.values.tolist(), strict=True)
    return [(series[index], start, value) for index, start, value in values]


def test_a_new_history_is_empty(history: History) -> None:
    """A group nobody wrote has no series and no steps."""
    assert history.read("household")[0] == ()
    assert rows_of(history) == []


def test_steps_come_back_ordered(history: History) -> None:
    """By series in the order in which they first came, then by start."""
    append(history, (B, 2, 20.0), (A, 2, 10.0))
    append(history, (A, 1, 11.0), (B, 3, 21.0), (C, 3, 30.0))

    assert rows_of(history) == [(B, 2, 20.0), (B, 3, 21.0), (A, 1, 11.0), (A, 2, 10.0), (C, 3, 30.0)]


def test_a_step_given_again_replaces_the_old_value(history: History) -> None:
    """In a later append, and later in the same one: a replay after a crash writes some steps twice."""
    append(history, (A, 1, 1.0), (A, 2, 2.0), (A, 2, 3.0))
    append(history, (A, 1, 4.0))

    assert rows_of(history) == [(A, 1, 4.0), (A, 2, 3.0)]


def test_a_gap_is_kept_as_a_gap(history: History) -> None:
    """NaN comes back as NaN."""
    append(history, (A, 1, np.nan))

    _, steps = history.read("household")

    np.testing.assert_array_equal(steps.values, [np.nan])


def test_reading_since_a_time_leaves_out_what_was_before(history: History) -> None:
    """Also the series that have nothing after it."""
    append(history, (A, 1, 1.0), (B, 1, 2.0), (B, 2, 3.0), (B, 3, 4.0))

    assert rows_of(history, since_ms=2) == [(B, 2, 3.0), (B, 3, 4.0)]
    assert history.read("household", since_ms=2)[0] == (B,)


def test_groups_do_not_mix(history: History) -> None:
    """The same name in two groups is two series, and pruning one leaves the other."""
    append(history, (A, 1, 1.0), (A, 5, 1.0), group="one")
    append(history, (A, 1, 2.0), group="two")

    history.prune("one", span_ms=0, now_ms=9)

    assert (rows_of(history, group="one"), rows_of(history, group="two")) == ([(A, 5, 1.0)], [(A, 1, 2.0)])


def test_newer_labels_hold(history: History) -> None:
    """A series is known by its name; the operator may capture more of its topic later."""
    relabelled = Series(name="a", source=2, labels=(("house", "a"),))
    append(history, (A, 1, 1.0))
    append(history, (relabelled, 2, 2.0))

    assert rows_of(history) == [(relabelled, 1, 1.0), (relabelled, 2, 2.0)]


def test_pruning_forgets_exactly_what_started_longer_before_the_newest(history: History) -> None:
    """Also inside what was written at once."""
    append(history, (A, 1, 1.0), (A, 2, 2.0), (B, 3, 3.0))
    append(history, (A, 5, 5.0))

    history.prune("household", span_ms=2, now_ms=9)

    assert rows_of(history) == [(A, 5, 5.0), (B, 3, 3.0)]


def test_a_reading_from_the_future_takes_no_past_away(history: History) -> None:
    """A clock that was wrong once is no reason to forget what was measured until now."""
    append(history, (A, 1, 1.0), (A, 4, 2.0), (B, 900, 3.0))

    history.prune("household", span_ms=2, now_ms=5)

    assert rows_of(history) == [(A, 4, 2.0), (B, 900, 3.0)]


def test_appending_nothing_changes_nothing(history: History) -> None:
    """An instant at which no step closed."""
    append(history)

    assert rows_of(history) == []


rows = st.lists(st.tuples(st.sampled_from([A, B, C]), st.integers(0, 6), st.floats(allow_nan=False)), max_size=8)
actions = st.one_of(rows.map(lambda given: ("append", given)), st.integers(0, 6).map(lambda time: ("prune", time)))


@given(done=st.lists(actions, max_size=8), since=st.none() | st.integers(0, 6))
@settings(max_examples=40, deadline=None)
def test_both_histories_remember_the_same(done: list, since: int | None) -> None:
    """After any appends and prunes."""
    memory = MemoryHistory()
    with TemporaryDirectory() as folder, closing(SqliteHistory(Path(folder) / "history.db")) as file:
        for what, argument in done:
            for history in (memory, file):
                if what == "append":
                    append(history, *argument)
                else:
                    history.prune("household", argument, now_ms=4)
                    history.compact("household")

        assert rows_of(file, since) == rows_of(memory, since)
