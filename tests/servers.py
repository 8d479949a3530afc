"""Real servers for tests: a mosquitto of one's own, a relay whose wire can be cut, a client that collects.

All listen on 127.0.0.1 on a port that was free, keep their files in a directory of the test, and are stopped by the
process id they were started with.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import paho.mqtt.client as paho
import pytest

T = TypeVar("T")


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def eventually(predicate: Callable[[], T], timeout_s: float = 30.0, what: str = "it") -> T:
    """Ask until the answer is true, and return it; fails when it has not come in time."""
    deadline = time.monotonic() + timeout_s
    while True:
        if answer := predicate():
            return answer
        assert time.monotonic() < deadline, f"{what} did not happen within {timeout_s} s"
        time.sleep(0.01)


def accepts(port: int) -> bool:
    """Whether something on 127.0.0.1 accepts connections there."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1.0):
        return True
    return False


def mosquitto_program() -> str | None:
    """Path of the mosquitto broker, None when it is not installed."""
    return shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


def require_mosquitto() -> None:
    """Skip the test, or fail it in CI, when mosquitto is not installed."""
    if mosquitto_program() is not None:
        return
    message = "mosquitto is not installed; deploy/install-test-services.sh installs it"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


class Mosquitto:
    """A mosquitto broker that belongs to one test.

    Parameters
    ----------
    directory
        Where it keeps configuration, log and database.
    persistence
        Whether sessions, queues and retained messages survive a restart.
    lines
        More lines of configuration; a ``listener`` among them replaces the default one and must name ``port``.
    scheme
        Of the URL.
    """

    def __init__(
        self,
        directory: Path,
        *,
        persistence: bool = True,
        lines: Sequence[str] = (),
        anonymous: bool = True,
        scheme: str = "mqtt",
        port: int | None = None,
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.port = port or free_port()
        self.url = f"{scheme}://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None
        (directory / "mosquitto.conf").write_text(
            "\n".join(
                [
                    *(["user root"] if os.geteuid() == 0 else []),  # it would change user and lose its files
                    f"listener {self.port} 127.0.0.1",
                    f"allow_anonymous {str(anonymous).lower()}",
                    f"persistence {str(persistence).lower()}",
                    f"persistence_location {directory}/",
                    "autosave_interval 1",
                    "max_queued_messages 0",
                    "max_inflight_messages 1000",
                    "set_tcp_nodelay true",
                    *lines,
                ]
            )
            + "\n"
        )

    def start(self) -> Self:
        """Start, and return when it accepts connections."""
        program = mosquitto_program()
        assert program is not None, "mosquitto is not installed"
        with (self.directory / "mosquitto.log").open("ab") as log:
            self._process = subprocess.Popen(
                [program, "-c", str(self.directory / "mosquitto.conf")], stdout=log, stderr=subprocess.STDOUT
            )
        eventually(lambda: self._ended() or accepts(self.port), what="mosquitto accepting connections")
        assert not self._ended(), (self.directory / "mosquitto.log").read_text()
        return self

    def stop(self) -> None:
        """Let it save and end. Stopping twice is fine."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
            self._process = None

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None

    def _ended(self) -> bool:
        return self._process is None or self._process.poll() is not None


def refusing(directory: Path, pattern: str) -> list[str]:
    """Lines of configuration by which a :class:`Mosquitto` lets nobody subscribe to what a filter covers."""
    plugins = list(Path("/usr/lib").glob("**/mosquitto_dynamic_security.so"))
    if not plugins:
        pytest.skip("this mosquitto has no plugin for dynamic security")
    what = ["publishClientSend", "publishClientReceive", "subscribe", "unsubscribe"]
    rule = {"acltype": "subscribePattern", "topic": pattern, "priority": 1, "allow": False}
    rules = {
        "defaultACLAccess": dict.fromkeys(what, True),
        "anonymousGroup": "all",
        "groups": [{"groupname": "all", "roles": [{"rolename": "all"}], "clients": []}],
        "roles": [{"rolename": "all", "acls": [rule]}],
    }
    file = directory / "rules.json"
    file.write_text(json.dumps(rules))
    return [f"plugin {plugins[0]}", f"plugin_opt_config_file {file}"]


class Relay:
    """Forwards a port of 127.0.0.1 to another, until the wire is cut."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.url = f"mqtt://127.0.0.1:{self.port}"
        self.accepting = True
        self._pairs: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.accepting = False
        self.cut()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(5)

    def cut(self) -> None:
        """Break every connection without a word of goodbye; new ones are forwarded while ``accepting``."""
        pairs, self._pairs = self._pairs, []
        for end in pairs:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            try:
                if not self.accepting:
                    raise ConnectionRefusedError
                far = socket.create_connection(("127.0.0.1", self._target), timeout=5.0)
            except OSError:
                near.close()
                continue
            far.settimeout(None)
            self._pairs += [near, far]
            closing = threading.Barrier(2)  # both directions have ended: only then are the descriptors given back
            for source, sink in ((near, far), (far, near)):
                self._threads.append(threading.Thread(target=_pump, args=(source, sink, closing), daemon=True))
                self._threads[-1].start()


def _pump(source: socket.socket, sink: socket.socket, closing: threading.Barrier) -> None:
    with suppress(OSError):
        while chunk := source.recv(65536):
            sink.sendall(chunk)
    for end in (source, sink):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
    closing.wait(5)
    source.close()


class Collector:
    """An MQTT client of the test's own: collects what it subscribed to, and publishes by hand.

    Attributes
    ----------
    messages
        What came, in order, as paho's messages.
    """

    def __init__(self, port: int, *filters: str, version: int = paho.MQTTv5) -> None:
        self.messages: list[paho.MQTTMessage] = []
        self._subscribed = threading.Event()
        self._client = paho.Client(paho.CallbackAPIVersion.VERSION2, protocol=version)
        self._client.on_message = lambda _client, _data, message: self.messages.append(message)
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        if filters:
            eventually(self._client.is_connected, what="collector connecting")
            self._client.subscribe([(each, 1) for each in filters])
            assert self._subscribed.wait(10), "the collector's subscription was not answered"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def publish(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> None:
        """Publish and wait until the broker has it."""
        self._client.publish(topic, payload, qos, retain).wait_for_publish(10)

    def payloads(self, topic: str) -> list[bytes]:
        """What came on one topic, in order."""
        return [bytes(message.payload) for message in self.messages if message.topic == topic]

    def wait(self, topic: str, payload: bytes, timeout_s: float = 10.0) -> None:
        """Return when that has come."""
        eventually(lambda: payload in self.payloads(topic), timeout_s, f"{payload!r} on {topic}")
