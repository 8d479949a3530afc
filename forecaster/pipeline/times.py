"""Times as people and devices write them, to and from epoch milliseconds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LOCAL_EPOCH = EPOCH.replace(tzinfo=None)
MILLISECOND = timedelta(milliseconds=1)


@lru_cache(maxsize=4096)  # the leads of one origin are, but for one, those of the origin before
def rfc3339(time_ms: int) -> str:
    """An instant in UTC, with milliseconds only where there are some.

    Examples
    --------
    >>> rfc3339(1_795_176_000_000), rfc3339(250)
    ('2026-11-20T12:00:00Z', '1970-01-01T00:00:00.250Z')
    """
    moment = EPOCH + timedelta(milliseconds=time_ms)
    digits = "milliseconds" if time_ms % 1000 else "seconds"
    return moment.replace(tzinfo=None).isoformat(timespec=digits) + "Z"


def read_time(raw: object, zone: tzinfo, form: str | None = None) -> int | None:
    """What a payload gives as a time, in epoch milliseconds.

    Parameters
    ----------
    raw
        A number, or a string that holds one: epoch seconds, milliseconds, microseconds or nanoseconds, told apart by
        size. Any other string: RFC 3339 (ISO 8601).
    zone
        For times that name none. A local time that happens twice is the first of the two.
    form
        ``strptime`` format; then only strings of that form are read.

    Returns
    -------
    int | None
        None when it cannot be read. Nothing is said about whether it is plausible.

    Examples
    --------
    >>> read_time(1795176000, UTC), read_time("2026-11-20T13:00:00+01:00", UTC)
    (1795176000000, 1795176000000)
    """
    if type(raw) is str:
        return _read_text(raw, zone, form)
    if type(raw) is int or type(raw) is float:
        return None if form else epoch_ms(raw)
    return None


def epoch_ms(number: float) -> int | None:
    """Epoch seconds, milliseconds, microseconds or nanoseconds, told apart by size, as milliseconds.

    Each unit may reach the year 2286; the next one then begins in April 1970, which nobody measures.

    Examples
    --------
    >>> epoch_ms(1.5e9) == epoch_ms(1.5e12) == epoch_ms(1.5e15) == epoch_ms(1.5e18)
    True
    """
    size = abs(number)
    if size < 1e10:
        return round(number * 1000)
    if size < 1e13:
        return int(number)
    if size < 1e16:
        return int(number // 1000)
    if size < 1e19:
        return int(number // 1_000_000)
    return None  # also NaN, which is smaller than nothing


def _read_text(text: str, zone: tzinfo, form: str | None) -> int | None:
    if form is None and text[4:5] != "-":  # no ISO date: perhaps epoch digits, which fromisoformat takes for a year
        try:
            return epoch_ms(float(text))
        except ValueError:
            pass
    try:
        moment = datetime.fromisoformat(text) if form is None else datetime.strptime(text, form)
        if moment.tzinfo is None:  # three times as fast as attaching the zone first
            return (moment - LOCAL_EPOCH - (zone.utcoffset(moment) or timedelta(0))) // MILLISECOND
        return (moment - EPOCH) // MILLISECOND
    except (ValueError, OverflowError):  # no date of the calendar, or one at its very ends
        return None
