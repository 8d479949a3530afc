"""Which model serves a group: the champion, or when it cannot be used the newest one before it that can."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import datetime
from functools import partial

from forecaster.errors import ModelError
from forecaster.nets.predictor import NetworkPredictor
from forecaster.ports import Card, ModelRegistry, Predictor
from forecaster.records import Array, Inputs
from forecaster.settings import Group

log = logging.getLogger(__name__)


class Timed:
    """A predictor that tells how long each of its steps took, in seconds."""

    def __init__(self, predictor: Predictor, told: Callable[[float], None]) -> None:
        self._predictor, self._told = predictor, told
        self.version, self.warmup = predictor.version, predictor.warmup
        self.initial_state = predictor.initial_state

    def step(self, state: Array, inputs: Inputs) -> tuple[Array, Array]:
        """As the predictor does; see :class:`forecaster.ports.Predictor`."""
        began = time.perf_counter()
        answer = self._predictor.step(state, inputs)
        self._told(time.perf_counter() - began)
        return answer


class Models:
    """Loads predictors from a registry.

    Parameters
    ----------
    told
        Told the group of a predictor and how long one of its steps took, in seconds.
    """

    def __init__(self, registry: ModelRegistry, told: Callable[[str, float], None] = lambda _group, _s: None) -> None:
        self._registry, self._told = registry, told

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
        """The champion, or the newest promoted model that can be used; None: forecasts are naive until a training."""
        champion = self._registry.champion(group.name)
        if champion is None:
            return None
        promoted = [card.version for card in reversed(self._registry.cards(group.name)) if card.promoted]
        for version in dict.fromkeys([champion, *promoted]):
            model = self.find(group, version)
            if model is not None:
                if version != champion:
                    log.warning("fell back group=%s model=%s instead_of=%s", group.name, version, champion)
                return model
        log.warning("no model can be used, forecasts are naive until the next training group=%s", group.name)
        return None

    def champion(self, group: Group) -> str | None:
        """Version that should serve."""
        return self._registry.champion(group.name)

    def last_trained_ms(self, group: Group) -> int | None:
        """When the newest model for the group's present settings was trained; None: there is none."""
        trained = [card for card in self._registry.cards(group.name) if card.settings_hash == group.fingerprint]
        return _epoch_ms(trained[-1]) if trained else None


def _epoch_ms(card: Card) -> int:
    return round(datetime.fromisoformat(card.trained_at).timestamp() * 1000)
