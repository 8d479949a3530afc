"""Carrying effects out: forecasts to the broker, steps to the history, numbers to the metrics, words to the log."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import partial

from forecaster.pipeline.encode import ForecastEncoder
from forecaster.ports import Broker
from forecaster.records import Closed, Drifted, Effect, Issued, Reject, Swapped, Verified
from forecaster.runtime.anomalies import Anomalies
from forecaster.runtime.complaints import Complaints
from forecaster.runtime.history_buffer import HistoryBuffer
from forecaster.settings import Settings, Step

log = logging.getLogger(__name__)


def expiry_s(step: Step) -> int:
    """How long a forecast is worth keeping: two steps, by then two newer ones are due; at least a minute."""
    return max(60, 2 * step.longest_s)


class Outputs:
    """What happens with each effect.

    Parameters
    ----------
    observe
        Counts effects for the metrics.
    unit_of
        Unit of a stream, by group and name.
    drifted
        Told the group whose errors have risen for good.
    """

    def __init__(
        self,
        settings: Settings,
        broker: Broker,
        history: HistoryBuffer,
        complaints: Complaints,
        observe: Callable[[list[Effect]], None],
        unit_of: Callable[[str, str], str],
        drifted: Callable[[str], None],
    ) -> None:
        self._broker, self._history, self._complaints, self._observe = broker, history, complaints, observe
        self._drifted = drifted
        self._anomalies = Anomalies(settings)
        self._encoders: Mapping[str, ForecastEncoder] = {
            group.name: ForecastEncoder(group, settings.publish.prefix, partial(unit_of, group.name))
            for group in settings.groups
        }
        self._expiry_s = {group.name: expiry_s(group.step) for group in settings.groups}

    def carry_out(self, effects: list[Effect]) -> None:
        """Do what the engine wants done."""
        for effect in effects:
            match effect:
                case Issued():
                    self.publish(effect)
                case Closed():
                    self._history.add(effect)
                case Reject():
                    self._complaints.add(effect)
                case Verified():
                    for topic, payload in self._anomalies.encode(effect):
                        self._broker.publish(topic, payload, expiry_s=self._expiry_s[effect.group])
                case Swapped():
                    log.info("model swapped group=%s model=%s", effect.group, effect.version)
                case Drifted():
                    log.warning("drift: errors have risen group=%s", effect.group)
                    self._drifted(effect.group)
        self._observe(effects)

    def publish(self, issued: Issued) -> None:
        """Send forecasts; the broker keeps only the newest per stream while they wait."""
        for topic, payload in self._encoders[issued.group].encode(issued):
            self._broker.publish(topic, payload, expiry_s=self._expiry_s[issued.group])
