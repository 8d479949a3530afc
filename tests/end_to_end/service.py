"""The daemon as a process, seen as its users see it: by MQTT, by HTTP, by its log, by its end."""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import urllib.error
import urllib.request
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import paho.mqtt.client as paho
from jsonschema import Draft202012Validator
from launcher import Launcher
from prometheus_client.parser import text_string_to_metric_families
from servers import Collector, eventually

from forecaster.adapters.sqlite_history import SqliteHistory

Sample = tuple[str, tuple[tuple[str, str], ...]]
"""Name and labels, sorted."""


class Service:
    """One configuration, and the processes that run it one after the other.

    Parameters
    ----------
    directory
        Of the test; configuration, data and log lie in it, under the name of the service.
    config
        The file, with ``DATA`` for the data directory; ``http`` is added when it has none.
    """

    def __init__(self, launcher: Launcher, directory: Path, config: str, name: str = "service") -> None:
        self.data = directory / f"{name}-data"
        self.config = directory / f"{name}.yaml"
        self.log = directory / f"{name}.log"
        self._launcher = launcher
        self._pid: int | None = None
        self._began = 0
        self.write(config)

    def write(self, config: str) -> None:
        """Another configuration, for the next start."""
        http = "" if "\nhttp:" in config else "\nhttp: {listen: 127.0.0.1:0}\n"
        self.config.write_text(config.replace("DATA", str(self.data)) + http)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._pid is not None:
            self.kill()
        print(f"--- {self.log}\n{self.said()}")  # shown by pytest when the test has failed

    # --- life ---------------------------------------------------------------------------------------------------------

    def begin(self) -> Self:
        """Start the process, and return at once."""
        assert self._pid is None, "it runs already"
        self._began = len(self.said())
        self._pid = self._launcher.start(["run", str(self.config)], self.log)
        return self

    def start(self) -> Self:
        """Start, and return when it is ready: state restored, subscribed."""
        return self.begin().ready()

    def ready(self) -> Self:
        eventually(lambda: "http listening" in self.said_now(), 30, "listening")
        eventually(lambda: self.status("/readyz") == 200, 30, "being ready")
        return self

    def kill(self) -> None:
        """End it as a power cut would."""
        assert self._pid is not None
        os.kill(self._pid, signal.SIGKILL)
        code = self.ended()
        assert code == -signal.SIGKILL, f"exit code {code}"

    def stop(self) -> None:
        """End it as systemd or Kubernetes would: with exit code 0, in time."""
        assert self._pid is not None
        os.kill(self._pid, signal.SIGTERM)
        code = self.ended()
        assert code == 0, f"exit code {code}"

    def ended(self, timeout_s: float = 20.0) -> int:
        """Exit code, once it has one."""
        assert self._pid is not None
        code = self._launcher.exit_code(self._pid, timeout_s)
        self._pid = None
        return code

    def fill_disk(self, full: bool = True) -> None:
        """Let no file of the data directory grow any more, or again."""
        assert self._pid is not None
        _, most = resource.prlimit(self._pid, resource.RLIMIT_FSIZE)
        largest = max(file.stat().st_size for file in self.data.glob("*-wal"))
        resource.prlimit(self._pid, resource.RLIMIT_FSIZE, (largest if full else most, most))

    def command(self, *words: str) -> None:
        """Another command with the same configuration, while it runs or not; it must succeed."""
        code = self._launcher.exit_code(self._launcher.start([*words, "--config", str(self.config)], self.log), 60)
        assert code == 0, self.said()

    # --- what it says -------------------------------------------------------------------------------------------------

    def said(self) -> str:
        """Its log, of all processes so far."""
        return self.log.read_text() if self.log.exists() else ""

    def said_now(self) -> str:
        """Its log, of the newest process."""
        return self.said()[self._began :]

    def get(self, path: str) -> tuple[int, bytes]:
        """Answer of its HTTP server; status 0 when there is none."""
        found = re.findall(r"http listening url=(\S+)/", self.said_now())
        if not found:
            return 0, b""
        try:
            with urllib.request.urlopen(found[-1] + path, timeout=10) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()
        except OSError:
            return 0, b""

    def status(self, path: str) -> int:
        return self.get(path)[0]

    def metrics(self) -> dict[Sample, float]:
        """Every sample of ``/metrics``."""
        status, text = self.get("/metrics")
        assert status == 200
        return {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families(text.decode())
            for sample in family.samples
        }

    def metric(self, name: str, **labels: str) -> float:
        """Sum of the samples of a metric that have these labels; 0 when there is none."""
        wanted = set(labels.items())
        return sum(
            value
            for (found, has), value in self.metrics().items()
            if found == f"forecaster_{name}" and wanted <= {*has}
        )

    def handled(self) -> float:
        """Readings and messages it has judged, since its start."""
        return self.metric("samples_accepted_total") + self.metric("samples_rejected_total")

    def rejects(self) -> dict[str, float]:
        """Refused so far, by reason; reasons that did not occur left out."""
        found: dict[str, float] = {}
        for (name, labels), value in self.metrics().items():
            if name == "forecaster_samples_rejected_total" and value:
                reason = dict(labels)["reason"]
                found[reason] = found.get(reason, 0) + value
        return found

    def stored(self, group: str) -> dict[tuple[str, int], float]:
        """Closed steps in the history by series and start; of a service that has been stopped, all of them."""
        with closing(SqliteHistory(self.data / "history.db", read_only=True)) as history:
            series, steps = history.read(group)
        names = [series[index].name for index in steps.series]
        return dict(zip(zip(names, steps.start_ms.tolist(), strict=True), steps.values.tolist(), strict=True))


class Listener:
    """A subscriber that collects all that a service publishes, and holds each forecast against the published schema."""

    def __init__(self, port: int, prefix: str = "forecaster") -> None:
        self._prefix = prefix
        self._collector = Collector(port, f"{prefix}/#")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._collector.__exit__(kind, error, trace)

    def statuses(self) -> list[str]:
        """What was said on the status topic, each retained repetition left out."""
        return [payload.decode() for payload in self._collector.payloads(f"{self._prefix}/status")]

    def forecasts(self) -> dict[tuple[str, str], dict[str, Any]]:
        """Every forecast by stream and origin, the newest of each; all of them valid."""
        messages = [message for message in self._collector.messages if message.topic.endswith("/forecast")]
        if not messages:
            return {}
        topic = f"{self._prefix}/schema/forecast/v1"
        schema = json.loads(eventually(lambda: self._collector.payloads(topic), what="the schema")[-1])
        validator = Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
        found = {}
        for message in messages:
            said = json.loads(message.payload, parse_constant=lambda name: f"{name} is not JSON")
            validator.validate(said)
            assert message.topic == f"{self._prefix}/{said['group']}/{said['stream']}/forecast"
            found[said["stream"], said["origin"]] = said
        return found

    def wait(self, stream: str, origin: str, timeout_s: float = 20.0) -> dict[str, Any]:
        """The forecast of a stream from an origin, once it has come."""
        return eventually(
            lambda: self.forecasts().get((stream, origin)), timeout_s, f"forecast of {stream} from {origin}"
        )


def publish(port: int, messages: Iterable[tuple[str, bytes | str]], *, retain: bool = False) -> None:
    """Publish in order at QoS 1, and return when the broker has all of it."""
    client = paho.Client(paho.CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
    client.max_inflight_messages_set(1000)
    client.connect("127.0.0.1", port)
    client.loop_start()
    sent = [client.publish(topic, payload, qos=1, retain=retain) for topic, payload in messages]
    for one in sent:
        one.wait_for_publish(30)
    client.disconnect()
    client.loop_stop()
