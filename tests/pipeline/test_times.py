"""Times as devices write them."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from forecaster.pipeline.times import epoch_ms, read_time, rfc3339

NOON = 1_795_176_000_000  # 2026-11-20T12:00:00Z
PARIS = ZoneInfo("Europe/Paris")


@pytest.mark.parametrize(
    "raw",
    [
        *(1_795_176_000, 1_795_176_000.0, 1_795_176_000_000, 1_795_176_000_000_000, 1_795_176_000_000_000_000),
        *("1795176000", "1795176000.0", "1795176000000"),
        *("2026-11-20T12:00:00Z", "2026-11-20T13:00:00+01:00", "2026-11-20 07:00:00-0500", "20261120T120000Z"),
        *("2026-11-20T13:00:00", "2026-11-20 13:00", "2026-11-20T13:00:00.0000000"),
    ],
)
def test_one_instant_in_many_forms(raw: object) -> None:
    """Epoch in any unit, as number or text, and ISO with or without a zone."""
    assert read_time(raw, PARIS) == NOON


@pytest.mark.parametrize(
    "raw",
    [None, True, [], {}, "", "noon", "2026-13-01", "2026-11-20T25:00", "nan", "inf", 1e30, float("nan"), -1e19],
)
def test_what_is_no_time_is_none(raw: object) -> None:
    """Nothing is guessed and nothing is raised."""
    assert read_time(raw, UTC) is None


def test_fractions_of_a_second_are_kept_to_the_millisecond() -> None:
    """As a float of seconds, and in text."""
    assert read_time(1_795_176_000.123, UTC) == NOON + 123
    assert read_time("2026-11-20T12:00:00.123999Z", UTC) == NOON + 123


def test_a_local_time_that_happens_twice_is_the_first() -> None:
    """2:30 on the night the clock goes back: the one in summer time."""
    assert read_time("2026-10-25T02:30:00", PARIS) == read_time("2026-10-25T00:30:00Z", UTC)


def test_a_format_reads_what_it_says_and_nothing_else() -> None:
    """The zone applies unless the format has one."""
    assert read_time("20.11.2026 13:00", PARIS, "%d.%m.%Y %H:%M") == NOON
    assert read_time("20.11.2026 13:00 +0100", UTC, "%d.%m.%Y %H:%M %z") == NOON
    assert read_time("2026-11-20T12:00:00Z", UTC, "%d.%m.%Y %H:%M") is None
    assert read_time(1_795_176_000, UTC, "%d.%m.%Y %H:%M") is None


@given(st.integers(-2_208_988_800_000, 7_258_118_399_999))
@example(0)
@example(-1)
def test_what_we_write_we_read(time_ms: int) -> None:
    """rfc3339 loses nothing and ends in Z."""
    text = rfc3339(time_ms)

    assert text.endswith("Z")
    assert read_time(text, PARIS) == time_ms


@given(st.integers(10_000_001, 7_258_118_399))
def test_the_unit_of_an_epoch_is_told_by_its_size(seconds: int) -> None:
    """From April 1970 to 2200 no unit is mistaken for another."""
    assert {epoch_ms(seconds * 10**power) for power in (0, 3, 6, 9)} == {seconds * 1000}


@given(st.datetimes(timezones=st.sampled_from([None, UTC, PARIS, ZoneInfo("Asia/Kolkata")])) | st.text())
@example(datetime.min)
@example(datetime.max.replace(tzinfo=PARIS))
@example(datetime.min.replace(tzinfo=PARIS))
def test_any_date_of_the_calendar_is_read_or_refused(moment: datetime | str) -> None:
    """The ends of the calendar do not overflow."""
    read_time(str(moment), PARIS)
    read_time(str(moment), UTC, "%Y-%m-%d %H:%M:%S%z")
