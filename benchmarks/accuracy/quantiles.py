"""All forecasts of one method on disk, (N, H, Q): those of a long horizon would not fit beside the network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType

import numpy as np

from forecaster.records import Array

CHUNK_BYTES = 50_000_000
"""Read back so much at a time."""


class Writer:
    """A file of forecasts, written in any order; NaN where nothing was written.

    Parameters
    ----------
    path
        File to make.
    shape
        (N, H, Q).
    """

    def __init__(self, path: Path, shape: tuple[int, int, int]) -> None:
        self._shape = shape
        self._path = path
        self._bytes = 4 * shape[1] * shape[2]

    def __enter__(self) -> Writer:
        self._file = self._path.open("wb")  # plain writes: mapped pages would count as memory of the process
        np.lib.format.write_array_header_1_0(self._file, {"descr": "<f4", "fortran_order": False, "shape": self._shape})
        self._start = self._file.tell()
        nothing = np.full(self._shape[1:], np.nan, np.float32).tobytes()
        for _ in range(self._shape[0]):
            self._file.write(nothing)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._file.close()

    def put(self, places: Sequence[int], quantiles: Array) -> None:
        """Forecasts (n, H, Q) of these places."""
        for place, one in zip(places, quantiles, strict=True):
            self._file.seek(self._start + place * self._bytes)
            self._file.write(one.astype(np.float32).tobytes())


def chunks(paths: Sequence[Path]) -> Iterator[tuple[slice, Array]]:
    """Which forecasts, and their quantiles (n, H, Q), float64: of one file, or the median over several."""
    files = [np.load(path, mmap_mode="r") for path in paths]
    count, *rest = files[0].shape
    size = max(1, CHUNK_BYTES // (8 * int(np.prod(rest)) * len(files)))
    for first in range(0, count, size):
        which = slice(first, min(first + size, count))
        parts = [np.asarray(file[which], np.float64) for file in files]
        yield which, parts[0] if len(parts) == 1 else np.median(np.stack(parts), axis=0)
