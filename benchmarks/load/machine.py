"""Broker and daemon as processes of their own: started, pinned, looked at from outside, stopped by their number."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.error import URLError
from urllib.request import urlopen

GROUP = "load"
TICK_S = 1 / os.sysconf("SC_CLK_TCK")

BROKER = """\
{user}listener {port} 127.0.0.1
allow_anonymous true
persistence true
persistence_location {folder}/
autosave_interval 60
max_queued_messages 0
max_inflight_messages 1000
set_tcp_nodelay true
"""

SERVICE = """\
mqtt: {{url: "mqtt://127.0.0.1:{broker}"}}
data: {folder}
groups:
  load:
    streams:
      - {{topic: "load/{{meter}}/power", value: $.power, time: $.time, unit: W}}
    step: {step}
    horizon: 24
    season: [24, 168]
    lookback: 336
    covariates: [hour, weekday]
    lateness: 0s
    ahead: 400d
    max_streams: {streams}
    retrain: {{every: never}}
    training: {{budget: 10s}}
http: {{listen: "127.0.0.1:{http}"}}
snapshot_every: {snapshots}
log: {{level: warning}}
"""


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def wait_for(what: str, true: Callable[[], bool], timeout_s: float = 60.0, every_s: float = 0.02) -> None:
    """Ask until the answer is yes.

    Raises
    ------
    TimeoutError
        When it has not come in time.
    """
    deadline = time.monotonic() + timeout_s
    while not true():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} took more than {timeout_s:.0f} s")
        time.sleep(every_s)


@contextmanager
def flushes(folder: Path) -> Iterator[list[float]]:
    """Milliseconds each flush of a small file takes, again and again while the block runs: how the disk is doing."""
    taken: list[float] = []
    done = threading.Event()

    def run() -> None:
        with (folder / "flushed").open("ab", buffering=0) as file:
            while not done.wait(0.05):
                file.write(bytes(4096))
                began_s = time.perf_counter()
                os.fsync(file.fileno())
                taken.append((time.perf_counter() - began_s) * 1000)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield taken
    finally:
        done.set()
        thread.join()


class Program:
    """A process of ours, on one core.

    Attributes
    ----------
    pid
        Its number.
    """

    def __init__(self, command: list[str], core: int, output: Path) -> None:
        with output.open("ab") as file:
            self._process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)
        self.pid = self._process.pid
        self._output = output
        os.sched_setaffinity(self.pid, {core})  # before it has a second thread

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def stop(self) -> None:
        """Ask it to end, and wait. Stopping twice is fine."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(60)

    def check(self) -> None:
        """Raise ChildProcessError, with what it said, when it has ended."""
        if self._process.poll() is not None:
            raise ChildProcessError(f"ended with code {self._process.returncode}:\n{self._output.read_text()[-4000:]}")

    def cpu_s(self) -> float:
        """Processor time of all its threads, user and system."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) * TICK_S

    def memory_mb(self, what: str = "VmRSS") -> float:
        """Resident memory, or with ``VmHWM`` its peak."""
        found = re.search(rf"{what}:\s+(\d+) kB", Path(f"/proc/{self.pid}/status").read_text())
        assert found is not None
        return int(found[1]) / 1024


class Broker(Program):
    """A mosquitto that queues and keeps everything."""

    def __init__(self, folder: Path, core: int) -> None:
        program = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
        if program is None:
            raise FileNotFoundError("mosquitto is not installed; on Debian: apt-get install mosquitto")
        folder.mkdir()
        self.port = free_port()
        user = "user root\n" if os.geteuid() == 0 else ""  # it would change user and lose its files
        (folder / "mosquitto.conf").write_text(BROKER.format(user=user, port=self.port, folder=folder))
        super().__init__([program, "-c", str(folder / "mosquitto.conf")], core, folder / "log")
        wait_for("the start of mosquitto", self._accepts)

    def _accepts(self) -> bool:
        self.check()
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1.0).close()
        except OSError:
            return False
        return True


class Service(Program):
    """The daemon, as ``forecaster run`` starts it.

    Attributes
    ----------
    config, data
        Its configuration file and data directory.
    """

    def __init__(
        self, folder: Path, core: int, broker: int, streams: int, *, step: str = "1h", snapshots: str = "5m"
    ) -> None:
        folder.mkdir(exist_ok=True)
        self.config, self.data, self._http = folder / f"{step}.yaml", folder / "data", free_port()
        self.config.write_text(
            SERVICE.format(
                broker=broker, folder=self.data, step=step, streams=streams, http=self._http, snapshots=snapshots
            )
        )
        super().__init__([sys.executable, "-m", "forecaster", "run", str(self.config)], core, folder / "log")
        wait_for("the start of the daemon", lambda: self.metrics().get("forecaster_mqtt_connected") == 1.0)

    def metrics(self) -> dict[str, float]:
        """What ``/metrics`` says, by name and labels; empty before it is there."""
        self.check()
        try:
            with urlopen(f"http://127.0.0.1:{self._http}/metrics", timeout=10) as answer:
                lines = answer.read().decode().splitlines()
        except (URLError, OSError):
            return {}
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")}

    def judged(self) -> tuple[int, dict[str, int]]:
        """Readings accepted, and those refused by reason."""
        found = self.metrics()
        refused = {
            name.partition('reason="')[2].partition('"')[0]: int(value)
            for name, value in found.items()
            if name.startswith("forecaster_samples_rejected_total") and value
        }
        return int(found.get(f'forecaster_samples_accepted_total{{group="{GROUP}"}}', 0)), refused

    def model(self) -> str:
        """Version of the model in service."""
        serving = [name for name, value in self.metrics().items() if name.startswith("forecaster_model_info") and value]
        return serving[0].partition('version="')[2].partition('"')[0] if serving else ""
