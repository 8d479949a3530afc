"""The seeds of the idea: what a small recurrent network must be able to do, from one sine to a household over years."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from worlds import serving, trained

from forecaster.inputs import Dataset
from forecaster.nets.baseline import SeasonalNaive
from forecaster.nets.recurrent import Recurrent
from forecaster.nets.walk import inputs_at
from forecaster.ports import Predictor
from forecaster.records import Array
from forecaster.settings import Group, Network, Source, Step


class Reader(nn.Module):
    """A recurrent cell with one input and one output."""

    def __init__(self, cell: str, hidden: int) -> None:
        super().__init__()
        self.recurrent = Recurrent(cell, inputs=1, hidden=hidden)
        self.out = nn.Linear(hidden, 1)

    def forward(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T) to (B, T), one value for each."""
        hidden, state = self.recurrent(x[None, ..., None], state)
        return self.out(hidden[0])[..., 0], state


def follow(reader: Reader, windows: list[tuple[Tensor, Tensor]], rate: float) -> tuple[Tensor, list[float]]:
    """Learn window by window, the state carried and detached; the last state, and the error of each window."""
    optimizer = torch.optim.Adam(reader.parameters(), lr=rate)
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, len(windows), eta_min=rate / 100)
    state = reader.recurrent.initial_state(1)
    errors = []
    for x, y in windows:
        said, state = reader(x, state.detach())
        loss = nn.functional.mse_loss(said, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        falling.step()
        errors.append(loss.item())
    return state.detach(), errors


def test_elman_predicts_next_value_of_a_sine() -> None:
    """Six context units, fed one value at a time, the context carried on: the next value, on unseen periods."""
    torch.manual_seed(0)
    wave = torch.sin(torch.arange(20 * 600 + 101) * 2 * torch.pi / 20)[None]  # twenty points a period
    learn = [(wave[:, at : at + 20], wave[:, at + 1 : at + 21]) for at in range(0, 20 * 600, 20)]
    reader = Reader("elman", hidden=6)
    state, _ = follow(reader, learn, rate=0.02)

    said = []
    with torch.no_grad():
        for value in wave[0, 20 * 600 : -1]:
            out, state = reader(value.reshape(1, 1), state)
            said.append(out.item())

    assert np.mean((np.array(said) - wave[0, 20 * 600 + 1 :].numpy()) ** 2) < 1e-3


def test_elman_turns_sine_into_cosine() -> None:
    """Half periods of ten points, state carried across them: below 4.4e-4 within 1000 updates, and on what follows."""
    torch.manual_seed(0)
    angles = [torch.linspace(float(k * np.pi), float((k + 1) * np.pi), 10)[None] for k in range(1001)]
    *learn, (x, y) = [(torch.sin(angle), torch.cos(angle)) for angle in angles]
    reader = Reader("elman", hidden=32)
    state, errors = follow(reader, learn, rate=0.02)

    with torch.no_grad():
        said, _ = reader(x, state)

    assert errors[-1] < 4.4e-4
    assert nn.functional.mse_loss(said, y).item() < 4.4e-4


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def by_hand(cell: str, weights: dict[str, Array], x: Array, state: Array) -> tuple[Array, Array]:
    """One step by the textbook, gates written out: output and new state."""
    from_x = x @ weights["inward_0"] + weights["bias_0"][0]
    hidden = state[: len(state) // 2] if cell == "lstm" else state
    from_h = hidden @ weights["again_0"] + weights["bias_again_0"][0]
    if cell == "elman":
        after = np.tanh(from_x + from_h)
        return after, after
    if cell == "gru":
        (xr, xz, xn), (hr, hz, hn) = np.split(from_x, 3), np.split(from_h, 3)
        reset, update = sigmoid(xr + hr), sigmoid(xz + hz)
        new = np.tanh(xn + reset * hn)
        after = (1 - update) * new + update * hidden
        return after, after
    gate_in, forget, new, gate_out = np.split(from_x + from_h, 4)
    memory = sigmoid(forget) * state[len(state) // 2 :] + sigmoid(gate_in) * np.tanh(new)
    after = sigmoid(gate_out) * np.tanh(memory)
    return after, np.concatenate([after, memory])


@pytest.mark.parametrize("cell", ["elman", "gru", "lstm"])
def test_cells_agree_with_textbook(cell: str) -> None:
    """Elman, GRU and LSTM step as their equations say, to 1e-6, and carry their state as one tensor."""
    torch.manual_seed(0)
    recurrent = Recurrent(cell, inputs=3, hidden=5).double()
    weights = {name: weight.detach().numpy()[0] for name, weight in recurrent.named_parameters()}
    sequence = torch.randn(1, 1, 7, 3, dtype=torch.float64)

    out, state = recurrent(sequence, recurrent.initial_state(1).double())

    carried = np.zeros(recurrent.width)
    for step in range(7):
        expected, carried = by_hand(cell, weights, sequence[0, 0, step].numpy(), carried)
        np.testing.assert_allclose(out[0, 0, step].detach().numpy(), expected, atol=1e-6)
    np.testing.assert_allclose(state[0, 0, 0].detach().numpy(), carried, atol=1e-6)


@pytest.mark.timeout(300)  # a minute of training, more on a busy machine
def test_ten_twenty_thirty_forty() -> None:
    """Trained on 10 … 90, asked with 70, 80, 90, it says 100; and along the way, after each step, the next."""
    group = Group(
        name="tens",
        sources=(Source(topic="tens"),),
        step=Step(unit="day", count=1, text="1d"),
        horizon=1,
        lookback=3,
        network=Network(hidden=16, members=1),
    )
    tens = np.arange(10.0, 100.0, 10.0)
    calendar, shift = np.zeros((10, 0), np.float32), np.zeros(10, np.int64)
    data = Dataset(streams=("tens",), values=tens[None, None], calendar=calendar, shift=shift, roles=("target",))

    predictor = serving(trained(data, group, updates=3000), group)

    state = predictor.initial_state(1)
    said = []
    for origin in range(9):
        state, quantiles = predictor.step(state, inputs_at(data, origin, group))
        said.append(quantiles[0, 0, 2])
    np.testing.assert_allclose(said[2:], [40, 50, 60, 70, 80, 90, 100], atol=1)  # many to many
    _, quantiles = predictor.step(predictor.initial_state(1), inputs_at(data, 8, group))
    assert quantiles[0, 0, 2] == pytest.approx(100, abs=1)  # many to one, nothing remembered


def households(streams: int, months: int, falls: Array) -> Array:
    """Energy by the month with appliances, efficiency and people beside it, (S, 4, months).

    A yearly wave, a rising trend, and a sudden fall when someone moves out in the month ``falls`` of each home.
    """
    random = np.random.default_rng(0)
    month = np.arange(months)
    people = random.integers(2, 6, (streams, 1)) - (month >= falls[:, None])
    appliances = 8 + random.integers(0, 5, (streams, 1)) + month // 24
    efficiency = random.uniform(0.7, 1.0, (streams, 1)) + 0 * month
    wave = 1 + 0.3 * np.cos(2 * np.pi * month / 12)
    need = (40 + 60 * people + 10 * appliances) / efficiency * wave * (1 + 0.002 * month)
    energy = need * random.normal(1, 0.02, (streams, months))
    return np.stack(np.broadcast_arrays(energy, appliances, efficiency, people), axis=1)


def monthly_group(covariates: int) -> Group:
    """Twelve months ahead, stacked layers."""
    known = tuple(Source(topic=f"known{index}/{{home}}", role="future") for index in range(covariates))
    return Group(
        name="years",
        sources=(Source(topic="energy/{home}"), *known),
        step=Step(unit="month", count=1, text="month"),
        horizon=12,
        seasons=(12,),
        calendar=("month",),
        lookback=36,
        network=Network(cell="gru", layers=2, hidden=24, members=1),
    )


@pytest.mark.timeout(300)  # a minute of training, more on a busy machine
def test_household_over_years_when_someone_moves_out() -> None:
    """Told of people, appliances and efficiency, stacked layers foresee the year after the fall; else they cannot."""
    months, streams = 120, 24
    falls = np.random.default_rng(1).integers(24, 90, streams)
    falls[:6] = 107  # these move out when the training is long over
    values = households(streams, months, falls)
    angle = 2 * np.pi * np.arange(months + 12) / 12
    calendar = np.stack([np.sin(angle), np.cos(angle)], axis=-1).astype(np.float32)
    shift = np.zeros(months + 12, np.int64)
    names = tuple(f"home{index}" for index in range(streams))

    def error(covariates: int) -> tuple[float, float]:
        """MAE over the year after the fall of the network and of seasonal naive."""
        group = monthly_group(covariates)
        roles = group.channels
        shown = values[:, : 1 + covariates]
        past = Dataset(streams=names, values=shown[..., :107], calendar=calendar[:119], shift=shift[:119], roles=roles)
        after = Dataset(streams=names, values=shown, calendar=calendar, shift=shift, roles=roles)
        network = serving(trained(past, group, updates=600), group)
        return mae_after(network, after, group), mae_after(SeasonalNaive(group), after, group)

    def mae_after(predictor: Predictor, data: Dataset, group: Group) -> float:
        state = predictor.initial_state(streams)
        for origin in range(106 - predictor.warmup, 107):
            state, quantiles = predictor.step(state, inputs_at(data, origin, group))
        return float(np.abs(data.values[:6, 0, 107:119] - quantiles[:6, :, 2]).mean())

    told, naive = error(3)
    untold, _ = error(0)

    assert told < 0.5 * untold
    assert told < 0.5 * naive
