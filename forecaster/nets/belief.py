"""How much of what was learned is believed: a point on the way from where a network began to where training led it.

It begins as a mixture of simple forecasts, with ranges as wide as that erred. Many streams teach it much beyond that;
what a few teach it is partly learned by heart, and the exam, which chose its weights, cannot tell. The tail can.

References
----------
James & Stein (1961), "Estimation with Quadratic Loss", Berkeley Symposium: shrinkage towards what is known beforehand.
"""

from __future__ import annotations

import torch
from torch import Tensor

from forecaster.nets.batches import Batch
from forecaster.nets.loop import examined
from forecaster.nets.network import Network

PARTS = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Parts of the way that are tried."""

LEANING, UNLIKE = 2.0, 2.0
"""Before anything tells, a part ``p`` counts ``exp(-LEANING * p)``; and how many targets of a stretch as long as the
horizon count as unlike each other."""

USUAL = 0.27
"""What that comes to."""

Outputs = dict[str, Tensor]
"""Weights of the layer that forecasts, without which all others say nothing."""


def outputs(network: Network) -> Outputs:
    """As they are now."""
    return {"weight": network.head.weight.detach().clone(), "start": network.start.detach().clone()}


def go(network: Network, begun: Outputs, learned: Outputs, part: float) -> None:
    """Put a network a part of the way from where it began to what it learned."""
    with torch.no_grad():
        network.head.weight.copy_(torch.lerp(begun["weight"], learned["weight"], part))
        network.start.copy_(torch.lerp(begun["start"], learned["start"], part))


def believed(network: Network, begun: Outputs, tail: Batch) -> float:
    """Leave a network as far from where it began as its loss on the tail speaks for it; the part of the way.

    The mean of the parts, each as likely as errors of its size make it: were there n of them, their size to the power
    of -n (Laplace's distribution, its scale not known).

    Parameters
    ----------
    begun
        What the layer that forecasts began with.
    tail
        Steps not learned from; see :func:`forecaster.nets.batches.examination`.
    """
    learned, losses = outputs(network), []
    for part in PARTS:
        go(network, begun, learned, part)
        losses.append(examined(network, tail, updates=0).loss)
    unlike = UNLIKE * float(tail.observed[..., 0].sum()) * tail.every / network.shape.horizon
    size = torch.tensor(losses, dtype=torch.float64).clamp(min=1e-12).log()
    parts = torch.tensor(PARTS, dtype=torch.float64)
    found = float(torch.softmax(-LEANING * parts - unlike * size, 0) @ parts)
    go(network, begun, learned, found)
    return found
