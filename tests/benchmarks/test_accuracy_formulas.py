"""The ruler itself: formulas against numbers worked out by hand, and forecasts whose error is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.accuracy import measures, naive

LEVELS = np.array([0.1, 0.5, 0.9])


def test_smape_is_the_error_over_the_mean_size() -> None:
    """|100 - 80| over (100 + 80) / 2 is 22.2 %; |50 - 150| over 100 is 100 %; their mean."""
    found = measures.smape(np.array([[100.0, 50.0]]), np.array([[80.0, 150.0]]))

    assert found == pytest.approx([(200 * 20 / 180 + 200 * 100 / 200) / 2])


def test_mase_is_the_error_over_that_of_a_season_old_value() -> None:
    """Over a season of 2 the history 1 2 3 6 changes by 2 and 4; errors of 1 and 5 are on average one such change."""
    scale = measures.seasonal_error(np.array([1.0, 2.0, 3.0, 6.0]), 2)

    found = measures.mase(np.array([[4.0, 4.0]]), np.array([[5.0, 9.0]]), np.array([scale]))

    assert found == pytest.approx([1.0])


def test_msis_adds_forty_times_what_lies_outside_to_the_width() -> None:
    """Widths 4 and 4; the second truth is 0.5 above: (4 + 4 + 40 * 0.5) / 2 over a scale of 2."""
    truth, low, high = np.array([[1.0, 4.5]]), np.zeros((1, 2)), np.full((1, 2), 4.0)

    assert measures.msis(truth, low, high, np.array([2.0])) == pytest.approx([7.0])


def test_pinball_weighs_by_level() -> None:
    """Truth 10 above 8 at .1 costs .2, below 12 at .9 costs .2, at .5 half of 1: mean .3."""
    found = measures.pinball(np.array([[10.0]]), np.array([[[8.0, 11.0, 12.0]]]), LEVELS)

    assert found == pytest.approx(np.array([[(0.2 + 0.5 + 0.2) / 3]]))


def test_owa_of_the_winner_of_the_m4_is_the_published_one() -> None:
    """ES-RNN monthly: sMAPE 12.126 and MASE .884 against Naive2's 14.427 and 1.063 make .836."""
    assert round(measures.owa(12.126, 0.884, 14.427, 1.063), 3) == 0.836


def test_a_gap_in_the_truth_counts_nowhere() -> None:
    """The error is that of the leads that are known, and NaN where none is."""
    truth = np.array([[1.0, np.nan], [np.nan, np.nan]])
    forecast = np.full((2, 2), 3.0)

    assert measures.smape(truth, forecast) == pytest.approx([100.0, np.nan], nan_ok=True)
    assert measures.mase(truth, forecast, np.ones(2)) == pytest.approx([2.0, np.nan], nan_ok=True)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.floats(1, 1e6, width=32), min_size=4, max_size=20).filter(
        lambda values: len(set(values)) == len(values)
    )
)
def test_the_perfect_forecast_scores_nothing_and_one_a_step_late_does(values: list[float]) -> None:
    """Every measure of error is 0 for the truth itself, and not for the truth one step late."""
    truth = np.array([values[1:]])
    late = np.array([values[:-1]])
    scale = np.ones(1)

    def errors(forecast: np.ndarray) -> list[float]:
        levels = np.repeat(forecast[..., None], 3, -1)
        return [
            float(measures.smape(truth, forecast)[0]),
            float(measures.mape(truth, forecast)[0]),
            float(measures.mase(truth, forecast, scale)[0]),
            float(measures.msis(truth, forecast, forecast, scale)[0]),
            float(measures.pinball(truth, levels, LEVELS).mean()),
        ]

    assert errors(truth) == [0.0] * 5
    assert min(errors(late)) > 0


def test_naive2_takes_the_season_off_repeats_the_last_value_and_puts_it_back() -> None:
    """A constant level times indices 0.5, 1, 1.5, stopped inside a season, goes on exactly."""
    history = np.tile([50.0, 100.0, 150.0], 8)[:-1]

    assert naive.naive2(history, 4, 3) == pytest.approx([150.0, 50.0, 100.0, 150.0])


def test_naive2_of_an_even_season_centres_the_moving_average() -> None:
    """Indices of a multiplicative season of four come out whatever the level."""
    indices = np.array([0.4, 0.8, 1.2, 1.6])
    history = 1000 * np.tile(indices, 6)

    assert naive.seasonal_indices(history, 4) == pytest.approx(indices)
    assert naive.naive2(history, 5, 4) == pytest.approx(1000 * indices[[0, 1, 2, 3, 0]])


def test_naive2_without_a_season_repeats_the_last_value() -> None:
    """A trend, a constant and a series shorter than three seasons do not pass the test."""
    assert naive.naive2(np.random.default_rng(3).normal(100, 1, 60), 2, 12).std() == 0
    assert naive.naive2(np.full(60, 7.0), 2, 12).tolist() == [7.0, 7.0]
    assert naive.naive2(np.tile([1.0, 2.0], 5)[:5], 2, 2).tolist() == [1.0, 1.0]


def test_naive2_refuses_gaps() -> None:
    """The method is not defined for them."""
    with pytest.raises(ValueError, match="gaps"):
        naive.naive2(np.array([1.0, np.nan]), 1, 1)


def test_seasonal_naive_repeats_the_last_season_and_fills_its_gaps() -> None:
    """A gap is filled by the season before; a phase never seen by the last value."""
    past = np.array([[1.0, 2.0, np.nan, 4.0, np.nan, np.nan]])

    found = naive.snaive(past, 4, 3, LEVELS)

    assert found[0, :, 1].tolist() == [4.0, 2.0, 4.0, 4.0]
    assert np.isnan(found[..., [0, 2]]).all()


def test_the_climatology_is_the_quantiles_of_each_phase() -> None:
    """With 0…10 seen at one phase and a constant at the other, the quantiles are 1, 5, 9, and the constant."""
    past = np.stack([np.arange(11.0), np.full(11, 3.0)], 1).reshape(1, -1)

    found = naive.climatology(past, 3, 2, LEVELS)

    assert found[0] == pytest.approx(np.array([[1.0, 5.0, 9.0], [3.0, 3.0, 3.0], [1.0, 5.0, 9.0]]))
