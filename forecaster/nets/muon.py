"""The optimiser: matrices step equally far in every direction, all other parameters as AdamW has it.

What the network is shown moves together: candidates that forecast much the same. So most of a gradient points the same
way, and what tells the candidates apart, which is what a gate has to learn, has little of each step. Here a step is as
far that way as any other.

References
----------
Jordan et al. (2024), "Muon: An optimizer for hidden layers in neural networks", kellerjordan.github.io/posts/muon.
Liu et al. (2025), "Muon is Scalable for LLM Training", arXiv:2502.16982: steps of the size of Adam's, so that both
share one learning rate.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

MOMENTUM = 0.95
"""Memory of the gradient."""

ROUNDS, ODD = 3, (3.4445, -4.7750, 2.0315)
"""How often, and by which odd polynomial, singular values are drawn towards 1."""

TINY = 1e-12


class Muon(torch.optim.Optimizer):
    """Steps for matrices.

    Parameters
    ----------
    matrices
        Parameters, each a stack (P, I, G O) from one vector to G others, and G of each: what one gate has to learn is
        no measure for another.
    lr, weight_decay
        As in AdamW.
    stride
        Root mean square of a step, as a part of the learning rate; that of Adam's is about 0.2.
    """

    def __init__(self, matrices: Mapping[nn.Parameter, int], *, lr: float, weight_decay: float, stride: float) -> None:
        groups = [{"params": [matrix], "parts": parts} for matrix, parts in matrices.items()]
        super().__init__(groups, {"lr": lr, "weight_decay": weight_decay, "stride": stride})
        for matrix in matrices:
            self.state[matrix]["lately"] = torch.zeros_like(matrix)

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]
        """One step down the gradients."""
        for group in self.param_groups:
            (matrix,), rate, parts = group["params"], group["lr"], group["parts"]
            lately = self.state[matrix]["lately"]
            lately.lerp_(matrix.grad, 1 - MOMENTUM)
            gradient = matrix.grad.lerp(lately, MOMENTUM).unflatten(-1, (parts, -1)).transpose(1, 2)  # (P, G, I, O)
            direction = orthonormal(gradient).transpose(1, 2).flatten(2)
            matrix.mul_(1 - rate * group["weight_decay"])
            matrix.sub_(direction, alpha=rate * group["stride"] * max(gradient.shape[-2:]) ** 0.5)


def orthonormal(matrices: Tensor) -> Tensor:
    """Matrices (P, G, I, O) of the same singular vectors, their singular values drawn near 1, most to 0.7 to 1.2.

    Examples
    --------
    >>> orthonormal(torch.diag(torch.tensor([3.0, 0.1]))[None, None]).round(decimals=1)
    tensor([[[[0.7000, 0.0000],
              [0.0000, 1.1000]]]])
    """
    wide = matrices.shape[-2] <= matrices.shape[-1]
    flat = (matrices if wide else matrices.mT).flatten(0, 1)
    flat = flat / flat.norm(dim=(-2, -1), keepdim=True).clamp(min=TINY)
    first, third, fifth = ODD
    for _ in range(ROUNDS):
        square = flat @ flat.mT
        flat = torch.baddbmm(flat, torch.baddbmm(square, square, square, beta=third, alpha=fifth), flat, beta=first)
    found = flat.view(*matrices.shape[:2], *flat.shape[1:])
    return found if wide else found.mT
