"""The operator's file and environment → settings, or every mistake at once with its file, line, key and remedy.

The rooms behind this door are in :mod:`forecaster.configuration`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic import ValidationError

from forecaster.configuration import models
from forecaster.configuration.checks import cross_check
from forecaster.configuration.document import Document, read
from forecaster.configuration.problem import MISSING, UNKNOWN, Finding, Key, Problem, Unreadable, nearest
from forecaster.configuration.reference import options, schema
from forecaster.configuration.resolve import resolve
from forecaster.errors import ConfigurationError
from forecaster.settings import Settings

MARKS = ("<name>", "<topic>", "[key]")
"""What pydantic adds to a location: which alternative it tried, or that the key itself is wrong."""

__all__ = ["Problem", "load", "problems", "schema"]


def load(path: Path, env: Mapping[str, str]) -> Settings:
    """Settings from a file, completed and overridden by the environment.

    Parameters
    ----------
    path
        YAML file.
    env
        Environment variables, for ``${VAR}`` and ``FORECASTER__MQTT__URL``.

    Raises
    ------
    ConfigurationError
        With all problems, one per line, ordered by line.
    """
    configuration, found = _examine(path, env)
    if found or configuration is None:
        raise ConfigurationError("\n".join(map(str, found)))
    return resolve(configuration)


def problems(path: Path, env: Mapping[str, str]) -> list[Problem]:
    """Everything wrong with a file, ordered by line; empty when it can be used."""
    return _examine(path, env)[1]


def _examine(path: Path, env: Mapping[str, str]) -> tuple[models.Configuration | None, list[Problem]]:
    document = read(path, env)
    if document.problems and not document.data:
        return None, document.problems
    findings = list(_read_password(document))
    configuration = None
    try:
        configuration = models.Configuration.model_validate(document.data)
    except ValidationError as error:
        findings += [_finding(document, dict(detail)) for detail in error.errors(include_url=False)]
    findings += cross_check(document.data)
    told = {problem.key for problem in document.problems}  # the value is gone; "missing" would be a second complaint
    found = [document.problem(finding) for finding in findings]
    found = document.problems + [problem for problem in found if problem.key not in told]
    return configuration, sorted(dict.fromkeys(found), key=lambda problem: (problem.line or 0, problem.key))


def _read_password(document: Document) -> Iterator[Finding]:
    """Put what ``password_file`` holds where ``password`` stands."""
    mqtt = document.data.get("mqtt")
    file = mqtt.get("password_file") if isinstance(mqtt, dict) else None
    if not isinstance(mqtt, dict) or not isinstance(file, str):
        return
    key: Key = ("mqtt", "password_file")
    if mqtt.get("password") is not None:
        yield Finding(key, "found beside password", "one of them")
        return
    try:
        secret = Path(file).read_text().rstrip("\r\n")
        why = "" if secret else "empty"
    except OSError as error:
        why = str(error.strerror).lower()
    except UnicodeDecodeError:
        why = "not text"
    if why:
        yield Finding(key, f"{file}: {why}", "a file that holds the password")
    else:
        mqtt["password"] = secret


def _finding(document: Document, error: dict[str, object]) -> Finding:
    """A complaint of pydantic in our words."""
    location = error["loc"]
    assert isinstance(location, tuple)
    key: Key = tuple(part for part in location if part not in MARKS)
    context = error.get("ctx")
    cause = context.get("error") if isinstance(context, dict) else None
    value = error["input"]
    match error["type"]:
        case "extra_forbidden":
            known = options(key[:-1])
            return Finding(key, UNKNOWN, "one of " + ", ".join(known), nearest(str(key[-1]), known))
        case "missing":
            return Finding(key, MISSING, options(key[:-1]).get(str(key[-1]), ""))
        case "value_error" if isinstance(cause, Unreadable):
            return document.refusal(key, value, cause)
        case "model_type" | "model_attributes_type" | "dict_type":
            return Finding(key, document.shown(key, value), "a mapping of keys")
        case "string_type" if isinstance(value, dict) and list(value.values()) == [None]:
            return Finding(key, document.shown(key, value), "text", f'"{{{next(iter(value))}}}"')
        case "string_pattern_mismatch":
            return Finding(key, document.shown(key, value), "letters, digits, _ and -")
        case "too_short" | "string_too_short":
            return Finding(key, document.shown(key, value), "at least one")
        case "greater_than" | "greater_than_equal" | "less_than" | "less_than_equal":
            limit = str(error["msg"]).removeprefix("Input should be ")
            return Finding(key, document.shown(key, value), f"a number {limit}")
        case _:
            expected = str(error["msg"]).removeprefix("Input should be ").partition(", unable")[0]
            hint = nearest(value, re.findall(r"'([^']*)'", expected)) if isinstance(value, str) else None
            return Finding(key, document.shown(key, value), expected, hint)
