"""Configurations written to a file and read back: what they become, and what is said about them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from forecaster.config import load, problems
from forecaster.settings import Group, Settings

SMALL = """mqtt: {url: mqtt://broker}
groups:
  home:
    step: 1h
    streams: [{topic: home/power}]
"""


def written(tmp_path: Path, content: str | bytes) -> Path:
    path = tmp_path / "x.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def told(tmp_path: Path, content: str | bytes, env: Mapping[str, str] | None = None) -> list[str]:
    """Problems of a file as printed, without the directory."""
    found = problems(written(tmp_path, content), env or {})
    return [str(problem).replace(f"{tmp_path}/", "") for problem in found]


def settings(tmp_path: Path, content: str, env: Mapping[str, str] | None = None) -> Settings:
    return load(written(tmp_path, content), env or {})


def small(tmp_path: Path, group: str = "", stream: str = "topic: home/power", step: str = "1h") -> Group:
    """The only group of a small file, with keys of your choice."""
    content = f"mqtt: {{url: mqtt://b}}\ngroups: {{g: {{step: {step}, streams: [{{{stream}}}], {group}}}}}\n"
    return settings(tmp_path, content).groups[0]
