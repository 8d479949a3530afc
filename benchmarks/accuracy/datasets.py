"""The data sets: what each file holds, how it is measured, and what others have reached on it.

A new one is a Parquet file and one line here, or no line at all: ``--file`` with ``--horizon``, ``--season`` and
``--frequency``. Nothing here may be a recipe: a line says what the data are, what the operator would know too (time
zone, bounds, covariates), and how the literature cuts them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

Protocol = Literal["official", "rolling", "long_horizon", "online"]
"""``official``: one forecast of each stream, made after its last training reading, against its test part.
``rolling``: an origin every so many steps over the end of each stream, after one training on what came before.
``long_horizon``: an origin each step, errors in units of the training part's standard deviation.
``online``: the same, while the network is trained again on a schedule on what has been seen by then.
"""

FREQUENCIES = {
    "min": "1m", "5min": "5m", "10min": "10m", "15min": "15m", "30min": "30m",
    "h": "1h", "d": "1d", "w": "week", "m": "month", "ms": "month", "month": "month",
}  # fmt: skip
"""How tables of data name a spacing, and how the configuration does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Borders:
    """Where a series is cut, in steps from the beginning.

    Attributes
    ----------
    unit
        Errors are divided by the standard deviation of what lies before it.
    learn
        The first training sees what lies before it.
    test, end
        First target, and the end of the last.
    """

    unit: int
    learn: int
    test: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSet:
    """One line of the benchmark.

    Attributes
    ----------
    name, file
        Name in the results; name of the Parquet file.
    horizon
        H, leads of a forecast.
    frequency
        Spacing of the readings: ``15min``, ``h``, ``D``, ``W``, ``month``, … or as the configuration writes it.
    seasons
        In steps; empty: what the product takes for such steps. The first is that of MASE and the naive forecasts.
    timezone, clock_h
        Where the calendar counts; hours that the clock of the table is ahead of UTC.
    streams, future
        Streams to forecast (empty: all others); streams that are covariates known ahead.
    also
        Files whose streams are trained on and not forecast.
    bounds
        What an operator would say of the quantity.
    scored, every
        Rolling: steps at the end of each stream that are forecast (0: a fifth of it, at most 60 seasons), and steps
        between two origins (0: a season).
    borders
        Long horizon and online.
    leads
        Online: the results are told for the first so many leads each.
    retrain
        Online: steps between two trainings.
    window
        Peers that fit at each origin are shown so many steps; None: all.
    record
        Measures the literature uses, in order; the first decides.
    known
        What others reached, by name; ``mse@24`` is the measure over the first 24 leads.
    reach
        What is aimed at.
    """

    name: str
    file: str
    horizon: int
    frequency: str
    protocol: Protocol
    seasons: tuple[int, ...] = ()
    timezone: str = "UTC"
    clock_h: float = 0.0
    streams: tuple[str, ...] = ()
    future: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    bounds: tuple[float | None, float | None] = (None, None)
    scored: int = 0
    every: int = 0
    borders: Borders | None = None
    leads: tuple[int, ...] = ()
    retrain: int | None = None
    window: int | None = None
    record: tuple[str, ...] = ("mae", "pinball", "coverage80", "coverage95")
    known: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    reach: Mapping[str, float] = field(default_factory=dict)


COMPETITION = ("owa", "smape", "mase", "msis", "coverage80", "coverage95")
HOURS = Borders(unit=8640, learn=8640, test=11520, end=14400)
QUARTERS = Borders(unit=4 * 8640, learn=4 * 8640, test=4 * 11520, end=4 * 14400)
"""Twelve months of thirty days to learn from, four for validation (streamed, not learned from), four of test."""

FSNET = Borders(unit=2880, learn=3600, test=3600, end=14400)
"""The 20:5:75 split of FSNet, whose ETTm1 is the first 14 400 quarters of an hour."""

SEGRNN = {
    "ETTh1": {96: (0.351, 0.392), 192: (0.392, 0.414), 336: (0.423, 0.433), 720: (0.466, 0.472)},
    "ETTm1": {96: (0.293, 0.354), 192: (0.328, 0.378), 336: (0.357, 0.399), 720: (0.410, 0.430)},
}
PATCHTST = {
    "ETTh1": {96: (0.375, 0.404), 192: (0.418, 0.430), 336: (0.462, 0.460), 720: (0.495, 0.497)},
    "ETTm1": {96: (0.300, 0.354), 192: (0.339, 0.377), 336: (0.368, 0.400), 720: (0.420, 0.424)},
}
DLINEAR = {
    "ETTh1": {96: (0.381, 0.407), 192: (0.419, 0.430), 336: (0.454, 0.456), 720: (0.499, 0.512)},
    "ETTm1": {96: (0.307, 0.351), 192: (0.337, 0.370), 336: (0.371, 0.392), 720: (0.416, 0.416)},
}
"""MSE and MAE by horizon: SegRNN, IEEE Internet of Things Journal 2026, Table II, look-back 720, with its rivals."""


def ett(name: str, horizon: int, *, oil_only: bool) -> DataSet:
    """A long-horizon task: all seven channels as streams, or the oil temperature alone."""
    tables = {"SegRNN (a GRU)": SEGRNN, "PatchTST": PATCHTST, "DLinear": DLINEAR}
    known = {who: dict(zip(("mse", "mae"), table[name][horizon], strict=True)) for who, table in tables.items()}
    slack = 1.0 if horizon <= 192 else 1.03
    return DataSet(
        name=f"{name}_{'OT_' if oil_only else ''}{horizon}",
        file=f"{name}.parquet",
        horizon=horizon,
        frequency="h" if name == "ETTh1" else "15min",
        protocol="long_horizon",
        streams=("OT",) if oil_only else (),
        borders=HOURS if name == "ETTh1" else QUARTERS,
        record=("mse", "mae", "coverage80", "coverage95", "width80"),
        known={} if oil_only else known,
        reach={} if oil_only else {"mse": round(slack * SEGRNN[name][horizon][0], 4)},
    )


def vic(name: str, future: tuple[str, ...]) -> DataSet:
    """Half-hourly demand of a state over 2014, with the temperature that came, or without."""
    return DataSet(
        name=name,
        file="vic_elec.parquet",
        horizon=48,
        frequency="30min",
        protocol="rolling",
        timezone="Australia/Melbourne",
        streams=("Demand",),
        future=future,
        scored=365 * 48,
        every=48,
        window=8 * 7 * 48,
        record=("mae", "pinball", "coverage80", "coverage95", "width80"),
    )


def rolling(name: str, horizon: int, frequency: str, timezone: str = "UTC") -> DataSet:
    """All streams of a file as an operator would find them: nothing said but the step and the time zone."""
    return DataSet(
        name=name,
        file=f"{name}.parquet",
        horizon=horizon,
        frequency=frequency,
        protocol="rolling",
        timezone=timezone,
        window=1344,
        record=("mase", "smape", "mae", "pinball", "coverage80", "coverage95", "skill"),
    )


DATASETS = (
    DataSet(
        name="m4_hourly",
        file="m4_hourly.parquet",
        horizon=48,
        frequency="h",
        protocol="official",
        record=COMPETITION,
        known={
            "Naive2 (official)": {"smape": 18.383, "mase": 2.395, "owa": 1.0},
            "seasonal naive (official)": {"smape": 13.912, "mase": 1.193, "owa": 0.627},
            "CARD, best of 61 hourly": {"smape": 8.913, "mase": 0.801, "owa": 0.410},
            "ES-RNN, winner of the M4": {"smape": 9.328, "mase": 0.893, "owa": 0.440, "msis": 7.928},
            "MSTL": {"smape": 13.763, "mase": 1.102, "owa": 0.6045},
            "NHITS": {"smape": 13.189, "mase": 1.180, "owa": 0.605},
            "NeuralForecast GRU": {"smape": 14.422, "mase": 1.361, "owa": 0.677},
        },
        reach={"owa": 0.395, "msis": 7.93},
    ),
    DataSet(
        name="m3_monthly",
        file="m3_monthly.parquet",
        horizon=18,
        frequency="month",
        protocol="official",
        record=COMPETITION,
        known={
            "AutoETS": {"smape": 14.160, "mase": 0.863, "owa": 0.838},
            "DynamicOptimizedTheta": {"smape": 13.725, "mase": 0.850, "owa": 0.8188},
            "mean of the two": {"smape": 13.586, "mase": 0.840, "owa": 0.8098},
            "NHITS": {"smape": 13.993, "mase": 0.879, "owa": 0.840},
            "NeuralForecast GRU": {"smape": 15.819, "mase": 1.101, "owa": 1.002},
        },
        reach={"owa": 0.785},
    ),
    DataSet(
        name="m4_monthly_200",
        file="m4_monthly_200.parquet",
        horizon=18,
        frequency="month",
        protocol="official",
        also=("m4_monthly_short_trainonly.parquet",),
        record=COMPETITION,
        known={
            "MSTL": {"smape": 12.802, "mase": 0.972, "owa": 0.8641},
            "DynamicOptimizedTheta": {"smape": 13.182, "mase": 1.065, "owa": 0.9175},
            "AutoETS": {"smape": 13.586, "mase": 1.037, "owa": 0.919},
            "mean of AutoETS and Theta": {"smape": 13.132, "mase": 1.021, "owa": 0.897},
        },
        reach={"owa": 0.850},
    ),
    DataSet(
        name="tourism_monthly",
        file="tourism_monthly.parquet",
        horizon=24,
        frequency="month",
        protocol="official",
        record=("mape", "mase", "smape", "msis", "coverage80", "coverage95"),
        known={
            "N-BEATS-G": {"mape": 19.17},
            "ForePro": {"mape": 19.91},
            "ARIMA": {"mape": 21.13},
            "ETS": {"mape": 21.15},
            "Theta": {"mape": 22.11},
            "seasonal naive": {"mape": 22.56},
        },
        reach={"mape": 18.8},
    ),
    DataSet(
        name="sgsc_households_hourly",
        file="sgsc_households_hourly.parquet",
        horizon=24,
        frequency="h",
        protocol="rolling",
        timezone="Australia/Sydney",
        clock_h=10,
        bounds=(0, None),
        scored=60 * 24,
        every=24,
        window=8 * 168,
        record=("mae", "pinball", "coverage80", "coverage95", "width80", "skill"),
        known={
            "28-day climatology": {"mae": 0.2459, "pinball": 0.0850, "coverage80": 0.75},
            "a quick GRU": {"mae": 0.2391, "pinball": 0.0830},
        },
        reach={"mae": 0.236, "pinball": 0.0815},
    ),
    rolling("monthly_energy_classics", 18, "month"),
    rolling("uci_household_daily", 14, "D"),
    rolling("emhass_household_30min", 48, "30min"),
    vic("vic_elec", ("Temperature",)),
    vic("vic_elec_without_temperature", ()),
    *(ett(name, horizon, oil_only=False) for name in ("ETTh1", "ETTm1") for horizon in (96, 192, 336, 720)),
    *(ett(name, horizon, oil_only=True) for name in ("ETTh1", "ETTm1") for horizon in (96, 192, 336, 720)),
    DataSet(
        name="ETTm1_online",
        file="ETTm1.parquet",
        horizon=48,
        frequency="15min",
        protocol="online",
        borders=FSNET,
        leads=(1, 24, 48),
        retrain=672,
        record=("mse", "mae", "coverage80", "coverage95"),
        known={
            "persistence": {"mse@1": 0.091, "mse@24": 0.579, "mse@48": 0.935},
            "seasonal naive": {"mse@1": 0.881, "mse@24": 0.883, "mse@48": 0.884},
            "prototype": {"mse@1": 0.078, "mse@24": 0.292, "mse@48": 0.402},
        },
        reach={"mse@1": 0.078, "mse@24": 0.292, "mse@48": 0.402},
    ),
)  # fmt: skip
"""In the order in which they run."""


def chosen(names: list[str]) -> tuple[DataSet, ...]:
    """The data sets of these names; a name stands for all that begin with it and ``_`` when none has just this name.

    Raises
    ------
    KeyError
        Naming what exists.
    """
    found: list[DataSet] = []
    for name in names:
        exact = [one for one in DATASETS if one.name == name]
        fitting = exact or [one for one in DATASETS if one.name.startswith(f"{name}_")]
        if not fitting:
            raise KeyError(f"no data set {name}; there are {', '.join(one.name for one in DATASETS)}")
        found += fitting
    return tuple({one.name: one for one in found}.values()) if names else DATASETS


def of_file(path: Path, horizon: int, frequency: str, seasons: tuple[int, ...], timezone: str) -> DataSet:
    """The line of a file that has none."""
    line = rolling(path.stem, horizon, frequency, timezone)
    return replace(line, file=path.name, seasons=seasons, protocol="official" if has_split(path) else "rolling")


def has_split(path: Path) -> bool:
    """Whether a file has a test part."""
    from pyarrow.parquet import read_schema

    return "split" in read_schema(path).names
