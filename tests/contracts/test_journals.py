"""What every journal promises: the one in SQLite, and the one for tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecaster.adapters.sqlite_journal import SqliteJournal
from forecaster.ports import Journal
from forecaster.records import Event, Message, ModelReady, Tick
from forecaster.testing import MemoryJournal, at


@contextmanager
def in_sqlite() -> Iterator[Journal]:
    with TemporaryDirectory() as folder, closing(SqliteJournal(Path(folder) / "journal.db")) as journal:
        yield journal


@contextmanager
def in_memory() -> Iterator[Journal]:
    yield MemoryJournal()


EVERY = pytest.mark.parametrize("opened", [in_sqlite, in_memory])
Opened = Callable[[], AbstractContextManager[Journal]]

times = st.integers(min_value=-(2**63), max_value=2**63 - 1)
events = st.one_of(
    st.builds(Message, st.text(), st.binary(), times, st.booleans()),
    st.builds(Tick, times),
    st.builds(ModelReady, st.text(), st.text()),
)


def messages(*numbers: int) -> list[Event]:
    return [Message("home/a/power", str(number).encode(), at("12:00") + number) for number in numbers]


@EVERY
def test_a_new_journal_is_empty(opened: Opened) -> None:
    """Position 0 is before everything."""
    with opened() as journal:
        assert (journal.last(), journal.before(at("12:00")), list(journal.read())) == (0, 0, [])


@EVERY
def test_units_come_back_whole_and_in_order(opened: Opened) -> None:
    """Each append is one unit, named by the position of its last event."""
    with opened() as journal:
        positions = [journal.append(messages(1, 2, 3)), journal.append(messages(4)), journal.append(messages(5, 6))]

        assert positions == [3, 4, 6]
        assert journal.last() == 6
        assert list(journal.read()) == [(3, messages(1, 2, 3)), (4, messages(4)), (6, messages(5, 6))]


@EVERY
def test_nothing_to_write_is_no_unit(opened: Opened) -> None:
    """Appending no events changes nothing."""
    with opened() as journal:
        journal.append(messages(1))

        assert journal.append([]) == 1
        assert list(journal.read()) == [(1, messages(1))]


@EVERY
@pytest.mark.parametrize(
    ("after", "expected"),
    [(2, [(3, messages(3)), (5, messages(4, 5))]), (3, [(5, messages(4, 5))]), (5, []), (9, [])],
)
def test_reading_goes_on_after_a_position(opened: Opened, after: int, expected: list) -> None:
    """No event at or before the position is seen again, also when it lies inside a unit."""
    with opened() as journal:
        journal.append(messages(1, 2, 3))
        journal.append(messages(4, 5))

        assert list(journal.read(after)) == expected


@EVERY
def test_what_is_appended_while_reading_does_not_disturb(opened: Opened) -> None:
    """A replay may take long; the journal can be written meanwhile."""
    with opened() as journal:
        for number in range(200):
            journal.append(messages(number))
        units = journal.read()
        first = next(units)
        journal.append(messages(200))

        assert [first, *units][:200] == [(number + 1, messages(number)) for number in range(200)]


@EVERY
def test_pruning_forgets_whole_units_only(opened: Opened) -> None:
    """A unit with one event that is still needed stays."""
    with opened() as journal:
        journal.append(messages(1, 2))
        journal.append(messages(3, 4))

        journal.prune(upto=3)

        assert list(journal.read()) == [(4, messages(3, 4))]


@EVERY
def test_positions_go_on_after_everything_was_pruned(opened: Opened) -> None:
    """A position is never given twice: a snapshot that names one must stay true."""
    with opened() as journal:
        journal.append(messages(1, 2))
        journal.prune(upto=2)

        assert (journal.last(), list(journal.read())) == (2, [])
        assert journal.append(messages(3)) == 3


@EVERY
@pytest.mark.parametrize(
    ("time", "position"), [("11:59:59", 0), ("12:00:00", 0), ("12:00:01", 3), ("12:01:00", 3), ("12:01:01", 4)]
)
def test_a_time_is_found_by_its_position(opened: Opened, time: str, position: int) -> None:
    """Pruning by age asks for the position; an event without a time goes with what came before it."""
    with opened() as journal:
        journal.append([Message("a", b"1", at("12:00:00"))])
        journal.append([ModelReady("household", "0001"), ModelReady("household", "0002")])
        journal.append([Tick(at("12:01:00"))])

        assert journal.before(at(time)) == position


@EVERY
def test_a_clock_set_back_does_not_prune_too_much(opened: Opened) -> None:
    """Nothing behind a unit that must stay is named, however old it claims to be."""
    with opened() as journal:
        for time in ("12:00", "13:00", "11:00"):
            journal.append([Tick(at(time))])

        assert journal.before(at("12:30")) == 1


@EVERY
def test_a_predictor_is_not_kept(opened: Opened) -> None:
    """A replay loads the model again by its version."""
    with opened() as journal:
        journal.append([ModelReady("household", "0007", predictor=object())])

        assert list(journal.read()) == [(1, [ModelReady("household", "0007", predictor=None)])]


@EVERY
@given(units=st.lists(st.lists(events, min_size=1, max_size=5), max_size=3))
@settings(max_examples=40, deadline=None)
def test_any_events_survive(opened: Opened, units: list[list[Event]]) -> None:
    """Any topic, any payload, any time comes back as it was."""
    with opened() as journal:
        for unit in units:
            journal.append(unit)

        assert [unit for _, unit in journal.read()] == units
