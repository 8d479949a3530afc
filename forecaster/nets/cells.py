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
            (T, P, B, N), and the state after the last step.
        """
        told, state, weight, bias = map(array, given)
        hidden = room(told, state.shape[-1])
        now = state
        for step in range(len(hidden)):
            now = np.matmul(now, weight, out=hidden[step])
            now += told[:, step]
            now += bias
            np.tanh(now, out=now)
        ctx.seen = state, weight, hidden
        return torch.from_numpy(hidden), torch.from_numpy(now.copy())

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, ...]:
        """Gradients of all that :meth:`forward` was given."""
        state, weight, hidden = ctx.seen
        above, now = map(array, grads)
        back, gates = turned(weight), 1 - hidden**2
        for step in reversed(range(len(hidden))):
            gates[step] *= above[step] + now
            now = gates[step] @ back
        told = by_member(gates)
        return tensors(told, now, *of_weights(state, hidden, told))


class Gru(Function):
    """``h = (1 - z) n + z h`` with ``n = tanh(told + r (h W + b))``; gates in the order r, z, n."""

    @staticmethod
    def forward(ctx: Any, *given: Tensor) -> tuple[Tensor, Tensor]:
        """As :meth:`Elman.forward`."""
        told, state, weight, bias = map(array, given)
        size = state.shape[-1]
        to_doors, to_inner = (np.ascontiguousarray(part) for part in np.split(weight, [2 * size], axis=-1))
        told_doors, told_new = np.split(told, [2 * size], axis=-1)
        told_doors, bias = told_doors + bias[:, None, :, : 2 * size], bias[..., 2 * size :]
        doors, inner, fresh, hidden = room(told, 2 * size), room(told, size), room(told, size), room(told, size)
        now = state
        for step in range(len(hidden)):
            door = np.matmul(now, to_doors, out=doors[step])
            door += told_doors[:, step]
            sigmoid(door)
            old = np.matmul(now, to_inner, out=inner[step])
            old += bias
            new = np.multiply(door[..., :size], old, out=fresh[step])
            new += told_new[:, step]
            np.tanh(new, out=new)
            now = np.subtract(now, new, out=hidden[step])
            now *= door[..., size:]
            now += new
        ctx.seen = state, weight, hidden, doors, inner, fresh
        return torch.from_numpy(hidden), torch.from_numpy(now.copy())

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, ...]:
        """As :meth:`Elman.backward`."""
        state, weight, hidden, doors, inner, fresh = ctx.seen
        above, now = map(array, grads)
        size = state.shape[-1]
        reset, keep = doors[..., :size], doors[..., size:]
        # How much of what reaches the hidden state each gate passes on, for all steps in one go.
        passes = np.empty((*hidden.shape[:-1], 3 * size), hidden.dtype)
        into_reset, into_keep, into_inner = np.split(passes, 3, axis=-1)
        new = (1 - keep) * (1 - fresh**2)
        np.multiply(new, reset, out=into_inner)
        np.multiply(into_inner * inner, 1 - reset, out=into_reset)
        np.multiply(earlier(state, hidden) - fresh, keep * (1 - keep), out=into_keep)
        gates = passes.reshape(*hidden.shape[:-1], 3, size)
        back = turned(weight)
        for step in reversed(range(len(hidden))):
            now = now + above[step]
            new[step] *= now
            gates[step] *= now[:, :, None]
            now *= keep[step]
            now += passes[step] @ back
        passes = by_member(passes)
        told = passes.copy()
        told[..., 2 * size :] = new.swapaxes(0, 1)
        return tensors(told, now, *of_weights(state, hidden, passes))


class Lstm(Function):
    """``c = f c + i g``, ``h = o tanh(c)``; gates in the order i, f, g, o."""

    @staticmethod
    def forward(ctx: Any, *given: Tensor) -> tuple[Tensor, Tensor]:
        """As :meth:`Elman.forward`, with hidden beside cell in the state."""
        told, state, weight, bias = map(array, given)
        size = state.shape[-1] // 2
        now, cell = state[..., :size], state[..., size:]
        gates, hidden, cells = room(told, 4 * size), room(told, size), room(told, size)
        for step in range(len(hidden)):
            gate = np.matmul(now, weight, out=gates[step])
            gate += told[:, step]
            gate += bias
            enter, stay, new, leave = parts(gate)
            sigmoid(gate[..., : 2 * size])
            np.tanh(new, out=new)
            sigmoid(leave)
            cell = np.multiply(stay, cell, out=cells[step])
            cell += enter * new
            now = np.multiply(leave, np.tanh(cell), out=hidden[step])
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
        )  # (T, P, B, G, N)
        for step in reversed(range(len(hidden))):
            now = now + above[step]
            cell = cell + now * into[step]
            passes[step, :, :, :3] *= cell[:, :, None]
            passes[step, :, :, 3] *= now
            now = passes[step].reshape(*now.shape[:-1], -1) @ back
            cell *= stay[step]
        told = by_member(passes.reshape(gates.shape))
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
    """In place."""
    torch.from_numpy(values).sigmoid_()


def room(told: Array, width: int) -> Array:
    """Uninitialised (T, P, B, width) for ``told`` (P, T, B, ...): what belongs to a step lies together."""
    members, length, batch, _ = told.shape
    return np.empty((length, members, batch, width), told.dtype)


def by_member(gates: Array) -> Array:
    """(T, P, B, G N) to (P, T, B, G N)."""
    return np.ascontiguousarray(gates.swapaxes(0, 1))


def parts(gates: Array) -> list[Array]:
    """Gates of an LSTM (..., 4 N) one by one."""
    return np.split(gates, 4, axis=-1)


def turned(weight: Array) -> Array:
    """From gates to hidden, (P, N, G N) to (P, G N, N)."""
    return np.ascontiguousarray(weight.swapaxes(-1, -2))


def earlier(state: Array, values: Array) -> Array:
    """Values (T, P, B, N) a step before, the state (P, B, N) first."""
    return np.concatenate([state[None], values[:-1]])


def of_weights(state: Array, hidden: Array, gates: Array) -> tuple[Array, Array]:
    """Gradients of weight and bias from hidden to gates, given those of the gates (P, T, B, G N)."""
    flat = gates.reshape(len(gates), -1, gates.shape[-1])
    before = by_member(earlier(state, hidden)).reshape(*flat.shape[:-1], -1)
    return before.swapaxes(-1, -2) @ flat, flat.sum(1, keepdims=True)
