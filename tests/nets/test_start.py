"""The gate begins with what has been right."""

from __future__ import annotations

import numpy as np
import torch

from forecaster.nets.batches import Batch
from forecaster.nets.network import View
from forecaster.nets.start import ranges, worth


def batch(errors: list[list[float]], rows: int = 6) -> Batch:
    """Forecasts that miss 0 by what is given for each lead and candidate."""
    candidates = torch.tensor(errors).repeat(rows, 2, 1, 1)
    target = torch.zeros(candidates.shape[:-1])
    nothing, leads = torch.empty(0), torch.arange(len(errors))
    seen = View(nothing, candidates, nothing)
    return Batch(seen=seen, target=target, observed=target == 0, leads=leads, every=1, fresh=True)


def test_candidates_weigh_by_their_error_at_each_lead() -> None:
    """Half the error, 32 times the weight; the best has a logarithm of 0, the worst no less than e to the minus 8."""
    found = worth([batch([[1.0, 2.0, 1000.0], [2.0, 1.0, 4.0]])] * 2, 2)

    np.testing.assert_allclose(found.exp(), [[1, 1 / 32, np.exp(-8)], [1 / 32, 1, 1 / 1024]], rtol=1e-4)


def test_absent_candidates_and_gaps_do_not_count() -> None:
    """Errors are means over what was there; a lead of which nothing was observed has no favourite."""
    one = batch([[1.0, 2.0], [1.0, 2.0]])
    one.seen.candidates[:3, :, 0, 1] = torch.nan
    one.observed[:, :, 1] = False

    np.testing.assert_allclose(worth([one], 2).exp(), [[1, 1 / 32], [1, 1]], rtol=1e-4)


def test_nothing_to_learn_from_favours_none() -> None:
    """No batch, or no candidate."""
    assert not worth([], 2).any()
    assert worth([batch([[], []])], 2).shape == (2, 0)


def test_ranges_are_as_wide_as_the_mixture_was_off() -> None:
    """Half of what came lies in the 50 % range, whatever the size of the errors at a lead; gaps do not count."""
    one = batch([[0.0, 0.0], [0.0, 0.0], [0.0, 0.0]], rows=500)
    size = torch.tensor([1.0, 5.0, 1.0])
    one = one._replace(target=size * torch.from_numpy(np.random.default_rng(0).standard_cauchy((500, 2, 3))).float())
    one.observed[:, :, 2] = False

    found = ranges([one], torch.zeros(3, 2), (0.25, 0.5, 0.75))

    np.testing.assert_allclose(found[0], [-1, 0, 1], atol=0.1)
    np.testing.assert_allclose(found[1], [-5, 0, 5], atol=0.5)
    np.testing.assert_allclose(found[2], [-0.674, 0, 0.674], atol=0.001)  # nothing known: a bell curve


def test_a_target_beyond_all_scale_says_nothing_about_a_range() -> None:
    """As of a sensor that wakes after a constant: its scale is that of rounding errors."""
    one = batch([[1.0, 1.0]], rows=10)
    one.target[:5] = torch.inf

    np.testing.assert_allclose(ranges([one], torch.zeros(1, 2), (0.1, 0.5, 0.9)), [[-1, 0, 1]], atol=1e-6)


def test_what_one_lead_was_off_by_once_does_not_make_its_range() -> None:
    """The sixteenth lead is told of by the two on each side too, the first by itself."""
    one = batch([[0.0, 0.0]] * 24, rows=300)
    one = one._replace(target=torch.from_numpy(np.random.default_rng(0).normal(size=(300, 2, 24))).float())
    one.target[:, :, 15] *= 8
    one.target[:, :, 0] *= 8

    upper = ranges([one], torch.zeros(24, 2), (0.1, 0.5, 0.9))[:, 2]

    assert upper[15] < 2.5
    assert upper[0] > 8
    np.testing.assert_allclose(upper[1:12], 1.28, atol=0.2)
