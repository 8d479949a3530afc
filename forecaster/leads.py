"""Leads in buckets: what is chosen, corrected and told for all leads of a kind at once."""

from __future__ import annotations

ENDS = {"1": 1, "2-4": 4, "5-12": 12, "13+": 1_000_000}
"""Last lead of each bucket, by its name; few and fixed, because they become metric labels."""


def buckets(horizon: int) -> dict[str, slice]:
    """The buckets a horizon reaches, and where among its leads each lies.

    Examples
    --------
    >>> buckets(24)
    {'1': slice(0, 1, None), '2-4': slice(1, 4, None), '5-12': slice(4, 12, None), '13+': slice(12, 24, None)}
    >>> list(buckets(3))
    ['1', '2-4']
    """
    begins = [0, *ENDS.values()]
    return {
        name: slice(begin, min(end, horizon))
        for (name, end), begin in zip(ENDS.items(), begins, strict=False)
        if begin < horizon
    }
