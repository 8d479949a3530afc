"""What training makes small."""

from __future__ import annotations

import torch
from torch import Tensor

FAR = 100.0
"""Scaled targets beyond this count as this: after a long silence the local scale may be tiny."""


def pinball_loss(forecast: Tensor, target: Tensor, observed: Tensor, levels: Tensor) -> Tensor:
    """Average quantile loss over the steps that were observed.

    For level q the loss of predicting v when y happened is ``max(q * (y - v), (q - 1) * (y - v))``;
    its mean is smallest when v is the q-quantile of y.

    Parameters
    ----------
    forecast
        Predicted quantiles in scaled units, shape ``(..., H, Q)``.
    target
        True values in scaled units, shape ``(..., H)``. Anything, even NaN, where not observed.
    observed
        1 where the target was measured, 0 where it is a gap, shape ``(..., H)``.
    levels
        Quantile levels in (0, 1), increasing, shape ``(Q,)``.

    Returns
    -------
    Tensor
        Scalar. 0 when nothing was observed, so that an empty batch has no gradient.

    References
    ----------
    Koenker & Bassett (1978), "Regression Quantiles", Econometrica 46(1).

    Examples
    --------
    >>> from torch import tensor
    >>> pinball_loss(tensor([[[1.0]]]), tensor([[3.0]]), tensor([[1.0]]), tensor([0.5]))
    tensor(1.)
    """
    seen = observed.bool()
    error = target.where(seen, 0.0).clamp(-FAR, FAR).unsqueeze(-1) - forecast  # (..., H, Q)
    loss = torch.maximum(levels * error, (levels - 1) * error)  # (..., H, Q)
    return (loss.mean(-1) * seen).sum() / seen.sum().clamp(min=1)
