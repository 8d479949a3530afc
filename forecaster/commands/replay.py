"""``forecaster replay``: what would have been published, from the journal."""

from __future__ import annotations

import os
from argparse import Namespace
from contextlib import closing
from pathlib import Path

from forecaster import config
from forecaster.adapters.registry import FileModelRegistry
from forecaster.adapters.snapshots import FileSnapshots
from forecaster.adapters.sqlite_journal import SqliteJournal
from forecaster.commands.chosen import chosen_group, stored_history, unknown_stream
from forecaster.nets.baseline import naives
from forecaster.pipeline.encode import ForecastEncoder
from forecaster.pipeline.engine import Engine
from forecaster.records import Issued
from forecaster.runtime.models import Models
from forecaster.runtime.restore import begin, replay


def run(arguments: Namespace) -> int:
    """Print topic and payload of every forecast after a journal position; nothing is sent."""
    settings = config.load(Path(arguments.config), os.environ)
    groups = [chosen_group(settings, arguments.group)] if arguments.group else list(settings.groups)
    encoders = {group.name: ForecastEncoder(group, settings.publish.prefix) for group in groups}
    engine = Engine(settings, naives)
    with (
        closing(stored_history(settings.data)) as history,
        closing(SqliteJournal(settings.data / "journal.db", read_only=True)) as journal,
    ):
        models = Models(FileModelRegistry(settings.data / "models"))
        snapshots = FileSnapshots(settings.data / "snapshots")
        start, _ = begin(engine, settings, snapshots, journal, history, models.find, upto=arguments.after)
        for position, effects in replay(engine, settings, journal, models.find, start):
            for effect in effects:
                if position > arguments.after and isinstance(effect, Issued) and effect.group in encoders:
                    encoder = encoders[effect.group]
                    for topic, payload in encoder.encode(effect):
                        if arguments.stream is None or topic == encoder.topic(arguments.stream):
                            print(topic, payload.decode())
    known = sorted({name for group in groups for name in engine.series(group.name)})
    if arguments.stream is not None and arguments.stream not in known:
        raise unknown_stream(arguments.stream, known)
    return 0
