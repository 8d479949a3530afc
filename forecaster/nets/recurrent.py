"""Elman, GRU and LSTM cells behind one face: the whole memory of a stream is one tensor."""

from __future__ import annotations

from math import sqrt

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from forecaster.nets.cells import GATES, UNROLLED
from forecaster.settings import Cell


class Recurrent(nn.Module):
    """Stacked recurrent layers whose state is one tensor, so it can be stored, batched and swapped blindly.

    Parameters
    ----------
    cell
        ``elman`` (tanh), ``gru`` or ``lstm``.
    inputs, hidden, layers
        Input width I, width of a layer, number of layers L.
    dropout
        Between layers, in training only.
    members
        P, how many of them, each with weights of its own.

    Attributes
    ----------
    width
        N, state values per layer: ``hidden``, and twice that for an LSTM (hidden beside cell).

    References
    ----------
    Elman (1990), "Finding Structure in Time", Cognitive Science 14(2). Hochreiter & Schmidhuber (1997), "Long
    Short-Term Memory", Neural Computation 9(8). Cho et al. (2014), "Learning Phrase Representations using RNN
    Encoder-Decoder", EMNLP.

    Examples
    --------
    >>> net = Recurrent("lstm", inputs=3, hidden=4, layers=2)
    >>> out, state = net(torch.zeros(1, 5, 7, 3), net.initial_state(5))
    >>> out.shape, state.shape
    (torch.Size([1, 5, 7, 4]), torch.Size([1, 5, 2, 8]))
    """

    def __init__(
        self, cell: Cell, inputs: int, hidden: int, layers: int = 1, dropout: float = 0.0, members: int = 1
    ) -> None:
        super().__init__()
        self.unroll, self.layers, self.members, self.dropout = UNROLLED[cell], layers, members, dropout
        self.width = 2 * hidden if cell == "lstm" else hidden
        gates = GATES[cell] * hidden
        for layer in range(layers):
            seen = hidden if layer else inputs
            for name, rows in (("inward", seen), ("again", hidden), ("bias", 1), ("bias_again", 1)):
                drawn = torch.empty(members, rows, gates).uniform_(-1 / sqrt(hidden), 1 / sqrt(hidden))
                self.register_parameter(f"{name}_{layer}", nn.Parameter(drawn))

    def initial_state(self, streams: int) -> Tensor:
        """Zeros, shape (P, streams, L, N)."""
        return torch.zeros(self.members, streams, self.layers, self.width)

    def forward(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Step through T inputs.

        Parameters
        ----------
        x
            Shape (P, B, T, I) or, where all see the same, (1, B, T, I).
        state
            Shape (P, B, L, N).

        Returns
        -------
        out, state
            Output of the last layer at each step (P, B, T, hidden), and the state after the last step.
        """
        seen, after = x.transpose(1, 2), []  # (P, T, B, I)
        for layer in range(self.layers):
            inward, again, bias, bias_again = (
                self.get_parameter(f"{name}_{layer}") for name in ("inward", "again", "bias", "bias_again")
            )
            if layer and self.dropout:
                seen = F.dropout(seen, self.dropout, self.training)
            flat = seen.flatten(1, 2).expand(self.members, -1, -1)
            told = torch.baddbmm(bias, flat, inward).view(self.members, *seen.shape[1:3], inward.shape[-1])
            hidden, last = self.unroll(told, state[:, :, layer], again, bias_again)
            seen = hidden.transpose(0, 1)
            after.append(last)
        return seen.transpose(1, 2), torch.stack(after, dim=2)
