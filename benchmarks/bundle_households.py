"""Rebuild ``forecaster/data/households.csv.gz``, the homes of the demo, from the trial's readings.

    python -m benchmarks.bundle_households readings.parquet

The input has one row per home and hour: ``stream`` (the trial's CUSTOMER_ID), ``timestamp`` (READING_DATETIME, as
the meter's clock said) and ``value`` (GENERAL_SUPPLY_KWH, the two half hours of each hour added). The homes are
not picked by hand: those without one missing hour in the thirteen months, the first twenty in order of id.
"""

from __future__ import annotations

import argparse
import gzip
from pathlib import Path

import pandas as pd

FIRST, END = "2013-01-01", "2014-02-01"
"""The period on the meters' clock, end excluded."""

HOMES = 20
CLOCK = pd.Timedelta("10h")
"""How far the meters' clock is ahead of UTC: Australian Eastern Standard Time, all year (see data/README.md)."""

TARGET = Path(__file__).parent.parent / "forecaster" / "data" / "households.csv.gz"


def bundle(readings: pd.DataFrame) -> pd.DataFrame:
    """One column per home, ``home01``…, one row per hour, labelled by its start in UTC."""
    hours = pd.date_range(FIRST, END, freq="h", inclusive="left")
    wide = readings.pivot(index="timestamp", columns="stream", values="value").reindex(hours)
    complete = sorted(wide.columns[wide.notna().all()])[:HOMES]
    chosen = wide[complete].astype("float64").round(3)
    chosen.columns = [f"home{number:02d}" for number in range(1, len(complete) + 1)]
    chosen.index = (chosen.index - CLOCK).strftime("%Y-%m-%dT%H:%M:%SZ")
    return chosen.rename_axis("timestamp")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("readings", type=Path, help="Parquet file with stream, timestamp and value")
    table = bundle(pd.read_parquet(parser.parse_args().readings))
    # mtime 0: the same readings give the same bytes.
    TARGET.write_bytes(gzip.compress(table.to_csv(lineterminator="\n").encode(), compresslevel=9, mtime=0))
    print(f"{TARGET.name}: {table.shape[1]} homes, {len(table)} hours, {TARGET.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
