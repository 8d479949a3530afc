"""CSV and Parquet files as series: one reader for every command that is given a file of data.

Two forms are understood. *Wide*: a time column and one numeric column per stream. *Long*: a row per reading, with a
stream, a time and a value column, recognised by name. Times are RFC 3339 (local where no offset is given) or epoch
seconds, milliseconds, microseconds or nanoseconds. An empty cell is a gap, and so is a word that says so.
"""

from __future__ import annotations

from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from forecaster.errors import BadInput
from forecaster.pipeline.times import epoch_ms

if TYPE_CHECKING:
    from pandas import DataFrame, Series

TIME = ("timestamp", "time", "datetime", "date", "ds", "ts", "start")
STREAM = ("stream", "unique_id", "series", "entity_id", "item_id", "sensor", "statistic_id", "topic", "id", "name")
VALUE = ("value", "y", "target", "reading", "state", "mean", "sum", "kwh")
"""Names by which columns are known, in order of preference; case does not matter."""

GAPS = ("unavailable", "unknown", "none")
"""Cells that say that there is no value; case does not matter."""

PARQUET = (".parquet", ".pq")

DATE = r"\d{1,4}[./-]\d{1,2}[./-]\d{1,4}"
"""How a cell begins that is meant for a date, whether or not it can be read."""

OFFSET = r"[zZ]$|[T: ]\d+.*[+-]\d\d(?::?\d\d)?$"
"""How a time ends that says how far it is from UTC."""

EARLIEST_MS, LATEST_MS = -2_208_988_800_000, 7_258_118_400_000
"""1900 and 2200: a time outside is a mistake of unit."""


def read_table(path: Path | str, timezone: str = "UTC") -> DataFrame:
    """Readings of a CSV, CSV.gz or Parquet file in long form, in order of time.

    Parameters
    ----------
    path
        The file; its name ends in ``.csv``, ``.csv.gz``, ``.parquet`` or ``.pq``.
    timezone
        Of times without an offset. One that the clock shows twice is the first.

    Returns
    -------
    DataFrame
        ``stream`` (text), ``timestamp`` (epoch milliseconds, int64), ``value`` (float64, finite). Readings of the
        same time keep the order of the columns or rows. Gaps have no row.

    Raises
    ------
    BadInput
        The file is missing or unreadable, no columns fit, or a cell is not a time or number; names column and row.
    """
    path = Path(path)
    table = _load(path)
    time = _named(table, TIME) or _first_of_times(path, table)
    stream, value = _named(table, STREAM, but=(time,)), _named(table.dropna(axis=1, how="all"), VALUE, but=(time,))
    stamps = _epoch_ms(path, time, table[time], timezone)
    if stream is not None and value is not None:
        return _long(path, table, stamps, stream, value)
    return _wide(path, table, stamps, [name for name in table.columns if name != time])


def households() -> DataFrame:
    """Twenty real homes, thirteen months of hourly electricity in kWh, in the form of :func:`read_table`.

    Source: Smart-Grid Smart-City Customer Trial Data, Commonwealth of Australia, CC BY 3.0 AU; see data/README.md.
    """
    with as_file(files("forecaster") / "data" / "households.csv.gz") as path:
        return read_table(path)


def _load(path: Path) -> DataFrame:
    """The file as it is, column names as text, rows numbered as a person would."""
    import pandas as pd

    try:
        if path.suffix in PARQUET:
            table = pd.read_parquet(path).reset_index(drop=False)
            table = table.drop(columns="index", errors="ignore")
        elif path.name.endswith((".csv", ".csv.gz")):
            _require_commas(path, list(pd.read_csv(path, nrows=0).columns))
            # blank lines kept, so that rows can be counted as lines; in one piece, so that a column is of one type
            table = pd.read_csv(path, skip_blank_lines=False, low_memory=False)
        else:
            raise BadInput(f"{path}: expected a file ending in .csv, .csv.gz or .parquet")
    except FileNotFoundError:
        raise BadInput(f"{path}: no such file") from None
    except ImportError:
        raise BadInput(f"{path}: reading Parquet needs pyarrow: pip install 'forecaster[parquet]'") from None
    except (OSError, ValueError, EOFError) as error:  # pandas and pyarrow parse errors are ValueErrors
        raise BadInput(f"{path}: cannot be read: {str(error).splitlines()[0]}") from error
    table.columns = [str(name).strip() for name in table.columns]
    if not table.columns.is_unique:
        twice = table.columns[table.columns.duplicated()][0]
        raise BadInput(f"{path}: column '{twice}' is there twice")
    first = 1 if path.suffix in PARQUET else 2  # a CSV file has its header on line 1
    table.index = pd.RangeIndex(first, first + len(table))
    table = table.dropna(how="all")
    if table.empty:
        raise BadInput(f"{path}: has no rows")
    return table


def _require_commas(path: Path, header: list[str]) -> None:
    """Refuse a header that is one column only because something else than a comma lies between its names."""
    other = next((one for one in (";", "\t", "|") if len(header) == 1 and one in header[0]), None)
    if other:
        raise BadInput(f"{path}: columns are separated by {other!r}; expected a comma, and a point in numbers")


def _named(table: DataFrame, names: tuple[str, ...], but: tuple[str, ...] = ()) -> str | None:
    """The column known by the earliest of these names."""
    known = {column.lower(): column for column in table.columns if column not in but}
    return next((known[name] for name in names if name in known), None)


def _first_of_times(path: Path, table: DataFrame) -> str:
    """The only other column that can be the time: one of dates, or the first one when it reads as dates.

    Where none does, one that looks like dates, to be refused by its cells.
    """
    import pandas as pd

    for name in table.columns:
        column = table[name]
        if pd.api.types.is_datetime64_any_dtype(column):
            return str(name)
        if not pd.api.types.is_numeric_dtype(column):
            first = column.dropna().iloc[:1]
            if not first.empty and pd.to_datetime(first, format="ISO8601", utc=True, errors="coerce").notna().all():
                return str(name)
    for name in table.columns:
        if table[name].dropna().iloc[:1].astype("str").str.match(DATE).any():
            return str(name)
    found = ", ".join(f"'{name}'" for name in table.columns[:8])
    raise BadInput(f"{path}: no time column; call it 'timestamp' (columns found: {found})")


def _epoch_ms(path: Path, name: str, column: Series, timezone: str) -> Series:
    """A column of times as epoch milliseconds."""
    import pandas as pd

    if pd.api.types.is_numeric_dtype(column):
        stamps = column.map(epoch_ms).astype("float64")
        bad = ~stamps.between(EARLIEST_MS, LATEST_MS)
    else:
        times = pd.to_datetime(column, format="ISO8601", utc=True, errors="coerce")
        bad = times.isna()
        local = ~column.astype("str").str.contains(OFFSET)
        there = times[local].dt.tz_localize(None).dt.tz_localize(timezone, ambiguous=True, nonexistent="shift_forward")
        times[local] = there.dt.tz_convert("UTC")
        stamps = times.dt.as_unit("ms").astype("int64")
    if bad.any():
        expected = "expected RFC 3339, such as 2013-01-31T14:00:00Z, or epoch seconds"
        raise BadInput(_cell(path, name, column, bad, f"is not a time; {expected}"))
    return stamps.astype("int64")


def _numbers(path: Path, name: str, column: Series) -> Series:
    """A column of values as float64, NaN where the cell is empty or says that there is none (``GAPS``)."""
    import pandas as pd

    values = pd.to_numeric(column, errors="coerce").astype("float64")
    bad = (values.isna() & column.notna()) | np.isinf(values)
    bad[bad] = ~column[bad].astype("str").str.strip().str.lower().isin(GAPS)
    if bad.any():
        raise BadInput(_cell(path, name, column, bad, "is not a finite number"))
    return values


def _long(path: Path, table: DataFrame, stamps: Series, stream: str, value: str) -> DataFrame:
    """Readings of a table that has one per row."""
    import pandas as pd

    nameless = table[stream].isna()
    if nameless.any():
        raise BadInput(_cell(path, stream, table[stream], nameless, "names no stream"))
    names = table[stream].astype("str")
    long = pd.DataFrame({"stream": names, "timestamp": stamps, "value": _numbers(path, value, table[value])})
    return _in_order(path, long)


def _wide(path: Path, table: DataFrame, stamps: Series, names: list[str]) -> DataFrame:
    """Readings of a table that has one column per stream."""
    import pandas as pd

    if not names:
        raise BadInput(f"{path}: a time column and nothing else")
    columns = {name: _numbers(path, name, table[name]) for name in names}
    long = pd.DataFrame(
        {
            "stream": np.tile(np.array(names, dtype=object), len(table)),
            "timestamp": np.repeat(stamps.to_numpy(), len(names)),
            "value": np.column_stack(list(columns.values())).ravel(),
        }
    )
    return _in_order(path, long)


def _in_order(path: Path, long: DataFrame) -> DataFrame:
    """Without gaps, by time; a stable sort keeps the order of the file within one time."""
    long = long[long["value"].notna()]
    if long.empty:
        raise BadInput(f"{path}: every value is empty")
    return long.sort_values("timestamp", kind="stable", ignore_index=True)


def _cell(path: Path, name: str, column: Series, bad: Series, what: str) -> str:
    """Where the first bad cell is, and how many more there are."""
    row = column.index[bad][0]
    cell = "empty cell" if column.isna()[row] else f"'{str(column[row])[:40]}'"
    place = "row" if path.suffix in PARQUET else "line"
    more = f" ({int(bad.sum()) - 1} more like it)" if bad.sum() > 1 else ""
    return f"{path}: column '{name}', {place} {row}: {cell} {what}{more}"
