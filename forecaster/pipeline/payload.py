"""What the bytes of a payload say: a JSON document, a number."""

from __future__ import annotations

from math import isfinite
from typing import NamedTuple

from msgspec import DecodeError, ValidationError
from msgspec.json import Decoder

from forecaster.pipeline.paths import MISSING
from forecaster.records import Reason

WORDS = {"true": 1.0, "on": 1.0, "false": 0.0, "off": 0.0}
"""Switch states, in any case."""

MAX_TEXT = 64
"""Characters of a number written as text; longer ones are not looked at."""

_decode = Decoder().decode


class Trouble(NamedTuple):
    """Why something is not a reading; becomes a :class:`forecaster.records.Reject`."""

    reason: Reason
    detail: str


def read_document(payload: bytes) -> object:
    """A JSON document (RFC 8259, so no NaN); :class:`Trouble` when the payload is none.

    Examples
    --------
    >>> read_document(b'{"a": 1}'), read_document(b"{'a': 1}").reason, read_document(b"[1e999]").reason
    ({'a': 1}, 'parse', 'not_finite')
    """
    try:
        return _decode(payload)
    except ValidationError:  # well-formed, but holds a number no float can
        return Trouble("not_finite", "a number out of range")
    except (DecodeError, UnicodeDecodeError):
        return Trouble("parse", "not JSON")
    except RecursionError:
        return Trouble("parse", "nested too deeply")


def read_number(raw: object, *, words: bool) -> float | Trouble:
    """A finite number out of a bare payload (bytes) or out of what lies in a JSON document.

    Parameters
    ----------
    raw
        Number, string that holds one, boolean, or bytes that hold one, perhaps in quotes.
    words
        Whether booleans and :data:`WORDS` are 1 and 0; else they are of the wrong type.

    Examples
    --------
    >>> read_number(b" 21.5", words=True), read_number("ON", words=True), read_number(None, words=True).reason
    (21.5, 1.0, 'type')
    """
    kind = type(raw)
    if kind is float:
        value: float = raw  # type: ignore[assignment]
    elif isinstance(raw, bytes):
        try:
            value = float(raw)
        except ValueError:
            return _read_text(raw[: MAX_TEXT + 1].decode("ascii", "replace"), "parse", words)
        if b"_" in raw:  # Python's own way of writing numbers
            return Trouble("parse", "not a number")
    elif isinstance(raw, str):
        return _read_text(raw, "type", words)
    elif isinstance(raw, bool):
        return float(raw) if words else Trouble("type", "a switch state, but not a gauge")
    elif isinstance(raw, int):
        try:
            value = float(raw)
        except OverflowError:
            return Trouble("not_finite", "a number out of range")
    elif raw is MISSING:
        return Trouble("path", "nothing at the path")
    else:
        return Trouble("type", f"{_KINDS.get(kind, 'something else')} instead of a number")
    return value if isfinite(value) else Trouble("not_finite", "not a finite number")


_KINDS = {list: "an array", dict: "an object", type(None): "null"}


def _read_text(text: str, otherwise: Reason, words: bool) -> float | Trouble:
    """A number or a word; ``otherwise`` is the reason when it is neither."""
    if len(text) > MAX_TEXT:
        return Trouble(otherwise, "a long text, not a number")
    text = text.strip().strip('"').lower()
    word = WORDS.get(text)
    if word is not None:
        return word if words else Trouble("type", "a switch state, but not a gauge")
    try:
        value = float(text)
    except ValueError:
        return Trouble(otherwise, "not a number")
    if "_" in text:
        return Trouble(otherwise, "not a number")
    return value if isfinite(value) else Trouble("not_finite", "not a finite number")
