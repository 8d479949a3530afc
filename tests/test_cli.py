"""The command line: instant, helpful, and every error one line and its own exit code."""

from __future__ import annotations

import shlex
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from forecaster.cli import COMMANDS, Command, main, parser
from forecaster.commands.healthcheck import ask

HEAVY = ("torch", "pandas", "numpy", "paho", "rich", "pydantic", "yaml", "matplotlib")


def shell(*words: str) -> subprocess.CompletedProcess[str]:
    """Run the program as a person does."""
    return subprocess.run(
        [sys.executable, "-m", "forecaster", *words], capture_output=True, text=True, timeout=60, check=False
    )


def test_help_imports_nothing_heavy() -> None:
    """Help is instant: nothing that takes long to import is imported for it."""
    code = (
        f"import sys; from forecaster.cli import parser; parser({{}}); print([m for m in {HEAVY} if m in sys.modules])"
    )

    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)

    assert answer.stdout == "[]\n"


def test_the_overview_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is hidden."""
    with pytest.raises(SystemExit) as end:
        main(["--help"], {})

    text = capsys.readouterr().out
    assert end.value.code == 0
    for command in COMMANDS:
        assert f"  {command.name:<13}{command.summary}\n" in text


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_command_has_help_with_an_example(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    """What it does, and a line to copy that the parser takes."""
    with pytest.raises(SystemExit) as end:
        main([command.name, "--help"], {})

    text = capsys.readouterr().out
    assert end.value.code == 0
    assert command.about in text
    for example in command.examples:
        assert f"  {example}\n" in text


def test_every_example_is_understood() -> None:
    """The examples in the help are real."""
    for command in COMMANDS:
        for example in command.examples:
            words = shlex.split(example.split(" > ")[0])
            words = words[words.index("forecaster") + 1 :]
            assert parser({}).parse_args(words).command == command.name


def test_no_command_is_a_question_for_help(capsys: pytest.CaptureFixture[str]) -> None:
    """Help on stderr and exit code 2, so that a script notices."""
    assert main([], {}) == 2
    assert "forecaster COMMAND" in capsys.readouterr().err


def test_words_that_make_no_command_exit_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    """argparse's own answer."""
    with pytest.raises(SystemExit) as end:
        main(["publish"], {})

    assert end.value.code == 2
    assert "the following arguments are required: DATA" in capsys.readouterr().err


def test_the_environment_names_the_configuration() -> None:
    """FORECASTER_CONFIG, else ./forecaster.yaml; what is written on the line wins."""
    known = {"FORECASTER_CONFIG": "/etc/forecaster.yaml"}

    assert parser({}).parse_args(["run"]).config == Path("forecaster.yaml")
    assert parser(known).parse_args(["run"]).config == Path("/etc/forecaster.yaml")
    assert parser(known).parse_args(["train", "g"]).config == Path("/etc/forecaster.yaml")
    assert parser(known).parse_args(["check", "own.yaml"]).config == Path("own.yaml")


@pytest.mark.parametrize(
    ("listen", "url"),
    [
        (None, "http://127.0.0.1:8080"),
        ("0.0.0.0:9000", "http://127.0.0.1:9000"),
        (":9000", "http://127.0.0.1:9000"),
        ("10.1.2.3:80", "http://10.1.2.3:80"),
    ],
)
def test_healthcheck_asks_where_the_environment_lets_it_listen(listen: str | None, url: str) -> None:
    """An address to listen on everywhere is asked on loopback."""
    environment = {} if listen is None else {"FORECASTER__HTTP__LISTEN": listen}

    assert parser(environment).parse_args(["healthcheck"]).url == url


def test_an_error_is_one_line_and_its_exit_code() -> None:
    """No traceback for what a person can mend."""
    answer = shell("healthcheck", "--url", "localhost")

    assert (answer.returncode, answer.stdout) == (65, "")
    assert answer.stderr == (
        "forecaster: 'localhost' is no HTTP address; expected something like http://127.0.0.1:8080\n"
    )


def test_a_reader_that_leaves_is_no_error() -> None:
    """``forecaster … | head`` ends quietly."""
    process = subprocess.Popen(
        [sys.executable, "-m", "forecaster", "version"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    with process.stderr as errors:
        complaints = errors.read()

    assert (process.wait(timeout=60), complaints) == (141, b"")


def test_version_tells_what_a_bug_report_needs() -> None:
    """Names and versions, torch's among them, in a moment."""
    answer = shell("--version")

    names = [line.split()[0] for line in answer.stdout.splitlines()]
    assert (answer.returncode, names) == (0, ["forecaster", "python", "torch", "numpy", "paho-mqtt", "platform"])


class Health(BaseHTTPRequestHandler):
    """Well at /healthz, unwell at /sick."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/healthz" else 503)
        self.end_headers()
        self.wfile.write(b"ok\n" if self.path == "/healthz" else b"journal: disk full\n")

    def log_message(self, format: str, *args: object) -> None:
        pass


def test_healthcheck_says_what_the_service_says(capsys: pytest.CaptureFixture[str]) -> None:
    """0 and the answer when well; 1 and the reason when not, or when nobody answers."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Health) as server:
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        serving.start()
        url = f"http://127.0.0.1:{server.server_port}"
        well = main(["healthcheck", "--url", url], {})
        sick = main(["healthcheck", "--url", f"{url}/sick"], {})
        server.shutdown()
        serving.join()

    assert (well, sick) == (0, 1)
    assert capsys.readouterr().out == "200 ok\n503 journal: disk full\n"
    answered, line = ask(f"{url}/healthz")
    assert not answered
    assert line.startswith(f"no answer from {url}/healthz: ")
