"""A network trained by the product's own command on a history made up for it."""

from __future__ import annotations

import subprocess
import sys
from contextlib import closing
from pathlib import Path

import numpy as np

from benchmarks.load.machine import GROUP, SERVICE
from benchmarks.load.plan import HOUR_MS
from forecaster.adapters.sqlite_history import SqliteHistory
from forecaster.ports import Columns
from forecaster.records import Series

STREAMS, DAYS = 30, 40


def trained(folder: Path) -> Path:
    """Fit a GRU network for the load's group; the directory of models it is in, to be copied into a service's data.

    Raises
    ------
    subprocess.CalledProcessError
        When ``forecaster train`` fails.
    """
    data, config = folder / "data", folder / "train.yaml"
    data.mkdir(parents=True)
    config.write_text(SERVICE.format(broker=1, folder=data, step="1h", streams=STREAMS, http=0, snapshots="5m"))
    made_up(data / "history.db")
    command = [sys.executable, "-m", "forecaster", "train", GROUP, "--config", str(config), "--progress", "none"]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    return data / "models"


def made_up(path: Path) -> None:
    """A daily wave with noise, in which a mean over days is a better forecast than yesterday."""
    hours = np.arange(DAYS * 24)
    noise = np.random.default_rng(0).normal(size=(STREAMS, len(hours)))
    values = 20 + 5 * np.sin(hours * 2 * np.pi / 24) + 2 * noise  # (S, T)
    first_ms = 1_700_000_000_000 // HOUR_MS * HOUR_MS
    with closing(SqliteHistory(path)) as history:
        history.append(
            GROUP,
            [Series(name=f"s{i}", source=0, labels=(("meter", f"s{i}"),)) for i in range(STREAMS)],
            Columns(
                series=np.repeat(np.arange(STREAMS, dtype=np.int32), len(hours)),
                start_ms=np.tile(first_ms + hours * HOUR_MS, STREAMS),
                values=values.ravel(),
            ),
        )
