"""``forecaster demo``: a broker, a publisher of real data and the service, each a process, and a look at them.

The service is the one that ``forecaster run`` starts, with the configuration in ``data/demo.yaml``.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from importlib.resources import as_file, files
from pathlib import Path

from rich.console import Console
from rich.live import Live

from forecaster.adapters.embedded_broker import EmbeddedBroker
from forecaster.commands.demo_screen import Look, line, panel, summary
from forecaster.commands.demo_watcher import Watcher
from forecaster.commands.scrape import Numbers, scrape
from forecaster.config import load
from forecaster.errors import BadInput, ForecasterError

MOST_HOMES = 20
HOURS_PER_S = 100
HOURS = 9504
START_S = 60.0
LOOK_EVERY_S = 0.25
LINE_EVERY_S = 5.0


def run(arguments: Namespace) -> int:
    """Show the demo; 0 when forecasts were published, 1 when none was."""
    homes = arguments.homes
    if not 1 <= homes <= MOST_HOMES:
        raise BadInput(f"--homes {homes}: there are 1 to {MOST_HOMES}")
    with ExitStack() as stack:
        for number in (signal.SIGINT, signal.SIGTERM):  # also when a script started this in the background
            signal.signal(number, signal.default_int_handler)
        directory = arguments.keep or stack.enter_context(tempfile.TemporaryDirectory(prefix="forecaster-demo-"))
        data = Path(directory)
        data.mkdir(parents=True, exist_ok=True)
        log = data / "demo.log"
        log.touch()
        broker = stack.enter_context(EmbeddedBroker())
        config = stack.enter_context(as_file(files("forecaster") / "data" / "demo.yaml"))
        environment = {
            **os.environ,
            **{"DEMO_BROKER": broker.url, "DEMO_DATA": str(data), "DEMO_HTTP": str(arguments.http)},
        }
        settings = load(config, environment)
        service = stack.enter_context(child(["run", str(config)], environment, log))
        where = address(log, service)
        watcher = stack.enter_context(Watcher(settings))
        pace = ["--speed", f"{HOURS_PER_S * 3600}x", "--streams", str(homes), "--mqtt-version", "3.1.1", "--quiet"]
        publisher = stack.enter_context(child(["publish", "households", "--url", broker.url, *pace], environment, log))
        group = settings.groups[0]

        def look() -> Look:
            return Look(
                numbers=scraped(where),
                forecast=watcher.forecast(),
                origin=watcher.origin,
                total=homes * HOURS,
                homes=homes,
                horizon=group.horizon,
                where=where,
                topics=f"mosquitto_sub -p {broker.url.rpartition(':')[2]} -t 'forecaster/#' -v",
                zone=group.timezone,
            )

        def check() -> None:
            if service.poll() is not None or publisher.poll() not in (None, 0):
                raise ForecasterError(f"a part of the demo ended; the last words in its log:\n{tail(log)}")

        last = watch(look, check, arguments.seconds)
        stack.callback(lambda: Console().print(summary(last)))
    return 0 if last.forecasts else 1


def watch(look: Callable[[], Look], check: Callable[[], None], seconds: float | None) -> Look:
    """Show the demo until the time is over or Ctrl-C; the last look."""
    console = Console()
    ends = time.monotonic() + seconds if seconds else float("inf")
    last = look()
    with suppress(KeyboardInterrupt):
        if console.is_terminal:
            with Live(panel(last), console=console, refresh_per_second=8) as live:
                while time.monotonic() < ends:
                    check()
                    time.sleep(LOOK_EVERY_S)
                    last = look()
                    live.update(panel(last))
        else:
            print(f"open {last.where}\nlisten {last.topics}", flush=True)
            while time.monotonic() < ends:
                check()
                time.sleep(min(LINE_EVERY_S, max(0.0, ends - time.monotonic())))
                before, last = line(last), look()
                if line(last) != before:
                    print(line(last), flush=True)
    return last


@contextmanager
def child(words: list[str], environment: Mapping[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A command of ours as a process of its own, stopped at the end of the block; what it says goes to a file."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "forecaster", *words],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # Ctrl-C is for us; we stop the others in order
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(15.0)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def address(log: Path, service: subprocess.Popen[bytes]) -> str:
    """Where the service answers, once it is connected; it chose a free port itself and says so in its log.

    Raises
    ------
    ForecasterError
        When it does not come up.
    """
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and service.poll() is None:
        for said in log.read_text().splitlines():
            url = said.rpartition("http listening url=")[2]
            if url != said and scraped(url).total("forecaster_mqtt_connected"):
                return url
        time.sleep(0.1)
    raise ForecasterError(f"the service did not start; the last words in its log:\n{tail(log)}")


def scraped(url: str) -> Numbers:
    """The service's numbers, none while it does not answer."""
    try:
        return scrape(f"{url}metrics")
    except OSError:
        return Numbers("")


def tail(log: Path, lines: int = 8) -> str:
    """The last lines of a log."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
