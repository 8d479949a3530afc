"""What this process may use of the machine: the limits of its control group, or else all of it."""

from __future__ import annotations

import os
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")

ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "GOMP_SPINCOUNT": "0"}
"""Environment read by the numeric libraries as they are loaded: more threads would spin on each other's cores."""


def cpu_cores(cgroups: Path = CGROUPS) -> float:
    """Cores this process may use, as given by affinity and by the quota of its control group (version 2 or 1)."""
    cores = float(len(os.sched_getaffinity(0))) if hasattr(os, "sched_getaffinity") else float(os.cpu_count() or 1)
    quota = _words(cgroups / "cpu.max")
    if not quota:
        quota = _words(cgroups / "cpu/cpu.cfs_quota_us") + _words(cgroups / "cpu/cpu.cfs_period_us")
    match quota:
        case [allowed, period] if allowed.isdigit():
            return min(cores, int(allowed) / int(period))
        case _:  # "max", "-1" or no such file: no quota
            return cores


def memory_limit_bytes(cgroups: Path = CGROUPS) -> int:
    """Memory this process may use: the limit of its control group, at most what the machine has."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = _words(cgroups / "memory.max") or _words(cgroups / "memory/memory.limit_in_bytes")
    return min(machine, int(limit[0])) if limit and limit[0].isdigit() else machine


def _words(path: Path) -> list[str]:
    """Words of a small file; none when it does not exist or may not be read."""
    try:
        return path.read_text().split()
    except OSError:
        return []
