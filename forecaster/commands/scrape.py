"""Reading the service's own numbers, as any monitoring would."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.request import urlopen

LINE = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$")
LABEL = re.compile(r'(\w+)="([^"]*)"')

Labels = frozenset[tuple[str, str]]


class Numbers:
    """Samples of one scrape.

    Examples
    --------
    >>> numbers = Numbers('a_total{group="x",leads="1"} 3.0\\na_total{group="x",leads="2-4"} 4.0\\nb 1.0')
    >>> numbers.total("a_total"), numbers.total("a_total", leads="1"), numbers.by("a_total", "leads")
    (7.0, 3.0, {'1': 3.0, '2-4': 4.0})
    """

    def __init__(self, text: str) -> None:
        self._samples: dict[str, dict[Labels, float]] = {}
        for line in text.splitlines():
            if match := LINE.match(line):
                name, labels, value = match.groups()
                self._samples.setdefault(name, {})[frozenset(LABEL.findall(labels or ""))] = float(value)

    def total(self, name: str, **labels: str) -> float:
        """Sum of a metric over the series that carry these labels; 0 when there are none."""
        wanted = set(labels.items())
        return sum(value for key, value in self._samples.get(name, {}).items() if wanted <= key)

    def mean(self, name: str, **labels: str) -> float:
        """Mean of a metric over the series that carry these labels; 0 when there are none."""
        wanted = set(labels.items())
        values = [value for key, value in self._samples.get(name, {}).items() if wanted <= key]
        return sum(values) / max(len(values), 1)

    def by(self, name: str, label: str) -> Mapping[str, float]:
        """Value by one label."""
        return dict(sorted((dict(key)[label], value) for key, value in self._samples.get(name, {}).items()))


def scrape(url: str, timeout_s: float = 2.0) -> Numbers:
    """The numbers at a ``/metrics`` address.

    Raises
    ------
    OSError
        When nobody answers there.
    """
    with urlopen(url, timeout=timeout_s) as answer:
        return Numbers(answer.read().decode())
