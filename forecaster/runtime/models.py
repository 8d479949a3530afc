"""Which model serves a group: the champion, or when it cannot be used the newest one before it that can."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import datetime
from functools import partial

from forecaster.errors import ModelError
from forecaster.inputs import Inputs
from forecaster.nets.predictor import NetworkPredictor
from forecaster.ports import Card, ModelRegistry, Opinion, Predictor
from forecaster.records import Array
from forecaster.settings import Group

log = logging.getLogger(__name__)


class TimedOpinion:
    """An opinion that tells how long each of its steps took, in seconds."""

    def __init__(self, opinion: Opinion, told: Callable[[float], None]) -> None:
        self._opinion, self._told = opinion, told
        self.initial_state = opinion.initial_state

    def step(self, state: Array, inputs: Inputs) -> tuple[Array, Array]:
        """As the opinion does; see :class:`forecaster.ports.Opinion`."""
        began = time.perf_counter()
        answer = self._opinion.step(state, inputs)
        self._told(time.perf_counter() - began)
        return answer


class Timed(TimedOpinion):
    """A predictor that tells how long each of its steps took, and each of its second opinion's."""

    def __init__(self, predictor: Predictor, told: Callable[[float], None]) -> None:
        super().__init__(predictor, told)
        self.version, self.warmup = predictor.version, predictor.warmup
        self.second = TimedOpinion(predictor.second, told) if predictor.second else None


class Models:
    """Loads predictors from a registry.

    Parameters
    ----------
    told
        Told the group of a predictor and how long one of its steps took, in seconds.
    """

    def __init__(self, registry: ModelRegistry, told: Callable[[str, float], None] = lambda _group, _s: None) -> None:
        self._registry, self._told = registry, told
        self._damaged: set[str] = set()

    def find(self, group: Group, version: str) -> Predictor | None:
        """The model of that version; None, said in the log, when it cannot be used."""
        try:
            weights, card = self._registry.load(group.name, version)
            network = NetworkPredictor.from_weights(weights, card.shape, group, version)
            return Timed(network, partial(self._told, group.name))
        except ModelError as error:
            log.error("%s", error)
            return None

    def best(self, group: Group) -> Predictor | None:
        """The champion, or the promoted model before it that can be used; None: naive until the next training."""
        champion = self.champion(group)
        if champion is None:
            return None
        promoted = self._promoted(group)
        earlier = [version for version in promoted if int(version) < int(champion)]
        for version in dict.fromkeys([champion, *earlier, *promoted]):
            model = self.find(group, version)
            if model is not None:
                if version != champion:
                    log.warning("fell back group=%s model=%s instead_of=%s", group.name, version, champion)
                return model
        log.warning("no model can be used, forecasts are naive until the next training group=%s", group.name)
        return None

    def champion(self, group: Group) -> str | None:
        """Version that should serve; the newest that was promoted when the file that tells is damaged."""
        try:
            champion = self._registry.champion(group.name)
        except ModelError as error:
            if group.name not in self._damaged:
                log.error("%s", error)
            self._damaged.add(group.name)
            return next(iter(self._promoted(group)), None)
        self._damaged.discard(group.name)
        return champion

    def _promoted(self, group: Group) -> list[str]:
        """Versions that were found good, newest first."""
        return [card.version for card in reversed(self._registry.cards(group.name)) if card.promoted]

    def last_trained_ms(self, group: Group) -> int | None:
        """When the newest model for the group's present settings was trained; None: there is none."""
        trained = [card for card in self._registry.cards(group.name) if card.settings_hash == group.fingerprint]
        return _epoch_ms(trained[-1]) if trained else None


def _epoch_ms(card: Card) -> int:
    return round(datetime.fromisoformat(card.trained_at).timestamp() * 1000)
