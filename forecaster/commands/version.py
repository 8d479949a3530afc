"""``forecaster version``: what a bug report needs."""

from __future__ import annotations

import platform
from argparse import Namespace
from importlib.metadata import PackageNotFoundError, version

PARTS = ("torch", "numpy", "paho-mqtt")


def run(_: Namespace) -> int:
    """Print versions, one per line. Asks the package metadata: importing torch takes seconds."""
    print("\n".join(f"{name:<12}{value}" for name, value in versions()))
    return 0


def versions() -> list[tuple[str, str]]:
    """Name and version of this program, of what it runs on, and of the machine."""
    return [
        ("forecaster", _installed("forecaster")),
        ("python", platform.python_version()),
        *((name, _installed(name)) for name in PARTS),
        ("platform", platform.platform()),
    ]


def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
