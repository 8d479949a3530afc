"""YAML and environment → nested text, with the place of every key.

All values stay text, as they were written: ``0123`` is a password and not the number 83, ``no`` is a name. Whoever
wants a number reads one from the text. ``${VAR}`` is filled in after parsing, so a value from outside can never
become structure. ``FORECASTER__MQTT__URL`` replaces ``mqtt.url``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from forecaster.configuration.problem import SECRET, Finding, Key, Problem, Unreadable, dotted, shown

OVERRIDE = "FORECASTER__"
VARIABLE = re.compile(r"\$\$\{|\$\{([A-Za-z_]\w*)(?::([-?])([^{}]*))?\}|\$\{[^}]*\}?")
NAME = r"\{[A-Za-z_]\w*\}"
BRACES = re.compile(rf"\$\{{[^{{}}\n]*\}}|(?<=[^\s\[\]{{}},:\"']){NAME}|{NAME}(?=[^\s\[\]{{}},:\"'#])")
"""``${VAR}``, and ``{name}`` that touches other text: parts of a value. Inside ``{…}`` and ``[…]`` YAML would end the
value there, or begin a mapping; so their signs are exchanged for ``STAND_INS`` before parsing and back after it."""
STAND_INS = {ord(sign): 0xE000 + ord(sign) for sign in "{}[],:?#"}
ORIGINALS = {there: here for here, there in STAND_INS.items()}


@dataclass(slots=True)
class Document:
    """A configuration as text.

    Attributes
    ----------
    file
        As given.
    data
        Nested dicts and lists; leaves are text or None.
    places
        File and line of each key; for a value from the environment the variable's name and None.
    raw
        Values before and after ``${VAR}`` was filled in; messages show the first, as the other may be a secret.
    problems
        What was already wrong here.
    """

    file: str
    data: dict[str, object] = field(default_factory=dict)
    places: dict[Key, tuple[str, int | None]] = field(default_factory=dict)
    raw: dict[Key, tuple[str, str]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def problem(self, finding: Finding) -> Problem:
        """The finding with its file and line: those of its key, or of the nearest key above it."""
        above = (finding.key[:length] for length in range(len(finding.key), 0, -1))
        file, line = next((self.places[key] for key in above if key in self.places), (self.file, None))
        found, expected, hint, why = finding.found, finding.expected, finding.hint, finding.why
        if finding.key in self.raw:
            written, filled = self.raw[finding.key]
            found, expected, hint, why = found.replace(filled, written), expected.replace(filled, written), None, ""
        expected += f" ({why})" if why else ""
        return Problem(file, line, dotted(finding.key), found, expected, hint)

    def shown(self, key: Key, value: object) -> str:
        """``found …`` for a message, with ``${VAR}`` left as it was written."""
        return f"found {shown(key, self.raw[key][0] if key in self.raw else value)}"

    def refusal(self, key: Key, value: object, error: Unreadable) -> Finding:
        """That a value cannot be read."""
        return Finding(key, self.shown(key, value), error.expected, error.hint, error.why)


def read(path: Path, env: Mapping[str, str]) -> Document:
    """The document in a file, completed and overridden by the environment.

    Never raises for what the file holds: that is in ``problems``.
    """
    document = Document(str(path))
    root = _compose(path, document)
    if isinstance(root, yaml.MappingNode):
        data = _Reader(document, env).value(root, ())
        assert isinstance(data, dict)
        document.data = data
    elif not document.problems:
        found = (
            "the file is empty"
            if root is None
            else "found a list"
            if isinstance(root, yaml.SequenceNode)
            else "found plain text"
        )
        document.problems.append(Problem(document.file, None, "", found, "keys such as mqtt: and groups:"))
    if not document.problems:
        for name in sorted(env):
            if name.upper().startswith(OVERRIDE):
                _override(document, name, env[name])
    return document


def _compose(path: Path, document: Document) -> yaml.Node | None:
    """The file as a tree of nodes; None with a problem noted when it is not YAML."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
        node: yaml.Node | None = yaml.compose(
            BRACES.sub(lambda found: found[0].translate(STAND_INS), text), Loader=yaml.SafeLoader
        )
    except OSError as error:
        document.problems.append(
            Problem(document.file, None, "", str(error.strerror).lower(), "a YAML file that can be read")
        )
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        document.problems.append(Problem(document.file, line, "", "a byte that is not UTF-8", "a UTF-8 text file"))
    except yaml.reader.ReaderError as error:
        line = text[: error.position].count("\n") + 1
        document.problems.append(Problem(document.file, line, "", "a control character", "a UTF-8 text file"))
    except yaml.MarkedYAMLError as error:
        document.problems.append(_syntax(document.file, text, error))
    except RecursionError:
        document.problems.append(Problem(document.file, None, "", "brackets nested without end", "a YAML file"))
    else:
        return node
    return None


def _syntax(file: str, text: str, error: yaml.MarkedYAMLError) -> Problem:
    """What YAML did not understand, without quoting a line that may hold a secret."""
    mark = error.problem_mark or error.context_mark
    line = mark.line + 1 if mark else 1
    lines = text.splitlines()
    around = "\n".join(lines[max(line - 2, 0) : line])
    found = str(error.problem or error.context or "not YAML").translate(ORIGINALS)
    expected = ""
    if SECRET in around.lower():
        found, expected = "not YAML", "the value in 'quotes'"
    elif "\t" in found or "\\t" in found:
        expected = "spaces, not tabs, at the start of a line"
    elif "{" in around:
        expected = "text that starts with { or stands within […] or {…} in 'quotes'"
    return Problem(file, line, "", found if found == "not YAML" else f"not YAML: {found}", expected)


class _Reader:
    """Turns nodes into text and notes where each key stands."""

    def __init__(self, document: Document, env: Mapping[str, str]) -> None:
        self._document = document
        self._env = env
        self._loader = yaml.SafeLoader("")
        self._open: list[yaml.Node] = []
        self._flat: set[int] = set()

    def value(self, node: yaml.Node, key: Key) -> object:
        """A node as nested text; None where there is nothing."""
        self._document.places.setdefault(key, (self._document.file, node.start_mark.line + 1))
        if any(node is outer for outer in self._open):
            self._note(node, key, "an alias of something it is part of")
            return None
        if not node.tag.startswith("tag:yaml.org,2002:"):
            self._note(node, key, "a YAML tag", "plain YAML without ! tags")
            return None
        self._open.append(node)
        try:
            match node:
                case yaml.MappingNode():
                    return dict(self._pairs(node, key))
                case yaml.SequenceNode():
                    return [self.value(item, (*key, index)) for index, item in enumerate(node.value)]
                case yaml.ScalarNode():
                    return self._scalar(node, key)
                case _:
                    raise TypeError(node)
        finally:
            self._open.pop()

    def _pairs(self, node: yaml.MappingNode, key: Key) -> Iterator[tuple[str, object]]:
        if id(node) not in self._flat:  # an alias brings the same node again, merged already
            self._flat.add(id(node))
            self._flatten(node, key)
        for name, child in node.value:
            if isinstance(name, yaml.ScalarNode):
                word = name.value.translate(ORIGINALS)
                self._document.places[(*key, word)] = (self._document.file, name.start_mark.line + 1)
                yield word, self.value(child, (*key, word))

    def _flatten(self, node: yaml.MappingNode, key: Key) -> None:
        """Refuse keys given twice, then resolve ``<<: *shared``: own keys come after the merged ones and win."""
        seen: dict[str, int] = {}
        for name, _ in node.value:
            if not isinstance(name, yaml.ScalarNode):
                self._note(name, key, "a key that is not text", "text before the colon")
            elif name.value in seen:
                self._note(name, (*key, name.value), f"key given twice, first in line {seen[name.value]}", "it once")
            else:
                seen[name.value] = name.start_mark.line + 1
        try:
            self._loader.flatten_mapping(node)
        except yaml.constructor.ConstructorError:
            self._note(node, key, "<< of something that is no mapping", "an alias of a mapping after <<")

    def _scalar(self, node: yaml.ScalarNode, key: Key) -> str | None:
        if node.style is None and node.tag == "tag:yaml.org,2002:null":
            return None
        text = node.value.translate(ORIGINALS)
        try:
            filled = VARIABLE.sub(lambda found: _variable(found, self._env), text)
        except Unreadable as error:
            self._document.problems.append(self._document.problem(self._document.refusal(key, text, error)))
            return None
        if "\0" in filled:
            self._note(node, key, "a zero character", "text")
            return None
        if filled != text:
            self._document.raw[key] = (text, filled)
        return filled if filled or filled == text else None

    def _note(self, node: yaml.Node, key: Key, found: str, expected: str = "") -> None:
        line = node.start_mark.line + 1
        self._document.problems.append(Problem(self._document.file, line, dotted(key), found, expected))


def _variable(found: re.Match[str], env: Mapping[str, str]) -> str:
    """What ``${VAR}``, ``${VAR:-default}``, ``${VAR:?message}`` or ``$${`` stands for."""
    if found[0] == "$${":
        return "${"
    name, sign, rest = found[1], found[2], found[3]
    if name is None:
        raise Unreadable("${VAR}, ${VAR:-default}, ${VAR:?message}, or $${ for a dollar and a brace")
    if sign == "-":
        return env.get(name) or str(rest)
    if sign == "?" and not env.get(name):
        raise Unreadable(f"environment variable {name}: {rest or 'it is not set'}")
    if name not in env:
        raise Unreadable(f"environment variable {name} to be set, or ${{{name}:-default}}")
    return env[name]


def _override(document: Document, variable: str, text: str) -> None:
    """Put the value of ``FORECASTER__GROUPS__HOUSEHOLD__HORIZON`` where it belongs."""
    place = (f"environment variable {variable}", None)
    parts = variable[len(OVERRIDE) :].split("__")
    node: Any = document.data
    key: Key = ()
    for depth, part in enumerate(parts, start=1):
        name = _member(node, part)
        if name is None:
            document.problems.append(Problem(*place, "", f"nothing that {part!r} could name", "a key of the file"))
            return
        key = (*key, name)
        if depth == len(parts):
            node[name] = _override_value(key, text)
        elif isinstance(node, dict) and node.get(name) is None:
            node[name] = {}
        node = node[name]
    document.raw.pop(key, None)
    kept = {known: where for known, where in document.places.items() if known[: len(key)] != key}
    document.places = kept | {key: place}


def _member(node: object, part: str) -> str | int | None:
    """The name within a node that is meant by part of a variable's name; variables know neither case nor ``-``."""
    match node:
        case dict() if part:
            return next((name for name in node if name.upper().replace("-", "_") == part.upper()), part.lower())
        case list() if part.isdecimal() and int(part) < len(node):
            return int(part)
        case _:
            return None


def _override_value(key: Key, text: str) -> object:
    """Text; a list or mapping when it is written as one and is no secret."""
    if any(isinstance(part, str) and SECRET in part for part in key) or text[:1] not in ("[", "{", "'", '"'):
        return text or None
    try:
        node = yaml.compose(BRACES.sub(lambda found: found[0].translate(STAND_INS), text), Loader=yaml.SafeLoader)
    except yaml.YAMLError:
        return text
    return _Reader(Document("environment"), {}).value(node, ()) if node is not None else None
