"""Pictures are written, whole, and say what they cannot do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from forecaster.commands.plot import fan, sparkline
from forecaster.errors import BadInput

HOUR_MS = 3_600_000
LEVELS = (0.025, 0.1, 0.5, 0.9, 0.975)


def drawn(path: Path, step_ms: int = HOUR_MS, past: int = 96, horizon: int = 48) -> Path:
    times = np.arange(past + horizon) * step_ms + 1_370_000_000_000
    wave = 2 + np.sin(np.arange(past + horizon) * 2 * np.pi / 24)
    wave[3] = np.nan
    fan(
        path,
        history_times=times[:past],
        history_values=wave[:past],
        forecast_times=times[past:],
        quantiles=wave[past:, None] + np.array([-0.9, -0.5, 0.0, 0.5, 0.9]),
        levels=LEVELS,
        truth=wave[past:] + 0.1,
        title="kitchen",
        unit="kWh",
        zone="Australia/Sydney",
    )
    return path


def test_a_fan_is_drawn_as_svg_with_its_words(tmp_path: Path) -> None:
    """The same forecast gives the same bytes."""
    first, second = drawn(tmp_path / "a.svg"), drawn(tmp_path / "b.svg")

    assert first.read_bytes() == second.read_bytes()
    for words in ("kitchen", "95 % range", "80 % range", "median", "Wed 5 Jun", "Australia/Sydney"):
        assert words in first.read_text()


@pytest.mark.parametrize(
    ("step_ms", "past", "horizon"),
    [(1000, 60, 30), (30 * 24 * HOUR_MS, 60, 12), (HOUR_MS, 200, 1), (HOUR_MS, 0, 24)],
    ids=["seconds", "months", "one lead", "no past"],
)
def test_a_fan_is_drawn_at_any_step(tmp_path: Path, step_ms: int, past: int, horizon: int) -> None:
    """From seconds to years, with a single lead, and without a past."""
    picture = drawn(tmp_path / "fan.png", step_ms, past, horizon).read_bytes()

    assert picture.startswith(b"\x89PNG")


def test_a_picture_of_an_unknown_kind_is_refused(tmp_path: Path) -> None:
    """PNG and SVG are what we draw."""
    with pytest.raises(BadInput, match=r"a picture ends in \.png or \.svg"):
        drawn(tmp_path / "fan.gif")


@pytest.mark.parametrize(
    ("values", "line"),
    [([], ""), ([float("nan")], " "), ([3], "▄"), ([1, 8], "▁█"), ([0, 1, 2, 3, 4, 5, 6, 7], "▁▂▃▄▅▆▇█")],
)
def test_sparklines_span_the_blocks(values: list[float], line: str) -> None:
    """Lowest to highest, gaps blank, a constant in the middle."""
    assert sparkline(values) == line
