"""Elman, GRU and LSTM cells, unrolled over time for all members of a committee at once.

In training the work of one step is so small that what torch spends around each operation, and on recording it for the
gradient, is most of the time. Here the members share an operation, numpy carries it out, and the gradient is written
out.

Shape letters: **P** members, **T** steps, **B** batch, **N** hidden size, **G** gates of a cell.

References
----------
The formulas are those of ``torch.nn.RNN``, ``GRU`` and ``LSTM``, against which they are tested.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd import Function

from forecaster.records import Array

GATES = {"elman": 1, "gru": 3, "lstm": 4}
"""G."""


class Elman(Function):
    """``h = tanh(told + h W + b)``."""

    @staticmethod
    def forward(ctx: Any, *given: Tensor) -> tuple[Tensor, Tensor]:
        """Step through T inputs.

        Parameters
        ----------
        given
            ``told``, what the inputs add to the gates, (P, T, B, G N); ``state``, (P, B, N), of an LSTM (P, B, 2 N),
            hidden beside cell; ``weight`` and ``bias`` from hidden to gates, (P, N, G N) and (P, 1, G N).

        Returns
        -------
        hidden, state
            (P, T, B, N), and the state after the last step.
        """
        told, state, weight, bias = map(array, given)
        hidden = told + bias[:, None]
        now = state
        for step in range(hidden.shape[1]):
            hidden[:, step] += now @ weight
            now = np.tanh(hidden[:, step], out=hidden[:, step])
        ctx.seen = state, weight, hidden
        return torch.from_numpy(hidden), torch.from_numpy(now.copy())

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, ...]:
        """Gradients of all that :meth:`forward` was given."""
        state, weight, hidden = ctx.seen
        above, now = map(array, grads)
        back, gates = turned(weight), 1 - hidden**2
        for step in reversed(range(hidden.shape[1])):
            gates[:, step] *= above[:, step] + now
            now = gates[:, step] @ back
        return tensors(gates, now, *of_weights(state, hidden, gates))


class Gru(Function):
    """``h = (1 - z) n + z h`` with ``n = tanh(told + r (h W + b))``; gates in the order r, z, n."""

    @staticmethod
    def forward(ctx: Any, *given: Tensor) -> tuple[Tensor, Tensor]:
        """As :meth:`Elman.forward`."""
        told, state, weight, bias = map(array, given)
        size = state.shape[-1]
        hidden, fresh, inner = (np.empty((*told.shape[:-1], size), told.dtype) for _ in range(3))
        doors = told[..., : 2 * size].copy()
        now = state
        for step in range(told.shape[1]):
            old = now @ weight
            old += bias
            door, new = doors[:, step], fresh[:, step]
            door += old[..., : 2 * size]
            sigmoid(door)
            inner[:, step] = old[..., 2 * size :]
            np.multiply(door[..., :size], old[..., 2 * size :], out=new)
            new += told[:, step, :, 2 * size :]
            np.tanh(new, out=new)
            now = np.subtract(now, new, out=hidden[:, step])
            now *= door[..., size:]
            now += new
        ctx.seen = state, weight, hidden, doors, fresh, inner
        return torch.from_numpy(hidden), torch.from_numpy(now.copy())

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, ...]:
        """As :meth:`Elman.backward`."""
        state, weight, hidden, doors, fresh, inner = ctx.seen
        above, now = map(array, grads)
        size = state.shape[-1]
        reset, keep = doors[..., :size], doors[..., size:]
        # How much of what reaches the hidden state each gate passes on, for all steps in one go.
        passes = np.empty((*hidden.shape[:-1], 3, size), hidden.dtype)
        new = (1 - keep) * (1 - fresh**2)
        np.multiply(new, reset, out=passes[..., 2, :])
        np.multiply(passes[..., 2, :] * inner, 1 - reset, out=passes[..., 0, :])
        np.multiply(earlier(state, hidden) - fresh, keep * (1 - keep), out=passes[..., 1, :])
        back = turned(weight)
        for step in reversed(range(hidden.shape[1])):
            now = now + above[:, step]
            new[:, step] *= now
            gates = passes[:, step]
            gates *= now[:, :, None]
            now *= keep[:, step]
            now += gates.reshape(*now.shape[:-1], -1) @ back
        gates = passes.reshape(*hidden.shape[:-1], -1)
        told = np.concatenate([gates[..., : 2 * size], new], axis=-1)
        return tensors(told, now, *of_weights(state, hidden, gates))


class Lstm(Function):
    """``c = f c + i g``, ``h = o tanh(c)``; gates in the order i, f, g, o."""

    @staticmethod
    def forward(ctx: Any, *given: Tensor) -> tuple[Tensor, Tensor]:
        """As :meth:`Elman.forward`, with hidden beside cell in the state."""
        told, state, weight, bias = map(array, given)
        size = state.shape[-1] // 2
        now, cell = state[..., :size], state[..., size:]
        gates = told + bias[:, None]
        hidden, cells = (np.empty((*told.shape[:-1], size), told.dtype) for _ in range(2))
        for step in range(told.shape[1]):
            gate = gates[:, step]
            gate += now @ weight
            sigmoid(gate[..., : 2 * size])
            np.tanh(gate[..., 2 * size : 3 * size], out=gate[..., 2 * size : 3 * size])
            sigmoid(gate[..., 3 * size :])
            enter, stay, new, leave = parts(gate)
            cell = np.multiply(stay, cell, out=cells[:, step])
            cell += enter * new
            now = np.multiply(leave, np.tanh(cell), out=hidden[:, step])
        ctx.seen = state, weight, hidden, cells, gates
        return torch.from_numpy(hidden), torch.from_numpy(np.concatenate([now, cell], axis=-1))

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, ...]:
        """As :meth:`Elman.backward`."""
        state, weight, hidden, cells, gates = ctx.seen
        above, after = map(array, grads)
        size = hidden.shape[-1]
        now, cell = after[..., :size], after[..., size:]
        enter, stay, new, leave = parts(gates)
        back, out = turned(weight), np.tanh(cells)
        into = leave * (1 - out**2)
        passes = np.stack(
            [
                new * enter * (1 - enter),
                earlier(state[..., size:], cells) * stay * (1 - stay),
                enter * (1 - new**2),
                out * leave * (1 - leave),
            ],
            axis=-2,
        )  # (P, T, B, G, N)
        for step in reversed(range(hidden.shape[1])):
            now = now + above[:, step]
            cell = cell + now * into[:, step]
            passes[:, step, :, :3] *= cell[:, :, None]
            passes[:, step, :, 3] *= now
            now = passes[:, step].reshape(*now.shape[:-1], -1) @ back
            cell *= stay[:, step]
        told = passes.reshape(gates.shape)
        return tensors(told, np.concatenate([now, cell], axis=-1), *of_weights(state[..., :size], hidden, told))


Unroll = Callable[[Tensor, Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]

UNROLLED: dict[str, Unroll] = {"elman": Elman.apply, "gru": Gru.apply, "lstm": Lstm.apply}
"""Told, state, weight and bias to hidden and state; see :meth:`Elman.forward`."""


def array(tensor: Tensor) -> Array:
    """Without copying."""
    return tensor.detach().numpy()


def tensors(*arrays: Array) -> tuple[Tensor, ...]:
    """Without copying."""
    return tuple(map(torch.from_numpy, arrays))


def sigmoid(values: Array) -> None:
    """In place; where ``exp`` overflows the result is 0 all the same."""
    np.negative(values, out=values)
    with np.errstate(over="ignore"):
        np.exp(values, out=values)
    values += 1
    np.reciprocal(values, out=values)


def parts(gates: Array) -> list[Array]:
    """Gates of an LSTM (..., 4 N) one by one."""
    return np.split(gates, 4, axis=-1)


def turned(weight: Array) -> Array:
    """From gates to hidden, (P, N, G N) to (P, G N, N)."""
    return np.ascontiguousarray(weight.swapaxes(-1, -2))


def earlier(state: Array, values: Array) -> Array:
    """Values (P, T, B, N) a step before, the state (P, B, N) first."""
    return np.concatenate([state[:, None], values[:, :-1]], axis=1)


def of_weights(state: Array, hidden: Array, gates: Array) -> tuple[Array, Array]:
    """Gradients of weight and bias from hidden to gates, given those of the gates (P, T, B, G N)."""
    members, steps, batch, width = gates.shape
    flat = gates.reshape(members, steps * batch, width)
    before = earlier(state, hidden).reshape(members, steps * batch, -1)
    return before.swapaxes(-1, -2) @ flat, flat.sum(1, keepdims=True)
