"""A real Prometheus that belongs to one test."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, Self
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest
from servers import eventually, free_port


def program(name: str) -> str:
    """Path of ``prometheus`` or ``promtool``; skips, or fails in CI, when it is not installed."""
    found = shutil.which(name)
    if found is None:
        message = f"{name} is not installed; deploy/install-test-services.sh installs it"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return found


class Prometheus:
    """Runs with a configuration, on a port of 127.0.0.1 that was free.

    Parameters
    ----------
    directory
        Where it keeps configuration, log and data.
    config
        Text of ``prometheus.yml``.
    """

    def __init__(self, directory: Path, config: str) -> None:
        directory.mkdir(parents=True)
        (directory / "prometheus.yml").write_text(config)
        self._directory = directory
        self.url = f"http://127.0.0.1:{free_port()}"

    def __enter__(self) -> Self:
        with (self._directory / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [
                    program("prometheus"),
                    f"--config.file={self._directory}/prometheus.yml",
                    f"--storage.tsdb.path={self._directory}/data",
                    f"--web.listen-address={self.url.removeprefix('http://')}",
                    "--log.level=warn",
                ],
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        eventually(self._ready, 20, "prometheus being ready")
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(20)

    def log(self) -> str:
        """Warnings and errors so far."""
        return (self._directory / "log").read_text()

    def query(self, expr: str) -> list[dict[str, Any]]:
        """Series an expression gives now; fails when it cannot be read."""
        try:
            with urlopen(f"{self.url}/api/v1/query?{urlencode({'query': expr})}", timeout=10) as answer:
                found: list[dict[str, Any]] = json.load(answer)["data"]["result"]
                return found
        except HTTPError as error:
            raise AssertionError(f"{expr}: {error.read().decode()}") from error

    def _ready(self) -> bool:
        assert self._process.poll() is None, self.log()
        try:
            with urlopen(f"{self.url}/-/ready", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False
