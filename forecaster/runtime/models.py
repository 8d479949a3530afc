"""Which model serves a group: the champion, or when it cannot be used the newest one before it that can."""

from __future__ import annotations

import logging
from datetime import datetime

from forecaster.errors import ModelError
from forecaster.nets.predictor import NetworkPredictor
from forecaster.ports import Card, ModelRegistry, Predictor
from forecaster.settings import Group

log = logging.getLogger(__name__)


class Models:
    """Loads predictors from a registry."""

    def __init__(self, registry: ModelRegistry) -> None:
        self._registry = registry

    def find(self, group: Group, version: str) -> Predictor | None:
        """The model of that version; None, said in the log, when it cannot be used."""
        try:
            weights, card = self._registry.load(group.name, version)
            return NetworkPredictor.from_weights(weights, card.shape, group, version)
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
