"""The commands: what they are called and what they take. What they do is in :mod:`forecaster.commands`.

Nothing heavy is imported here, so that ``--help`` is instant: a command's module is imported when it is run.
"""

from __future__ import annotations

import os
import sys
from argparse import SUPPRESS, ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path

from forecaster.adapters.resources import ONE_THREAD
from forecaster.errors import ForecasterError

INTERRUPTED = 130
BROKEN_PIPE = 141
"""What a shell reports for a program ended by SIGINT or SIGPIPE."""

HELP = partial(RawDescriptionHelpFormatter, max_help_position=30, width=100)
"""argparse's own help, our line breaks kept, with room for the names of options."""

Environment = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One word after ``forecaster``; its module in :mod:`forecaster.commands` has the same name.

    Attributes
    ----------
    name, section, summary
        As listed by ``forecaster --help``.
    about
        What a person wants to know before using it.
    examples
        Lines to copy.
    arguments
        Adds what it takes to its parser.
    """

    name: str
    section: str
    summary: str
    about: str
    examples: tuple[str, ...]
    arguments: Callable[[ArgumentParser, Environment], None]


def main(argv: Sequence[str] | None = None, environment: Environment | None = None) -> int:
    """Run one command; its exit code.

    Raises
    ------
    SystemExit
        From argparse: 0 after help, 2 after words that make no command.
    """
    root = parser(os.environ if environment is None else environment)
    arguments = root.parse_args(argv)
    if arguments.command is None:
        root.print_help(sys.stderr)
        return 2
    for name, value in ONE_THREAD.items():
        os.environ.setdefault(name, value)
    try:
        code: int = import_module(f"forecaster.commands.{arguments.command}").run(arguments)
        sys.stdout.flush()
    except ForecasterError as error:
        print(f"{_red('forecaster:')} {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output left. Python flushes once more at exit, and must not complain then.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    return code


def parser(environment: Environment) -> ArgumentParser:
    """The whole command line; the environment gives some defaults."""
    root = ArgumentParser(
        "forecaster",
        usage="forecaster COMMAND …",
        description=_overview(),
        formatter_class=HELP,
        allow_abbrev=False,
    )
    root.add_argument("--version", dest="command", action="store_const", const="version", help=SUPPRESS)
    commands = root.add_subparsers(dest="command", metavar="COMMAND", help=SUPPRESS, prog="forecaster")
    for command in COMMANDS:
        examples = "\n".join(f"  {line}" for line in command.examples)
        own = commands.add_parser(
            command.name,
            description=command.about,
            epilog=f"examples:\n{examples}",
            formatter_class=HELP,
            allow_abbrev=False,
        )
        command.arguments(own, environment)
    return root


def _overview() -> str:
    """All commands by section."""
    lines = ["Forecasts for the sensors on your MQTT broker."]
    section = ""
    for command in COMMANDS:
        if command.section != section:
            section = command.section
            lines += ["", section]
        lines.append(f"  {command.name:<13}{command.summary}")
    return "\n".join([*lines, "", "'forecaster COMMAND --help' tells more, with examples."])


def _red(text: str) -> str:
    """Red where a person looks and does not mind."""
    return f"\033[31m{text}\033[0m" if sys.stderr.isatty() and not os.environ.get("NO_COLOR") else text


# --- what each command takes -------------------------------------------------------------------------------------


def _configuration(environment: Environment) -> Path:
    """The file used when none is named."""
    return Path(environment.get("FORECASTER_CONFIG") or "forecaster.yaml")


def _config_option(own: ArgumentParser, environment: Environment) -> None:
    default = _configuration(environment)
    own.add_argument(
        *("-c", "--config"),
        type=Path,
        default=default,
        metavar="FILE",
        help=f"configuration file (default: $FORECASTER_CONFIG or forecaster.yaml; now {default})",
    )


def _config_argument(own: ArgumentParser, environment: Environment) -> None:
    default = _configuration(environment)
    own.add_argument(
        "config",
        type=Path,
        nargs="?",
        default=default,
        metavar="CONFIG",
        help=f"configuration file (default: $FORECASTER_CONFIG or forecaster.yaml; now {default})",
    )


def _demo(own: ArgumentParser, _: Environment) -> None:
    own.add_argument("--seconds", type=float, metavar="N", help="end after N seconds (default: run until Ctrl-C)")
    own.add_argument("--homes", type=int, default=8, metavar="N", help="how many homes, 1 to 20 (default: 8)")
    own.add_argument(
        "--http", type=int, default=0, metavar="PORT", help="port of the HTTP server (default: a free one)"
    )
    own.add_argument("--keep", type=Path, metavar="DIR", help="keep data and models there (default: forget them)")


def _nothing(own: ArgumentParser, _: Environment) -> None:
    """Takes nothing."""


def _train(own: ArgumentParser, environment: Environment) -> None:
    own.add_argument("group", metavar="GROUP", help="a name under 'groups:' in the configuration")
    ways = ("bar", "json", "none")
    own.add_argument("--progress", choices=ways, default="bar", help="for people, for programs (default: %(default)s)")
    own.add_argument("--service", type=Path, metavar="DATA", help=SUPPRESS)  # by the service, see adapters/trainer.py
    _config_option(own, environment)


def _tune(own: ArgumentParser, environment: Environment) -> None:
    own.add_argument("group", metavar="GROUP", help="a name under 'groups:' in the configuration")
    own.add_argument("--budget", default="20m", metavar="TIME", help="what the search may take (default: %(default)s)")
    own.add_argument("--out", type=Path, default=Path(), metavar="DIR", help="where its files go (default: here)")
    _config_option(own, environment)


def _models(own: ArgumentParser, environment: Environment) -> None:
    actions = own.add_subparsers(dest="action", required=True, metavar="list|promote|rollback")
    for action, summary in (
        ("list", "models on disk, their scores, and which is in service"),
        ("promote", "put a model into service"),
        ("rollback", "put the previous model back into service"),
    ):
        one = actions.add_parser(action, help=summary, description=f"{summary.capitalize()}.", formatter_class=HELP)
        one.add_argument(
            *("group",),
            nargs="?" if action == "list" else None,
            metavar="GROUP",
            help="group of streams" + (" (default: all)" if action == "list" else ""),
        )
        if action == "promote":
            one.add_argument("version", metavar="VERSION", help="as listed, such as 0007")
        _config_option(one, environment)


def _backtest(own: ArgumentParser, environment: Environment) -> None:
    own.add_argument("data", metavar="DATA", help="CSV or Parquet of readings, 'households' (bundled), or 'history'")
    own.add_argument("--group", metavar="NAME", help="group to test (default: the first)")
    span = own.add_mutually_exclusive_group()
    span.add_argument("--origins", type=int, metavar="N", help="score forecasts from the last N origins")
    span.add_argument("--from", dest="since", metavar="TIME", help="score forecasts from this time on (RFC 3339)")
    own.add_argument("--train", action="store_true", help="train on what was before, instead of using the champion")
    own.add_argument("--json", type=Path, metavar="FILE", help="also write the scores, of each stream too, as JSON")
    own.add_argument("--plot", type=Path, metavar="FILE", help="also draw a forecast, .png or .svg")
    own.add_argument("--stream", metavar="NAME", help="whose forecast to draw (default: the first's)")
    _config_option(own, environment)


def _replay(own: ArgumentParser, environment: Environment) -> None:
    own.add_argument("--group", metavar="NAME", help="only this group")
    own.add_argument("--stream", metavar="NAME", help="only this stream")
    own.add_argument("--after", type=int, default=0, metavar="POSITION", help="journal position to start after")
    _config_option(own, environment)


def _forget(own: ArgumentParser, environment: Environment) -> None:
    own.add_argument("group", metavar="GROUP", help="a name under 'groups:' in the configuration")
    own.add_argument("--stream", required=True, metavar="NAME", help="name of the stream, or a pattern with * and ?")
    own.add_argument("--from", dest="since", required=True, metavar="TIME", help="first moment (RFC 3339 or local)")
    own.add_argument("--until", required=True, metavar="TIME", help="first moment after it")
    _config_option(own, environment)


def _publish(own: ArgumentParser, environment: Environment) -> None:
    address = environment.get("FORECASTER__MQTT__URL") or "mqtt://127.0.0.1:1883"
    own.add_argument("data", metavar="DATA", help="CSV or Parquet file, or 'households' for the bundled homes")
    own.add_argument("--url", default=address, help=f"the broker (default: {address})")
    own.add_argument("--topic", default="home/{stream}/energy", help="(default: %(default)s)")
    own.add_argument(
        "--payload",
        default='{"value": {value}, "time": "{time}"}',
        metavar="TEMPLATE",
        help="with {stream}, {value}, {time} or {ms}; 'bare' for the number alone (default: %(default)s)",
    )
    own.add_argument("--speed", default="3600x", help="times faster than it happened, or 'max' (default: %(default)s)")
    versions = ("auto", "5", "3.1.1")
    own.add_argument("--mqtt-version", choices=versions, default="auto", help="(default: %(default)s)")
    own.add_argument("--from", dest="since", metavar="TIME", help="skip readings before this time (RFC 3339)")
    own.add_argument("--until", metavar="TIME", help="skip readings from this time on")
    own.add_argument("--timezone", default="UTC", metavar="ZONE", help="of times without an offset (default: UTC)")
    own.add_argument("--streams", type=int, metavar="N", help="only the first N streams")
    own.add_argument("--username", metavar="NAME", help="user of the broker")
    own.add_argument("--password-file", type=Path, metavar="FILE", help="file with the password, and nothing else")
    own.add_argument("--ca-file", type=Path, metavar="FILE", help="certificate authority of an mqtts:// broker")
    own.add_argument("--quiet", action="store_true", help="print nothing but errors")


def _healthcheck(own: ArgumentParser, environment: Environment) -> None:
    listen = environment.get("FORECASTER__HTTP__LISTEN") or "127.0.0.1:8080"
    host, _, port = listen.rpartition(":")
    address = f"http://{'127.0.0.1' if host in ('', '0.0.0.0', '[::]') else host}:{port}"
    own.add_argument("--url", default=address, help=f"where it listens (default: {address})")


COMMANDS = (
    Command(
        name="demo",
        section="see it work",
        summary="real household electricity, forecast while you watch",
        about="A broker, a publisher of real household data and the service itself, all on this machine.\n"
        "Shows forecasts being made, a network being trained and its error beside the naive one.",
        examples=(
            "forecaster demo",
            "forecaster demo --seconds 60 --homes 8",
            "forecaster demo --http 8080 --keep demo",
        ),
        arguments=_demo,
    ),
    Command(
        name="run",
        section="serve",
        summary="the service: readings in, forecasts out, until it is told to stop",
        about="Subscribe, forecast, verify and retrain as the configuration says, until SIGTERM or Ctrl-C.",
        examples=(
            "forecaster run forecaster.yaml",
            "FORECASTER__MQTT__URL=mqtt://broker:1883 forecaster run home.yaml",
        ),
        arguments=_config_argument,
    ),
    Command(
        name="check",
        section="serve",
        summary="say what is wrong with a configuration",
        about="Read a configuration as 'run' would, and print every problem with its line and how to mend it.\n"
        "Exit code 0 when there is none, 78 otherwise.",
        examples=("forecaster check forecaster.yaml",),
        arguments=_config_argument,
    ),
    Command(
        name="schema",
        section="serve",
        summary="the JSON Schema of the configuration",
        about="Print the JSON Schema of the configuration, for editors that complete and check YAML.",
        examples=("forecaster schema > forecaster.schema.json",),
        arguments=_nothing,
    ),
    Command(
        name="healthcheck",
        section="serve",
        summary="ask a running service how it is",
        about="Ask a running service how it is. Exit code 0 when well, 1 otherwise; made for HEALTHCHECK lines.",
        examples=("forecaster healthcheck", "forecaster healthcheck --url http://127.0.0.1:9000"),
        arguments=_healthcheck,
    ),
    Command(
        name="train",
        section="models",
        summary="train a network on the stored history, now",
        about="Train a network on the stored history and judge it against the model in service and the naive\n"
        "forecast. It goes into service only if it beats both.",
        examples=("forecaster train household", "forecaster train household --config home.yaml"),
        arguments=_train,
    ),
    Command(
        name="tune",
        section="models",
        summary="search for network settings that forecast better",
        about="Try other cells, sizes, dropout and lookback on the stored history, within a time limit. The newest\n"
        "part of the history is put away; settings that are better there too are written to tune-GROUP.yaml,\n"
        "and all trials to tune-GROUP.json. Nothing in service changes.",
        examples=("forecaster tune household --budget 20m", "forecaster tune household --budget 2h --out tuning"),
        arguments=_tune,
    ),
    Command(
        name="models",
        section="models",
        summary="list models, put one into service, go back to the previous one",
        about="Models on disk: list them, put one into service, or go back to the previous one.",
        examples=(
            "forecaster models list",
            "forecaster models promote household 0007",
            "forecaster models rollback household",
        ),
        arguments=_models,
    ),
    Command(
        name="backtest",
        section="models",
        summary="how good the forecasts would have been",
        about="Run past data through the same engine with a virtual clock, and score every forecast by lead\n"
        "against the naive one.",
        examples=(
            "forecaster backtest readings.csv --group household --train",
            "forecaster backtest history --origins 200 --plot fan.png --json scores.json",
        ),
        arguments=_backtest,
    ),
    Command(
        name="replay",
        section="models",
        summary="what would have been published, from the journal",
        about="Run the journal through the engine again and print what would have been published.",
        examples=("forecaster replay --group household --stream a/main", "forecaster replay --after 120000"),
        arguments=_replay,
    ),
    Command(
        name="forget",
        section="data",
        summary="take a stretch of a stream out of forecasts and training",
        about="A sensor was broken, a house stood empty: say when, and no forecast and no training looks at it.\n"
        "The history keeps it. A running service forgets within seconds.",
        examples=(
            "forecaster forget household --stream a/main --from 2026-03-01 --until 2026-03-03",
            "forecaster forget household --stream 'a/*' --from 2026-03-01T06:00:00Z --until 2026-03-01T09:00:00Z",
        ),
        arguments=_forget,
    ),
    Command(
        name="publish",
        section="data",
        summary="send a table to MQTT as if sensors did, at a chosen speed",
        about="Send the readings of a table to an MQTT broker in order of time, as fast as they happened or\n"
        "faster, at QoS 1. Tables have a time column and a column per stream, or one reading per row.\n"
        "Topic and payload are by default what the configuration deploy/config/demo.yaml reads.",
        examples=(
            "forecaster publish households --speed 3600x",
            "forecaster publish meters.csv --url mqtt://broker:1883 --topic 'home/{stream}/energy' --payload bare",
            "forecaster publish past.csv --topic '{stream}' --timezone Europe/Paris --speed max",
        ),
        arguments=_publish,
    ),
    Command(
        name="version",
        section="about",
        summary="versions of this program and what it runs on",
        about="Versions of this program and what it runs on, for bug reports.",
        examples=("forecaster version",),
        arguments=_nothing,
    ),
)
