"""Models as files: ``<directory>/<group>/<version>/{weights.safetensors, card.json}`` and ``champion.json``.

The card carries the SHA-256 of the weights (``sha256sum`` tells the same), so that a damaged or exchanged file is
told from a good one. Weights are safetensors: loading them cannot run code.
"""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path

import msgspec
import numpy as np
import safetensors.numpy

from forecaster.adapters.files import TEMPORARY, sync_directory, whole_file, write_errors
from forecaster.errors import ModelError
from forecaster.ports import Card
from forecaster.records import Array

log = logging.getLogger(__name__)

NOT_A_CARD = (ValueError, KeyError, TypeError, AttributeError, msgspec.ValidationError)
"""What reading JSON that is damaged, or is something else, may raise."""
REMEMBERED = 20
"""Former champions that a rollback may go back to, one after the other."""


class FileModelRegistry:
    """:class:`forecaster.ports.ModelRegistry` in a directory. Daemon, training and command line share it.

    Raises
    ------
    ModelError
        When a model is missing or broken: names the file and what to do.
    StoreError
        When the disk does not take what is written.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def save(self, group: str, weights: Mapping[str, Array], card: Card) -> None:
        """Write both atomically; a reader sees all of it or nothing. Does not promote.

        Raises
        ------
        ModelError
            When the version exists: another training was faster.
        """
        folder = self._folder(group)
        final = folder / _safe_version(group, card.version)
        packed = safetensors.numpy.save({name: np.asarray(array, order="C") for name, array in weights.items()})
        described = {**asdict(card), "weights_sha256": sha256(packed).hexdigest()}
        temporary = folder / f".{card.version}.{os.getpid()}.tmp"
        try:
            with whole_file(temporary / "weights.safetensors") as file:
                file.write(packed)
            with whole_file(temporary / "card.json") as file:
                file.write(msgspec.json.format(msgspec.json.encode(described), indent=2) + b"\n")
            if final.exists():
                raise ModelError(f"{final}: exists already; train again: forecaster train {group}")
            with write_errors(final):
                temporary.rename(final)
                sync_directory(folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def load(self, group: str, version: str) -> tuple[dict[str, Array], Card]:
        """Weights and card.

        Raises
        ------
        ModelError
            When missing or broken.
        """
        card, expected = self._card(group, version)
        path = self._folder(group) / version / "weights.safetensors"
        try:
            packed = path.read_bytes()
        except OSError as error:
            raise _broken(path, error.strerror or str(error), group) from error
        if sha256(packed).hexdigest() != expected:
            raise _broken(path, "checksum differs from the one in card.json", group)
        weights: dict[str, Array] = safetensors.numpy.load(packed)
        return weights, card

    def cards(self, group: str) -> list[Card]:
        """Models whose card can be read, newest last; the others are skipped with a warning."""
        cards = []
        for version in self._versions(group):
            try:
                cards.append(self._card(group, version)[0])
            except ModelError as error:
                log.warning("model skipped group=%s model=%s reason=%s", group, version, error)
        return cards

    def next_version(self, group: str) -> str:
        """A version nobody has used: one more than the newest, on disk or ever promoted."""
        used = ["0", *self._versions(group), *self._line_if_readable(group)]
        return f"{max(map(int, used)) + 1:04d}"

    def champion(self, group: str) -> str | None:
        """Version in service, None before the first.

        Raises
        ------
        ModelError
            When ``champion.json`` is damaged.
        """
        line = self._line(group)
        return line[-1] if line else None

    def promote(self, group: str, version: str) -> None:
        """Make it the champion, remembering the previous one. Nothing happens when it is already.

        Raises
        ------
        ModelError
            When it cannot be loaded.
        """
        self.load(group, version)
        line = self._line_if_readable(group)
        if line[-1:] != [version]:
            self._write_line(group, [*line, version])

    def rollback(self, group: str, check: Callable[[Card], None]) -> str | None:
        """Make the newest former champion that can be loaded and passes the check champion again; its version.

        The check raises ModelError for a model that cannot serve. None, and nothing changes, when there is none.
        """
        line = self._line(group)[:-1]
        while line:
            try:
                check(self.load(group, line[-1])[1])
            except ModelError as error:
                log.warning("former champion skipped group=%s model=%s reason=%s", group, line.pop(), error)
            else:
                self._write_line(group, line)
                return line[-1]
        return None

    def prune(self, group: str, keep: int) -> None:
        """Remove all but the newest ``keep``; never the champion or the one before it."""
        folder = self._folder(group)
        line, versions = self._line(group), self._versions(group)
        old = set(versions[: max(0, len(versions) - keep)]) - set(line[-2:])
        with write_errors(folder):
            for version in sorted(old):
                shutil.rmtree(folder / version)
            for path in folder.glob(TEMPORARY):
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)

    def _folder(self, group: str) -> Path:
        if not re.fullmatch(r"[A-Za-z0-9_-]+", group):
            raise ModelError(f"group {group!r} cannot name a directory; use letters, digits, _ and - only")
        return self.directory / group

    def _versions(self, group: str) -> list[str]:
        """Versions on disk, oldest first."""
        found = [path.name for path in self._folder(group).glob("[0-9]*") if path.name.isdecimal()]
        return sorted(found, key=int)

    def _card(self, group: str, version: str) -> tuple[Card, str]:
        """Card of a model, and the checksum its weights must have."""
        path = self._folder(group) / _safe_version(group, version) / "card.json"
        try:
            found = json.loads(path.read_bytes())
            # JSON has no NaN: a score that could not be computed is stored as null
            for scores in found["scores"].values():
                scores.update({name: float("nan") for name, value in scores.items() if value is None})
            return msgspec.convert(found, Card), str(found["weights_sha256"])
        except FileNotFoundError as error:
            raise ModelError(f"{path}: no such model; list them: forecaster models list {group}") from error
        except OSError as error:
            raise _broken(path, error.strerror or str(error), group) from error
        except NOT_A_CARD as error:
            raise _broken(path, f"not a card ({error})", group) from error

    def _line(self, group: str) -> list[str]:
        """Champions, the one in service last; empty before the first."""
        path = self._folder(group) / "champion.json"
        try:
            found = json.loads(path.read_bytes())
            return [*map(_digits, found["history"]), _digits(found["version"])]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ModelError(
                f"{path}: damaged ({error}); choose again: forecaster models promote {group} VERSION"
            ) from error

    def _line_if_readable(self, group: str) -> list[str]:
        """The same, empty when damaged: so that training and promoting mend it."""
        try:
            return self._line(group)
        except ModelError as error:
            log.warning("former champions forgotten group=%s reason=%s", group, error)
            return []

    def _write_line(self, group: str, line: list[str]) -> None:
        *history, version = line[-REMEMBERED - 1 :]
        with whole_file(self._folder(group) / "champion.json") as file:
            file.write(json.dumps({"version": version, "history": history}).encode() + b"\n")


def _digits(version: object) -> str:
    if not (isinstance(version, str) and version.isdecimal()):
        raise ValueError(f"{version!r} is not a version")
    return version


def _safe_version(group: str, version: str) -> str:
    if not version.isdecimal():
        raise ModelError(f"no model {version!r}: a version is a number, 0007; forecaster models list {group}")
    return version


def _broken(path: Path, why: str, group: str) -> ModelError:
    return ModelError(f"{path}: broken, {why}; go back: forecaster models rollback {group}")
