"""The HTTP server, over real sockets on loopback."""

from __future__ import annotations

import http.client
import logging
import socket
from collections.abc import Iterator

import pytest

from forecaster.errors import ConfigurationError
from forecaster.web.server import HttpServer, Response


def hello() -> Response:
    return Response(200, "text/plain", b"hello")


def broken() -> Response:
    raise ZeroDivisionError("a bug")


@pytest.fixture
def server() -> Iterator[HttpServer]:
    server = HttpServer("127.0.0.1", 0, {"/hello": hello, "/broken": broken})
    server.start()
    yield server
    server.stop()


def ask(server: HttpServer, method: str, path: str) -> tuple[int, str | None, bytes]:
    connection = http.client.HTTPConnection(server.host, server.port, timeout=10)
    connection.request(method, path)
    answer = connection.getresponse()
    told = answer.status, answer.headers["Content-Length"], answer.read()
    connection.close()
    return told


def test_a_page_is_served_and_its_query_is_ignored(server: HttpServer) -> None:
    """The path chooses the page."""
    assert ask(server, "GET", "/hello?x=1") == (200, "5", b"hello")


def test_head_tells_the_length_and_sends_no_body(server: HttpServer) -> None:
    """HEAD is GET without the body."""
    assert ask(server, "HEAD", "/hello") == (200, "5", b"")


def test_an_unknown_page_names_those_there_are(server: HttpServer) -> None:
    """404 helps."""
    assert ask(server, "GET", "/metric") == (404, "40", b"no such page; there are:\n/hello\n/broken\n")


def test_pages_cannot_be_written(server: HttpServer) -> None:
    """Any method but GET and HEAD is not implemented."""
    assert ask(server, "POST", "/hello")[0] == 501


def test_a_bug_in_a_page_answers_500_and_is_logged(server: HttpServer, caplog: pytest.LogCaptureFixture) -> None:
    """The client gets an answer, the log the error, and the server goes on."""
    with caplog.at_level(logging.ERROR):
        assert ask(server, "GET", "/broken")[0] == 500

    assert ask(server, "GET", "/hello")[0] == 200
    assert caplog.messages == ["page failed path=/broken"]


def test_a_silent_client_blocks_nobody(server: HttpServer) -> None:
    """A connection that sends half a request holds its own thread and no other."""
    with socket.create_connection((server.host, server.port)) as silent:
        silent.sendall(b"GET /hello HTTP/1.1\r\nHost:")

        assert ask(server, "GET", "/hello") == (200, "5", b"hello")


def test_several_requests_share_a_connection(server: HttpServer) -> None:
    """Prometheus keeps its connection open between scrapes."""
    connection = http.client.HTTPConnection(server.host, server.port, timeout=10)
    for _ in range(3):
        connection.request("GET", "/hello")
        assert connection.getresponse().read() == b"hello"
    connection.close()


def test_a_taken_port_is_a_configuration_error(server: HttpServer) -> None:
    """It says which setting, which address, and what to do."""
    with pytest.raises(ConfigurationError, match=rf"http.listen: .*127.0.0.1:{server.port} .*choose another address"):
        HttpServer("127.0.0.1", server.port, {})


def test_stopping_frees_the_port_even_when_never_started() -> None:
    """The next process can listen at once."""
    first = HttpServer("127.0.0.1", 0, {})
    first.stop()

    second = HttpServer("127.0.0.1", first.port, {})
    second.stop()

    assert second.port == first.port
    assert not second.alive()


@pytest.mark.parametrize(("host", "shown"), [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1")])
def test_the_url_can_be_opened_in_a_browser(host: str, shown: str) -> None:
    """Listening everywhere is not an address to open."""
    server = HttpServer(host, 0, {})
    server.stop()

    assert server.url == f"http://{shown}:{server.port}/"
