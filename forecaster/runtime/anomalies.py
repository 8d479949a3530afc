"""Anomaly messages: published when a value lies outside the 99 % range it was forecast in, and when that is over."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import numpy as np

from forecaster.pipeline.encode import significant
from forecaster.pipeline.times import rfc3339
from forecaster.records import Verified
from forecaster.settings import Settings

VERSION = "anomaly/v1"


class Anomalies:
    """Turns verified steps into messages."""

    def __init__(self, settings: Settings) -> None:
        self._prefix = settings.publish.prefix
        self._median = {group.name: group.levels.index(0.5) for group in settings.groups}

    def encode(self, verified: Verified) -> Iterator[tuple[str, bytes]]:
        """Topic and payload for each stream that is out of range or has just come back."""
        scores = verified.anomaly
        for i in np.flatnonzero((scores > 1.0) | verified.over).tolist():
            stream = verified.streams[i]
            said = {
                "schema": VERSION,
                "group": verified.group,
                "stream": stream,
                "time": rfc3339(verified.start_ms),
                "value": float(significant(verified.truth[i])),
                "expected": float(significant(verified.quantiles[i, 0, self._median[verified.group]])),
                "score": round(float(scores[i]), 3),
            }
            yield f"{self._prefix}/{verified.group}/{stream}/anomaly", msgspec.json.encode(said)
