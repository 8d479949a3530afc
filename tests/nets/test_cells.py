"""The cells: forward and backward as those of torch, for all members at once."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from forecaster.nets.recurrent import Recurrent

THEIRS = {"elman": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}
OURS = {"weight_ih": "inward", "weight_hh": "again", "bias_ih": "bias", "bias_hh": "bias_again"}
LAYERS = 2


def theirs(cell: str, ours: Recurrent, member: int) -> nn.RNNBase:
    """A module of torch with the weights of one member."""
    net = THEIRS[cell](3, 5, LAYERS, batch_first=True).double()
    with torch.no_grad():
        for name, weight in net.named_parameters():
            kind, _, layer = name.rpartition("_l")
            weight.copy_(ours.get_parameter(f"{OURS[kind]}_{layer}")[member].T.reshape(weight.shape))
    return net


def run(cell: str, net: nn.RNNBase, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
    """As ours, of one member: (B, T, I) and (B, L, N)."""
    begin = state.transpose(0, 1)
    if cell != "lstm":
        out, after = net(x, begin.contiguous())
        return out, after.transpose(0, 1)
    out, after = net(x, tuple(part.contiguous() for part in begin.chunk(2, dim=-1)))
    return out, torch.cat(after, dim=-1).transpose(0, 1)


@pytest.mark.parametrize("cell", ["elman", "gru", "lstm"])
def test_outputs_and_gradients_are_those_of_torch(cell: str) -> None:
    """Of inputs, state and every weight; a loss that asks for the outputs and for the state after."""
    torch.manual_seed(1)
    ours = Recurrent(cell, inputs=3, hidden=5, layers=LAYERS, members=2).double()
    x = torch.randn(2, 4, 6, 3, dtype=torch.float64, requires_grad=True)
    state = torch.randn(2, 4, LAYERS, ours.width, dtype=torch.float64, requires_grad=True)
    out, after = ours(x, state)
    (out.sin().sum() + after.cos().sum()).backward()

    for member in range(2):
        net = theirs(cell, ours, member)
        own_x, own_state = (given[member].detach().clone().requires_grad_() for given in (x, state))
        expected, last = run(cell, net, own_x, own_state)
        (expected.sin().sum() + last.cos().sum()).backward()

        torch.testing.assert_close(out[member], expected)
        torch.testing.assert_close(after[member], last)
        torch.testing.assert_close(x.grad[member], own_x.grad)
        torch.testing.assert_close(state.grad[member], own_state.grad)
        for name, weight in net.named_parameters():
            kind, _, layer = name.rpartition("_l")
            found = ours.get_parameter(f"{OURS[kind]}_{layer}").grad[member].T.reshape(weight.shape)
            torch.testing.assert_close(found, weight.grad)


@pytest.mark.parametrize("cell", ["elman", "gru", "lstm"])
def test_chunk_by_chunk_is_as_in_one_go(cell: str) -> None:
    """The state carried from one call to the next; and gates that are shut for good make no noise."""
    torch.manual_seed(1)
    net = Recurrent(cell, inputs=3, hidden=5, members=2)
    x = 1e4 * torch.randn(2, 4, 6, 3)
    with torch.no_grad():
        whole, end = net(x, net.initial_state(4))
        first, between = net(x[:, :, :2], net.initial_state(4))
        second, after = net(x[:, :, 2:], between)

    torch.testing.assert_close(torch.cat([first, second], dim=2), whole)
    torch.testing.assert_close(after, end)
