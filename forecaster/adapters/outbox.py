"""What waits to be published: the newest publication per topic, in a bounded queue.

A forecast that has been overtaken by a newer one of the same stream is worth nothing, so a broker that is away for
an hour costs memory for one publication per topic and no more.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Publication:
    """One message to be sent.

    Attributes
    ----------
    expiry_s
        After so many seconds the broker forgets it (MQTT 5); None: never.
    """

    topic: str
    payload: bytes
    retain: bool = True
    expiry_s: int | None = None


class Outbox:
    """Ordered by the time a topic was first put in; a newer publication takes the place of the older one.

    All methods may be called from any thread; none waits longer than the few instructions of another one.

    Parameters
    ----------
    topics
        How many topics may wait. Beyond that the one that has waited longest is dropped.

    Attributes
    ----------
    dropped
        Publications lost because the box was full.
    replaced
        Publications that a newer one of the same topic made needless.

    Examples
    --------
    >>> box = Outbox(topics=2)
    >>> for topic, payload in [("a", b"1"), ("b", b"1"), ("a", b"2"), ("c", b"1")]:
    ...     box.put(Publication(topic, payload))
    >>> [(each.topic, each.payload) for each in box.take(10)], box.replaced, box.dropped
    ([('b', b'1'), ('c', b'1')], 1, 1)
    """

    def __init__(self, topics: int) -> None:
        self.dropped = 0
        self.replaced = 0
        self._topics = topics
        self._waiting: OrderedDict[str, Publication] = OrderedDict()  # a dict is slow to find its oldest key
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, publication: Publication) -> None:
        """Add the newest publication of its topic."""
        with self._lock:
            if publication.topic in self._waiting:
                self.replaced += 1
            self._waiting[publication.topic] = publication
            self._bound()

    def take(self, most: int) -> list[Publication]:
        """Remove and return those that have waited longest, at most so many."""
        with self._lock:
            return [self._waiting.popitem(last=False)[1] for _ in range(min(most, len(self._waiting)))]

    def give_back(self, publications: Iterable[Publication]) -> None:
        """Return what was taken, oldest first, but did not arrive: to the front, unless something newer waits."""
        with self._lock:
            returned: dict[str, Publication] = {}
            for publication in publications:
                if publication.topic in self._waiting or publication.topic in returned:
                    self.replaced += 1
                if publication.topic not in self._waiting:
                    returned[publication.topic] = publication
            self._waiting = OrderedDict({**returned, **self._waiting})
            self._bound()

    def _bound(self) -> None:
        while len(self._waiting) > self._topics:
            self._waiting.popitem(last=False)
            self.dropped += 1
