"""A broker for the demo, so that nothing has to be installed: amqtt in a process of its own, on loopback.

MQTT 3.1.1 only, some thousand messages a second, no redelivery of what was not acknowledged: good enough to watch
forecasts, for nothing else. The child ends when its standard input does, so it cannot outlive whoever started it.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import logging
import subprocess
import sys
from types import TracebackType
from typing import Self

from forecaster.errors import BrokerUnreachable, ConfigurationError

HOST = "127.0.0.1"
STOP_TIMEOUT_S = 5.0
ANONYMOUS = "amqtt.plugins.authentication.AnonymousAuthPlugin"


class EmbeddedBroker:
    """Runs while the ``with`` block does.

    Attributes
    ----------
    url
        Where it listens, ``mqtt://127.0.0.1:port``.

    Raises
    ------
    ConfigurationError
        When amqtt is not installed.
    BrokerUnreachable
        When it did not start.
    """

    def __init__(self) -> None:
        self.url = ""
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        if importlib.util.find_spec("amqtt") is None:
            raise ConfigurationError("the embedded broker needs amqtt; install it with: pip install 'forecaster[demo]'")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "forecaster.adapters.embedded_broker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for us; the broker goes last
        )
        assert self._process.stdout is not None
        port = self._process.stdout.readline().strip()
        if not port.isdigit():
            self.stop()
            raise BrokerUnreachable("the embedded broker did not start; its own words are above")
        self.url = f"mqtt://{HOST}:{int(port)}"
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def stop(self) -> None:
        """End the child. Stopping twice is fine."""
        process, self._process = self._process, None
        if process is None or process.stdin is None or process.stdout is None:
            return
        process.stdin.close()
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


async def serve(port: int) -> None:
    """Be the broker until standard input ends. Prints the port when connections are accepted."""
    from amqtt.broker import Broker

    # Port 0: the system chooses. Without these settings amqtt logs every packet and publishes about itself.
    listeners = {"default": {"type": "tcp", "bind": f"{HOST}:{port}"}}
    broker = Broker({"listeners": listeners, "plugins": {ANONYMOUS: {"allow_anonymous": True}}})
    await broker.start()
    print(_port(broker), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.buffer.read)
    await broker.shutdown()


def _port(broker: object) -> int:
    [server] = broker._servers.values()  # type: ignore[attr-defined]
    return int(server.instance.sockets[0].getsockname()[1])


def main() -> None:
    """What the child runs."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--port", type=int, default=0, help="0: any free one")
    logging.disable(logging.CRITICAL)
    asyncio.run(serve(parser.parse_args().port))


if __name__ == "__main__":
    main()
