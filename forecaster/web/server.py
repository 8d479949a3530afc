"""A small HTTP server on the standard library: read-only pages, one thread per connection."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import AF_INET, AF_INET6
from socketserver import TCPServer
from urllib.parse import urlsplit

from forecaster.errors import ConfigurationError

log = logging.getLogger(__name__)

PATIENCE_S = 10.0
"""How long a client may be silent before its connection is closed."""


@dataclass(frozen=True, slots=True)
class Response:
    """An answer: status, type of the body, body."""

    status: int
    content_type: str
    body: bytes


Route = Callable[[], Response]

BROKEN = Response(500, "text/plain; charset=utf-8", b"internal error; the log of the service says more\n")


class HttpServer:
    """Answers GET and HEAD on fixed paths.

    Parameters
    ----------
    host, port
        Where to listen; port 0 takes a free one.
    routes
        Path to the function that answers it. Called from many threads.

    Raises
    ------
    ConfigurationError
        When the address cannot be listened on.
    """

    def __init__(self, host: str, port: int, routes: Mapping[str, Route]) -> None:
        try:
            self._server = _Server(host, port, routes)
        except (OSError, OverflowError) as error:
            raise ConfigurationError(
                f"http.listen: cannot listen on {host}:{port} ({error}); "
                "is another forecaster running? choose another address, or port 0 for a free one"
            ) from error
        self.host = host
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), name="http", daemon=True)

    @property
    def url(self) -> str:
        """Where a browser on this machine finds it."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(self.host, self.host)
        return f"http://[{host}]:{self.port}/" if ":" in host else f"http://{host}:{self.port}/"

    def start(self) -> None:
        """Serve in the background."""
        self._thread.start()

    def alive(self) -> bool:
        """Whether the serving thread runs."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """Stop listening. Answers under way are given up at the end of the process."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    """The standard server is made to be derived from: it takes its choices as attributes."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, host: str, port: int, routes: Mapping[str, Route]) -> None:
        self.address_family = AF_INET6 if ":" in host else AF_INET
        self.routes = routes
        super().__init__((host, port), _Handler)

    def server_bind(self) -> None:
        """Bind, without the reverse name look-up of the parent class, which may take seconds."""
        TCPServer.server_bind(self)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: a client that went away is not worth a line, and errors of pages are logged already."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    server_version = "forecaster"
    sys_version = ""
    timeout = PATIENCE_S

    def do_GET(self) -> None:
        try:
            response = self._answer()
        except Exception:  # a bug in one page: it is logged and answered, and the service goes on
            log.exception("page failed path=%s", self.path)
            self._send(BROKEN)
            raise  # ends this connection, and no other
        self._send(response)

    def do_HEAD(self) -> None:
        self.do_GET()

    def _answer(self) -> Response:
        route = self.server.routes.get(urlsplit(self.path).path)
        if route is not None:
            return route()
        known = "\n".join(self.server.routes)
        return Response(404, "text/plain; charset=utf-8", f"no such page; there are:\n{known}\n".encode())

    def _send(self, response: Response) -> None:
        self.send_response(response.status)
        self.send_header("Content-Type", response.content_type)
        self.send_header("Content-Length", str(len(response.body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(response.body)

    def log_message(self, format: str, *args: object) -> None:
        """No access log: a scrape every few seconds would drown what matters."""
