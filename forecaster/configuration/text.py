"""Text forms of single values: durations, sizes, steps, schedules, addresses.

Each function takes what the operator wrote and gives what the settings hold; on anything else it raises
:class:`Unreadable`, which says what would have been right.
"""

from __future__ import annotations

import re
from datetime import datetime
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from forecaster.configuration.problem import Unreadable, nearest
from forecaster.settings import Step

DAY_S = 86_400
UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": DAY_S, "w": 7 * DAY_S}
DURATION = r"(\d+(\.\d+)?[smhdw])+"
SIZE = r"(\d+(?:\.\d+)?)([MG])i?B"
PORTS = {"mqtt": 1883, "mqtts": 8883}
WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


def seconds(text: object) -> float:
    """Length of a duration.

    Examples
    --------
    >>> seconds("90s"), seconds("1h30m"), seconds("2w")
    (90.0, 5400.0, 1209600.0)
    """
    if not isinstance(text, str) or not re.fullmatch(DURATION, text):
        bare = isinstance(text, str) and re.fullmatch(r"\d+(\.\d+)?", text)
        raise Unreadable("a duration such as 90s, 2m, 1h, 7d or 2w", f"{text}s" if bare else None)
    return float(sum(float(part[:-1]) * UNITS_S[part[-1]] for part in re.findall(r"[\d.]+[smhdw]", text)))


def positive_seconds(text: object) -> float:
    """Length of a duration that may not be nothing."""
    length = seconds(text)
    if length == 0:
        raise Unreadable("a duration above 0")
    return length


def interval(text: object) -> float:
    """Seconds between two trainings; 0 for ``never``."""
    return 0.0 if text == "never" else positive_seconds(text)


def megabytes(text: object) -> int:
    """Size of memory in units of 2**20 bytes; ``0`` for no limit.

    Examples
    --------
    >>> megabytes("1GB"), megabytes("512MB"), megabytes("0")
    (1024, 512, 0)
    """
    found = re.fullmatch(SIZE, text) if isinstance(text, str) else None
    if text == "0":
        return 0
    if found is None:
        raise Unreadable("a size such as 1500MB or 2GB, or 0 for no limit")
    return round(float(found[1]) * (1024 if found[2] == "G" else 1))


def step(text: object) -> Step:
    """Length of one cell of the grid: seconds that divide a day evenly, or one day, week or month.

    Examples
    --------
    >>> step("15m")
    Step(unit='second', count=900, text='15m')
    >>> step("24h")
    Step(unit='day', count=1, text='24h')
    """
    wanted = "1s … 1d (a length that divides a day evenly), week or month"
    match text:
        case "day" | "week" | "month":
            return Step(unit=text, count=1, text=text)
        case str() if re.fullmatch(DURATION, text):
            length = seconds(text)
        case _:
            words = ["day", "week", "month", "1m", "15m", "1h"]
            raise Unreadable(wanted, nearest(text, words) if isinstance(text, str) else None)
    if length in (DAY_S, 7 * DAY_S):
        return Step(unit="day" if length == DAY_S else "week", count=1, text=text)
    if length > DAY_S:
        raise Unreadable(wanted, "month" if 28 * DAY_S <= length <= 31 * DAY_S else None)
    if length < 1 or DAY_S % length:
        raise Unreadable(wanted, _nearest_step(length))
    return Step(unit="second", count=int(length), text=text)


def _nearest_step(length: float) -> str:
    """The length nearest to this one that divides a day; whole minutes when it is that long."""
    unit_s = 60 if length >= 60 else 1
    best = min((n for n in range(unit_s, DAY_S + 1, unit_s) if DAY_S % n == 0), key=lambda n: abs(n - length))
    unit = next(unit for unit in ("d", "h", "m", "s") if best % UNITS_S[unit] == 0)
    return f"{best // UNITS_S[unit]}{unit}"


def cron(text: object) -> str:
    """A cron line of five fields, its weekdays as names.

    Cron counts weekdays from Sunday, some schedulers from Monday; names mean the same to all of them.

    Examples
    --------
    >>> cron("0 3 * * *"), cron("30 */6 * * 1-5")
    ('0 3 * * *', '30 */6 * * mon,tue,wed,thu,fri')
    """
    wanted = "five fields: minute, hour, day, month, weekday, such as '0 3 * * *'"
    fields = text.lower().split() if isinstance(text, str) else []
    if len(fields) != 5:
        raise Unreadable(wanted)
    minute, hour, day, month, weekday = fields
    _cron_field(minute, "minute", 0, 59)
    _cron_field(hour, "hour", 0, 23)
    _cron_field(day, "day", 1, 31)
    _cron_field(month, "month", 1, 12, MONTHS)
    days = _cron_field(weekday, "weekday", 0, 7, WEEKDAYS)
    if weekday != "*":
        weekday = ",".join(WEEKDAYS[number] for number in sorted({number % 7 for number in days}))
    return " ".join((minute, hour, day, month, weekday))


def _cron_field(text: str, name: str, low: int, high: int, words: tuple[str, ...] = ()) -> list[int]:
    """Numbers that one field stands for: ``*``, ``5``, ``1-5``, each with ``/step``, joined by commas."""
    wanted = f"{name} {low}-{high}" + (f" or {words[0]}-{words[-1]}" if words else "")
    numbers = {word: low + index for index, word in enumerate(words)}
    numbers |= {str(number): number for number in range(low, high + 1)}
    found: list[int] = []
    for part in text.split(","):
        span, slash, every = part.partition("/")
        first, dash, last = ("*", "", "") if span == "*" else span.partition("-")
        start = low if first == "*" else numbers.get(first)
        end = high if first == "*" or (slash and not dash) else numbers.get(last if dash else first)
        if start is None or end is None or end < start or (slash and not re.fullmatch(r"[1-9]\d?", every)):
            raise Unreadable(wanted, why=f"not {part!r}")
        found += range(start, end + 1, int(every) if slash else 1)
    return found


def timezone(text: object) -> str:
    """Name of a time zone that exists.

    Examples
    --------
    >>> timezone("Europe/Paris")
    'Europe/Paris'
    """
    try:
        return ZoneInfo(str(text)).key
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:  # OSError: the name of a folder, "Europe"
        raise Unreadable("an IANA time zone such as Europe/Paris", nearest(str(text), available_timezones())) from error


def instant(text: object) -> str:
    """An ISO 8601 time, with or without an offset."""
    try:
        return datetime.fromisoformat(str(text)).isoformat()
    except ValueError as error:
        raise Unreadable("a time such as 2026-11-01T03:00 or 2026-11-01T03:00Z") from error


def time_format(text: object) -> str:
    """A ``strptime`` format that reads what it writes."""
    try:
        sample = datetime(2026, 11, 30, 23, 59, 58)
        datetime.strptime(sample.strftime(str(text)), str(text))
    except ValueError as error:
        raise Unreadable("a strptime format such as '%Y-%m-%d %H:%M:%S'") from error
    if "%" not in str(text):
        raise Unreadable("a strptime format such as '%Y-%m-%d %H:%M:%S'")
    return str(text)


def url(text: object) -> str:
    """Address of a broker, with its port.

    Examples
    --------
    >>> url("mqtt://broker.home"), url("mqtts://[::1]:8884")
    ('mqtt://broker.home:1883', 'mqtts://[::1]:8884')
    """
    wanted = "mqtt://host:port, or mqtts://host:port with TLS"
    try:
        parts = urlsplit(str(text))
        port = parts.port
    except ValueError as error:
        raise Unreadable(wanted) from error
    if "@" in parts.netloc:
        raise Unreadable("no name or password in the address; use mqtt.username and mqtt.password_file")
    if parts.scheme not in PORTS or not parts.hostname or port == 0 or parts.path.strip("/") or parts.query:
        bare = "://" not in str(text) and re.fullmatch(r"[\w.-]+(:\d+)?", str(text))
        raise Unreadable(wanted, f"mqtt://{text}" if bare else None)
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}:{port or PORTS[parts.scheme]}"


def address(text: object) -> tuple[str, int]:
    """Host and port to listen on; port 0 is any free one.

    Examples
    --------
    >>> address("127.0.0.1:8080"), address("[::]:80")
    (('127.0.0.1', 8080), ('::', 80))
    """
    found = re.fullmatch(r"(?:\[([0-9a-fA-F:.]+)\]|([\w.-]+)):(\d{1,5})", str(text))
    if found is None or int(found[3]) > 65_535:
        raise Unreadable("host:port, such as 127.0.0.1:8080")
    return found[1] or found[2], int(found[3])
