"""What we subscribe to, so that each message counts once, and what the session still has of former settings.

A broker that speaks MQTT 5 sends a message once for each subscription that matches it. So a filter that another one
covers is not subscribed to; where two merely meet (``a/+`` and ``+/b``), each has an identifier that comes with its
copies, and the copies by all but the first are left aside.

A session keeps its subscriptions until they are taken back, also those of settings that have changed since. A file
in the data directory knows what it was given, the first first: ``["home/+/power", …]``.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Container, Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from zlib import crc32

from forecaster.adapters.files import whole_file
from forecaster.errors import StoreError
from forecaster.pipeline.topics import covers, meet

log = logging.getLogger(__name__)

LARGEST_IDENTIFIER = 268_435_455
TOPICS = 65_536
"""Topics of which is remembered what matches them."""


class Subscriptions:
    """The subscriptions of a session.

    Parameters
    ----------
    filters
        What is to be heard, each once.
    file
        Remembers what the session was given; None: nothing does.

    Attributes
    ----------
    wanted
        To subscribe to. Those the session had before come first: of what waits for us there are copies by these only.
        Those the broker refused come last: by these there are none.
    identifiers
        Of those that another one meets, wanted or had before; the same in every session, for what waits carries those
        of the last one.
    stale
        To be taken back.

    Raises
    ------
    StoreError
        When the file cannot be read or written.
    """

    def __init__(self, filters: Sequence[str], file: Path | None = None) -> None:
        self._file = file
        self._before = self._kept = _read(file)
        alone = [one for one in filters if not any(other != one and covers(other, one) for other in filters)]
        had = [one for one in self._before if one in alone]
        self.wanted = (*had, *(one for one in alone if one not in had))
        self.stale = tuple(sorted({*self._before, *filters} - {*self.wanted}))
        known = {*self.wanted, *self._before}
        self.identifiers = {
            one: crc32(one.encode()) % LARGEST_IDENTIFIER + 1
            for one in (*self.wanted, *self.stale)
            if one in known and any(other != one and meet(other, one) for other in known)
        }
        self._keep(self._all())
        self._by = lru_cache(maxsize=TOPICS)(self._matching)

    def counts(self, topic: str, identifiers: Sequence[int]) -> bool:
        """Whether a copy that came by these is the one that counts: no other is known to come by an earlier one.

        Examples
        --------
        >>> two = Subscriptions(["a/+", "+/b"])
        >>> [two.counts("a/b", [two.identifiers[each]]) for each in two.wanted], two.counts("c/b", [1])
        ([True, False], True)
        """
        firsts, others = self._by(topic)
        return any(each in identifiers for each in firsts) or not any(each in identifiers for each in others)

    def _matching(self, topic: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The first that brings a topic now and the first that did before; and the others."""
        here = [one for one in (*self.wanted, *self.stale) if one in self.identifiers and meet(one, topic)]
        now = [one for one in here if one in self.wanted]
        before = [one for one in here if one in self._before]
        firsts = {*now[:1], *before[:1]}
        return self._numbers(firsts), self._numbers(one for one in here if one not in firsts)

    def _numbers(self, filters: Iterable[str]) -> tuple[int, ...]:
        return tuple(self.identifiers[one] for one in filters)

    def refused(self, filters: Container[str]) -> None:
        """Nothing comes by these, so a copy by another counts; also of what waits when we start the next time."""
        self.wanted = tuple(sorted(self.wanted, key=lambda one: one in filters))
        self._by.cache_clear()
        self._remember(self._all())

    def settled(self) -> None:
        """The session has what is wanted and nothing else; where that cannot be written, the next start asks again."""
        self._remember(self.wanted)

    def _all(self) -> tuple[str, ...]:
        """All that the session may have."""
        return (*self.wanted, *(one for one in self._kept if one not in self.wanted))

    def _remember(self, filters: tuple[str, ...]) -> None:
        try:
            self._keep(filters)
        except StoreError as error:
            log.warning("cannot remember the subscriptions, the next start goes by older ones: %s", error)

    def _keep(self, filters: tuple[str, ...]) -> None:
        if self._file is None or filters == self._kept:
            return
        with whole_file(self._file) as file:
            file.write(json.dumps(filters).encode() + b"\n")
        self._kept = filters


def _read(file: Path | None) -> tuple[str, ...]:
    try:
        told = json.loads(file.read_text()) if file is not None else []
        if not isinstance(told, list) or not all(isinstance(one, str) and one for one in told):
            raise ValueError("it holds something else than a list of texts")
    except FileNotFoundError:
        return ()
    except (OSError, ValueError) as error:
        raise StoreError(f"{file}: cannot be read ({error}); move it away") from error
    return tuple(told)
