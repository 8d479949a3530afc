"""Paths into JSON documents."""

from __future__ import annotations

import pytest

from forecaster.pipeline.paths import MISSING, Path, walk

DOCUMENT = {"a": {"b": [{"c": 1}, {"c": 2}]}, "odd key": {"x.y": None}, "text": "abc", "*": 3}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("$", DOCUMENT),
        ("$.a.b[0].c", 1),
        ("$.a.b[-1].c", 2),
        ("$['odd key'][\"x.y\"]", None),
        ("$['*']", 3),
        ("$.a.b[2]", MISSING),
        ("$.a.x", MISSING),
        ("$.a[0]", MISSING),
        ("$.text[0]", MISSING),
        ("$.text.x", MISSING),
        ("$['odd key']['x.y'].z", MISSING),
    ],
)
def test_a_path_finds_what_lies_there(text: str, found: object) -> None:
    """Null is something; a letter of a text is not."""
    path = Path.parse(text)

    assert path.tail is None
    assert walk(DOCUMENT, path.head) is found or walk(DOCUMENT, path.head) == found


def test_a_star_splits_a_path() -> None:
    """Before it the array, after it what lies in each element."""
    assert Path.parse("$.a[*].b[0]") == Path("$.a[*].b[0]", ("a",), ("b", 0))
    assert Path.parse("$[*]") == Path("$[*]", (), ())


@pytest.mark.parametrize("text", ["", "a.b", "$a", "$.", "$..a", "$.a[", "$.a[x]", "$.a[*][*]", "$.a b", "$.*"])
def test_a_path_that_cannot_be_read_is_refused(text: str) -> None:
    """With words for the operator."""
    with pytest.raises(ValueError, match="path"):
        Path.parse(text)
