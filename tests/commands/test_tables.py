"""Files of data become series, or a sentence that says which cell is wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecaster.commands.tables import households, read_table
from forecaster.errors import BadInput
from forecaster.testing import at

HOUR_MS = 3_600_000
NEW_YEAR_MS = 1_356_998_400_000  # 2013-01-01T00:00:00Z

WIDE = """timestamp,kitchen,attic
2013-01-01T01:00:00Z,3,
2013-01-01T00:00:00Z,1,2
"""

LONG = """Name,quality,Time,Value
attic,good,2013-01-01T10:00:00+10:00,2
kitchen,good,2013-01-01 00:00:00,1
kitchen,good,2013-01-01T01:00:00Z,3
attic,bad,2013-01-01T01:00:00Z,
"""


def written(folder: Path, text: str, name: str = "data.csv") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def rows(table: pd.DataFrame) -> list[tuple[str, int, float]]:
    return list(table.itertuples(index=False, name=None))


def test_a_wide_table_is_read_in_order_of_time_and_columns(tmp_path: Path) -> None:
    """One column per stream; an empty cell is a gap and has no row."""
    table = read_table(written(tmp_path, WIDE))

    assert list(table.columns) == ["stream", "timestamp", "value"]
    assert rows(table) == [
        ("kitchen", NEW_YEAR_MS, 1.0),
        ("attic", NEW_YEAR_MS, 2.0),
        ("kitchen", NEW_YEAR_MS + HOUR_MS, 3.0),
    ]


def test_a_long_table_is_known_by_its_column_names(tmp_path: Path) -> None:
    """Names in any case, offsets respected, no offset means UTC, columns nobody asked for are left alone."""
    assert rows(read_table(written(tmp_path, LONG))) == [
        ("attic", NEW_YEAR_MS, 2.0),
        ("kitchen", NEW_YEAR_MS, 1.0),
        ("kitchen", NEW_YEAR_MS + HOUR_MS, 3.0),
    ]


def test_statistics_of_energies_are_their_sums(tmp_path: Path) -> None:
    """Home Assistant leaves the column of the mean empty where it counts."""
    table = "statistic_id,start,mean,sum\nattic,2026-01-01T00:00:00Z,,2\n"
    assert rows(read_table(written(tmp_path, table))) == [("attic", at("2026-01-01T00:00"), 2.0)]


@pytest.mark.parametrize("unit", [1e-3, 1, 1000, 1_000_000], ids=["s", "ms", "us", "ns"])
def test_times_may_be_epoch_numbers_of_any_unit(tmp_path: Path, unit: float) -> None:
    """Seconds, milliseconds, microseconds and nanoseconds are told apart by size."""
    stamp = int(NEW_YEAR_MS * unit)

    assert rows(read_table(written(tmp_path, f"ts,power\n{stamp},5\n"))) == [("power", NEW_YEAR_MS, 5.0)]


def test_a_time_column_of_another_name_is_found_by_its_dates(tmp_path: Path) -> None:
    """The first column that reads as dates is the time."""
    path = written(tmp_path, "power,gemessen\n5,2013-01-01\n")

    assert rows(read_table(path)) == [("power", NEW_YEAR_MS, 5.0)]


def test_parquet_and_compressed_csv_read_like_csv(tmp_path: Path) -> None:
    """The form of the file changes nothing, nor does a time that is the index."""
    frame = pd.read_csv(written(tmp_path, WIDE), parse_dates=["timestamp"])
    frame.to_csv(tmp_path / "data.csv.gz", index=False)
    frame.to_parquet(tmp_path / "data.parquet")
    frame.set_index("timestamp").to_parquet(tmp_path / "indexed.parquet")
    expected = rows(read_table(tmp_path / "data.csv"))

    assert [rows(read_table(tmp_path / name)) for name in ("data.csv.gz", "data.parquet", "indexed.parquet")] == [
        expected
    ] * 3


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "cannot be read: No columns to parse from file"),
        ("time,a\n", "has no rows"),
        ("a,b\n1,2\n", "no time column; call it 'timestamp' (columns found: 'a', 'b')"),
        ("time\n2013-01-01\n", "a time column and nothing else"),
        ("time,a\n2013-01-01,\n", "every value is empty"),
        ("time,a\n2013-01-01,1\n\n2013-01-02,x\n", "column 'a', line 4: 'x' is not a finite number"),
        ("time,a\n2013-01-01,inf\n", "column 'a', line 2: 'inf' is not a finite number"),
        (
            "time,a\n2013-01-01,1\n31/01/2013,1\n1/2/2013,1\n",
            "column 'time', line 3: '31/01/2013' is not a time; "
            "expected RFC 3339, such as 2013-01-31T14:00:00Z, or epoch seconds (1 more like it)",
        ),
        (
            "time,a\n2013-01-01,1\n,1\n",
            "column 'time', line 3: empty cell is not a time; "
            "expected RFC 3339, such as 2013-01-31T14:00:00Z, or epoch seconds",
        ),
        ("stream,time,value\n,2013-01-01,1\n", "column 'stream', line 2: empty cell names no stream"),
        ("time,a,a \n2013-01-01,1,1\n", "column 'a' is there twice"),
        (
            "time;a;b\n2013-01-01;1,5;2,5\n",
            "columns are separated by ';'; expected a comma, and a point in numbers",
        ),
        ("time\ta\n2013-01-01\t1\n", "columns are separated by '\\t'; expected a comma, and a point in numbers"),
        (
            "power,when\n5,01.02.2024\n6,02.02.2024\n",
            "column 'when', line 2: '01.02.2024' is not a time; "
            "expected RFC 3339, such as 2013-01-31T14:00:00Z, or epoch seconds (1 more like it)",
        ),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, text: str, complaint: str) -> None:
    """File, column, line and what was found there."""
    path = written(tmp_path, text)

    with pytest.raises(BadInput) as caught:
        read_table(path)

    assert str(caught.value) == f"{path}: {complaint}"


def test_a_word_for_no_value_is_a_gap(tmp_path: Path) -> None:
    """As over MQTT, where such a reading is refused and the others are not; in Parquet too."""
    words = ["1", "unavailable", "Unknown", " none", "None", "2"]
    frame = pd.DataFrame({"time": [f"2013-01-0{day}" for day in range(1, 7)], "a": words})
    frame.to_csv(tmp_path / "words.csv", index=False)
    frame.to_parquet(tmp_path / "words.parquet")

    for name in ("words.csv", "words.parquet"):
        assert read_table(tmp_path / name)["value"].tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    ("zone", "text", "utc"),
    [
        ("Europe/Berlin", "2024-01-31", "2024-01-30T23:00Z"),
        ("Europe/Berlin", "2024-07-31", "2024-07-30T22:00Z"),
        ("America/New_York", "2024-01-31", "2024-01-31T05:00Z"),
        ("Europe/Berlin", "2024-07-01 12:30", "2024-07-01T10:30Z"),
        ("America/New_York", "2024-07-01T12:30:15.250", "2024-07-01T16:30:15.250Z"),
        ("America/New_York", "2024-01-01T12:30", "2024-01-01T17:30Z"),
        ("Europe/Berlin", "2024-10-27 02:30", "2024-10-27T00:30Z"),  # comes twice, this is the first
        ("America/New_York", "2024-11-03 01:30", "2024-11-03T05:30Z"),
        ("Europe/Berlin", "2024-07-01T12:30Z", "2024-07-01T12:30Z"),
        ("Europe/Berlin", "2024-07-01T12:30-05:00", "2024-07-01T17:30Z"),
        ("America/New_York", "2024-07-01 12:30+0200", "2024-07-01T10:30Z"),
    ],
)
def test_a_time_without_an_offset_is_local(tmp_path: Path, zone: str, text: str, utc: str) -> None:
    """To the zone asked for, by its clock of that day; one with an offset is what it says."""
    assert rows(read_table(written(tmp_path, f"time,a\n{text},1\n"), zone)) == [("a", at(utc), 1.0)]


def test_times_with_and_without_an_offset_may_be_mixed(tmp_path: Path) -> None:
    """Each is read by itself, and the table put in order of what they mean."""
    text = "time,a\n2024-07-01 12:00,1\n2024-07-01T09:00Z,2\n2024-07-01T12:00+03:00,3\n2024-07-01,4\n"

    found = read_table(written(tmp_path, text), "Europe/Berlin")

    assert list(zip(found["timestamp"], found["value"], strict=True)) == [
        (at("2024-06-30T22:00Z"), 4.0),
        (at("2024-07-01T09:00Z"), 2.0),
        (at("2024-07-01T09:00Z"), 3.0),
        (at("2024-07-01T10:00Z"), 1.0),
    ]


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York"])
@pytest.mark.parametrize("hour", ["00:00", "12:30"], ids=["midnight", "noon"])
@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_times_of_parquet_are_local_where_they_have_no_zone(tmp_path: Path, zone: str, unit: str, hour: str) -> None:
    """And what they say where they have one, whichever that is; also where all are midnights, as those of days."""
    naive = pd.Series(pd.to_datetime([f"2024-07-01 {hour}", f"2024-12-01 {hour}"])).dt.as_unit(unit)
    local = naive.dt.tz_localize(zone)
    times = {
        "naive": naive,
        "own": local,
        "other": local.dt.tz_convert("Asia/Kolkata"),
        "utc": local.dt.tz_convert("UTC"),
    }
    expected = [at(moment.isoformat()) for moment in local]

    for name, column in times.items():
        pd.DataFrame({"time": column, "a": [1.0, 2.0]}).to_parquet(tmp_path / f"{name}.parquet")
        assert read_table(tmp_path / f"{name}.parquet", zone)["timestamp"].tolist() == expected, name


def test_files_that_are_none_of_ours_are_refused(tmp_path: Path) -> None:
    """A missing file, an unknown ending, bytes that are not what the name says."""
    broken = tmp_path / "broken.parquet"
    broken.write_bytes(b"\x00\x01")

    for path, complaint in [
        (tmp_path / "none.csv", "no such file"),
        (written(tmp_path, WIDE, "data.xlsx"), "expected a file ending in .csv, .csv.gz or .parquet"),
        (broken, "cannot be read: "),
    ]:
        with pytest.raises(BadInput) as caught:
            read_table(path)
        assert str(caught.value).startswith(f"{path}: {complaint}")


@given(
    values=st.lists(
        st.tuples(
            st.integers(0, 10_000),
            st.sampled_from(["a", "b/c"]),
            st.floats(allow_nan=False, allow_infinity=False, width=32),
        ),
        min_size=1,
        max_size=20,
        unique_by=lambda row: row[:2],
    )
)
def test_wide_and_long_tables_hold_the_same_readings(
    tmp_path_factory: pytest.TempPathFactory, values: list[tuple[int, str, float]]
) -> None:
    """Whatever the form, the same readings come out."""
    folder = tmp_path_factory.mktemp("tables")
    long = pd.DataFrame(values, columns=["_", "stream", "value"]).assign(
        timestamp=[(NEW_YEAR_MS + minute * 60_000) / 1000 for minute, _, _ in values]
    )
    long = long[["timestamp", "stream", "value"]]
    long.to_csv(folder / "long.csv", index=False)
    long.pivot(index="timestamp", columns="stream", values="value").to_csv(folder / "wide.csv")

    assert sorted(rows(read_table(folder / "wide.csv"))) == sorted(rows(read_table(folder / "long.csv")))


def test_the_bundled_homes_are_twenty_without_a_gap() -> None:
    """Thirteen months of hours for every home, plausible kWh, the first hour as in the source."""
    table = households()

    homes = [f"home{number:02d}" for number in range(1, 21)]
    assert sorted(table["stream"].unique()) == homes
    hours = np.arange(9504) * HOUR_MS + (NEW_YEAR_MS - 10 * HOUR_MS)
    for _, home in table.groupby("stream"):
        assert np.array_equal(home["timestamp"], hours)
    assert table["value"].between(0, 15).all()
    assert rows(table.head(2)) == [("home01", hours[0], 3.629), ("home02", hours[0], 0.241)]
