"""Where in a JSON document a value lies: the small part of JSONPath that sensors need."""

from __future__ import annotations

import re
from dataclasses import dataclass

MISSING = object()
"""What :func:`walk` finds where there is nothing. Not None: that is JSON's own null."""

_STEP = re.compile(
    r"""
      \.(?P<key>[^.\[\]'"*\s]+)                         # .power
    | \['(?P<single>[^']*)'\] | \["(?P<double>[^"]*)"\] # ['odd key'], ["odd key"]
    | \[(?P<index>-?\d+)\]                              # [0], [-1]
    | \[(?P<all>\*)\]                                   # [*]
    """,
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Path:
    """A compiled path.

    Attributes
    ----------
    text
        As written.
    head
        Keys and array positions from the root, up to ``[*]`` if there is one.
    tail
        Those after ``[*]``, from each element on; None when the path has no ``[*]``.
    """

    text: str
    head: tuple[str | int, ...]
    tail: tuple[str | int, ...] | None

    @staticmethod
    def parse(text: str) -> Path:
        """Compile ``$.a.b``, ``$.a[0]``, ``$.a[-1]``, ``$['odd key']``, ``$.a[*].b``; ``$`` is the whole document.

        Raises
        ------
        ValueError
            With words for the operator.

        Examples
        --------
        >>> Path.parse("$.meters[*]['used kWh']")
        Path(text="$.meters[*]['used kWh']", head=('meters',), tail=('used kWh',))
        """
        if not text.startswith("$"):
            raise ValueError(f"a path begins with '$', like '$.{text.lstrip('.')}'")
        head: list[str | int] = []
        tail: list[str | int] | None = None
        position = 1
        while position < len(text):
            step = _STEP.match(text, position)
            if step is None:
                raise ValueError(f"cannot read '{text[position:]}' in path '{text}'")
            position = step.end()
            if step["all"]:
                if tail is not None:
                    raise ValueError(f"path '{text}' has more than one [*]")
                tail = []
                continue
            steps = head if tail is None else tail
            if step["index"]:
                steps.append(int(step["index"]))
            else:
                steps.append(step[step.lastgroup or 0])
        return Path(text, tuple(head), None if tail is None else tuple(tail))


def walk(node: object, steps: tuple[str | int, ...]) -> object:
    """What lies at the end of the steps in a decoded JSON document; :data:`MISSING` when nothing does.

    Examples
    --------
    >>> walk({"a": [10, 20]}, ("a", -1)), walk("text", (0,)) is MISSING
    (20, True)
    """
    try:
        for step in steps:
            if type(node) is str:  # its characters are no array
                return MISSING
            node = node[step]  # type: ignore[index]
    except (KeyError, IndexError, TypeError):
        return MISSING
    return node
