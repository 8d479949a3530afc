"""The keys as a JSON Schema and as the table in ``docs/configuration.md``, both from the models.

``python -m forecaster.configuration.reference`` prints the table.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from forecaster.configuration.models import Configuration
from forecaster.configuration.problem import Key


@lru_cache(maxsize=1)
def schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of the file, for editors and ``forecaster schema``."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Configuration.model_json_schema(),
    }


def options(key: Key) -> dict[str, str]:
    """Names that may stand below a key, with their descriptions; empty when it is no mapping."""
    node: dict[str, Any] = schema()
    for part in key:
        node = _below(node, part)
    return {name: str(child.get("description", "")) for name, child in _mapping(node).get("properties", {}).items()}


def _mapping(node: dict[str, Any]) -> dict[str, Any]:
    """The object or array that a node of the schema describes, through references and alternatives."""
    if "$ref" in node:
        return _mapping(schema()["$defs"][node["$ref"].rsplit("/", 1)[1]])
    alternatives = [_mapping(one) for one in node.get("anyOf", node.get("oneOf", ()))]
    return next((one for one in alternatives if one.get("type") in ("object", "array")), node)


def _below(node: dict[str, Any], part: str | int) -> dict[str, Any]:
    inner = _mapping(node)
    if isinstance(part, int):
        found = inner.get("items", {})
    else:
        found = inner.get("properties", {}).get(part)
        if found is None:
            found = inner.get("additionalProperties") or next(iter(inner.get("patternProperties", {}).values()), {})
    return found if isinstance(found, dict) else {}


def rows(node: dict[str, Any], above: str = "") -> Iterator[tuple[str, str, str, str]]:
    """Key, form, default and meaning of every key, in the order of the file."""
    inner = _mapping(node)
    required = inner.get("required", ())
    for name, child in inner.get("properties", {}).items():
        below = _mapping(child)
        path = f"{above}{name}"
        yield (
            path,
            _form(child),
            _default(child, name in required),
            str(child.get("description") or below["description"]),
        )
        named = below.get("additionalProperties") or next(iter(below.get("patternProperties", {}).values()), None)
        if path.endswith("covariates"):
            yield f"{path}[].known", *list(rows(below["items"]))[-1][1:]  # the others are those of a stream
        elif below.get("type") == "array" and isinstance(below.get("items"), dict):
            yield from rows(below["items"], f"{path}[].")
        elif isinstance(named, dict):
            yield from rows(named, f"{path}.<name>.")
        elif "properties" in below:
            yield from rows(below, f"{path}.")


def _form(node: dict[str, Any]) -> str:
    """How a value looks: its choices, an example, or its type."""
    choices = [one for one in node.get("anyOf", (node,)) if one.get("type") != "null"]
    one = choices[0] if choices else node
    if "enum" in one:
        return ", ".join(f"`{choice}`" for choice in one["enum"])
    if "examples" in one:
        return f"`{one['examples'][0]}`"
    kind = _mapping(one).get("type", "text")
    return {
        "object": "mapping",
        "array": "list",
        "string": "text",
        "integer": "whole number",
        "boolean": "`true`, `false`",
    }.get(kind, str(kind))


def _default(node: dict[str, Any], required: bool) -> str:
    if required:
        return "required"
    default = node.get("default")
    return "" if default is None or default in ("", {}) else f"`{json.dumps(default).strip(chr(34))}`"


def table() -> str:
    """The keys as a Markdown table.

    Examples
    --------
    >>> print("\\n".join(table().splitlines()[2:4]))
    | `mqtt` | mapping | required | The broker. |
    | `mqtt.url` | `mqtts://broker.home:8883` | required | Address of the broker; `mqtts://` for TLS. \
The port is 1883, or 8883 with TLS. |
    """
    lines = ["| key | form | default | meaning |", "|---|---|---|---|"]
    lines += [f"| `{key}` | {form} | {default} | {text} |" for key, form, default, text in rows(schema())]
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
