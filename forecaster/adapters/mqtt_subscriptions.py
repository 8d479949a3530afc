"""What we subscribe to, so that each message counts once, and what the session still has of former settings.

A broker that speaks MQTT 5 sends a message once for each subscription that matches it. So a filter that another one
covers is not subscribed to; where two merely meet (``a/+`` and ``+/b``), each has an identifier that comes with its
copies, and the copies by all but the first are left aside.

A session keeps its subscriptions until they are taken back, also those of settings that have changed since. A file
in the data directory knows what it was given: ``["home/+/power", …]``.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
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
    identifiers
        Of those that another one meets; the same in every session, for what waits carries those of the last one.
    stale
        To be taken back.

    Raises
    ------
    StoreError
        When the file cannot be read or written.
    """

    def __init__(self, filters: Sequence[str], file: Path | None = None) -> None:
        self._file = file
        before = _read(file)
        alone = [one for one in filters if not any(other != one and covers(other, one) for other in filters)]
        self.wanted = tuple(sorted(alone, key=lambda one: one not in before))
        self.identifiers = {
            one: crc32(one.encode()) % LARGEST_IDENTIFIER + 1
            for one in self.wanted
            if any(other != one and meet(other, one) for other in self.wanted)
        }
        self.stale = tuple(sorted({*before, *filters} - {*self.wanted}))
        self._kept = before
        self._keep({*before, *self.wanted})
        self._by = lru_cache(maxsize=TOPICS)(self._matching)

    def counts(self, topic: str, identifiers: Sequence[int]) -> bool:
        """Whether a copy that came by these is the one that counts: no other is known to come by an earlier one.

        Examples
        --------
        >>> two = Subscriptions(["a/+", "+/b"])
        >>> [two.counts("a/b", [two.identifiers[each]]) for each in two.wanted], two.counts("c/b", [1])
        ([True, False], True)
        """
        by = self._by(topic)
        return not by or by[0] in identifiers or not any(each in identifiers for each in by)

    def _matching(self, topic: str) -> tuple[int, ...]:
        return tuple(number for one, number in self.identifiers.items() if meet(one, topic))

    def settled(self) -> None:
        """The session has what is wanted and nothing else; where that cannot be written, the next start asks again."""
        try:
            self._keep({*self.wanted})
        except StoreError as error:
            log.warning("cannot remember the subscriptions, will take back old ones once more: %s", error)

    def _keep(self, filters: set[str]) -> None:
        if self._file is None or filters == self._kept:
            return
        with whole_file(self._file) as file:
            file.write(json.dumps(sorted(filters)).encode() + b"\n")
        self._kept = filters


def _read(file: Path | None) -> set[str]:
    try:
        return set(json.loads(file.read_text())) if file is not None else set()
    except FileNotFoundError:
        return set()
    except (OSError, ValueError) as error:
        raise StoreError(f"{file}: cannot be read ({error}); move it away") from error
