"""Elman, GRU and LSTM cells behind one face: the whole memory of a stream is one tensor."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from forecaster.settings import Cell

CELLS = {"elman": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}


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
    >>> out, state = net(torch.zeros(5, 7, 3), net.initial_state(5))
    >>> out.shape, state.shape
    (torch.Size([5, 7, 4]), torch.Size([5, 1, 2, 8]))
    """

    def __init__(self, cell: Cell, inputs: int, hidden: int, layers: int = 1, dropout: float = 0.0) -> None:
        super().__init__()
        self.layers = layers
        self.width = 2 * hidden if cell == "lstm" else hidden
        self.net = CELLS[cell](inputs, hidden, layers, batch_first=True, dropout=dropout if layers > 1 else 0.0)

    def initial_state(self, streams: int) -> Tensor:
        """Zeros, shape (streams, P=1, L, N)."""
        return torch.zeros(streams, 1, self.layers, self.width)

    def forward(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Step through T inputs.

        Parameters
        ----------
        x
            Shape (B, T, I).
        state
            Shape (B, P=1, L, N).

        Returns
        -------
        out, state
            Output of the last layer at each step (B, T, hidden), and the state after the last step.
        """
        stacked = state[:, 0].transpose(0, 1).contiguous()  # (L, B, N)
        if isinstance(self.net, nn.LSTM):
            hidden, cell = stacked.chunk(2, dim=-1)
            out, after = self.net(x, (hidden.contiguous(), cell.contiguous()))
            stacked = torch.cat(after, dim=-1)
        else:
            out, stacked = self.net(x, stacked)
        return cast(Tensor, out), stacked.transpose(0, 1).unsqueeze(1)
