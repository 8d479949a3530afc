"""What the process may use of the machine."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from forecaster.adapters.resources import cpu_cores, memory_limit_bytes

CORES = float(len(os.sched_getaffinity(0)))
MACHINE_BYTES = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({}, CORES),
        ({"cpu.max": "max 100000\n"}, CORES),
        ({"cpu.max": "50000 100000\n"}, 0.5),
        ({"cpu.max": "9900000 100000\n"}, CORES),  # more than there are
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, CORES),
        ({"cpu/cpu.cfs_quota_us": "25000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 0.25),
    ],
)
def test_cores_are_those_of_the_container(tmp_path: Path, files: dict[str, str], cores: float) -> None:
    """The quota of the control group, version 2 or 1, below what the machine has."""
    write(tmp_path, files)

    assert cpu_cores(tmp_path) == cores


@pytest.mark.parametrize(
    ("files", "limit"),
    [
        ({}, MACHINE_BYTES),
        ({"memory.max": "max\n"}, MACHINE_BYTES),
        ({"memory.max": "1048576\n"}, 1_048_576),
        ({"memory/memory.limit_in_bytes": "1048576\n"}, 1_048_576),
        ({"memory/memory.limit_in_bytes": "9223372036854771712\n"}, MACHINE_BYTES),  # no limit, as version 1 says it
    ],
)
def test_memory_is_that_of_the_container(tmp_path: Path, files: dict[str, str], limit: int) -> None:
    """The limit of the control group, at most what the machine has."""
    write(tmp_path, files)

    assert memory_limit_bytes(tmp_path) == limit


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
