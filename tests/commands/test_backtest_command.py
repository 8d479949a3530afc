"""``forecaster backtest`` and ``replay``: the service's own engine on past data."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from forecaster.adapters.registry import FileModelRegistry
from forecaster.backtest import Tally, backtest
from forecaster.cli import main
from forecaster.errors import BadInput
from forecaster.inputs import Dataset
from forecaster.ports import Columns
from forecaster.records import Series, Verified
from forecaster.testing import a_card, a_group, a_source, at

HOUR_MS = 3_600_000
CONFIGURATION = """
mqtt: {url: mqtt://127.0.0.1:1}
data: %s
groups:
  household:
    streams: [{topic: "home/{home}/energy", value: $.value, time: $.time, kind: amount, unit: kWh}]
    step: 1h
    horizon: 6
    season: [24]
    lookback: 72
"""


def written(tmp_path: Path, hours: int = 24 * 12) -> tuple[Path, Path]:
    """A configuration, and a table of two homes with a daily wave."""
    config, table = tmp_path / "f.yaml", tmp_path / "homes.csv"
    config.write_text(CONFIGURATION % (tmp_path / "data"))
    rows = ["timestamp,a,b"]
    for hour in range(hours):
        wave = 2 + np.sin(2 * np.pi * hour / 24)
        rows.append(f"2026-01-{1 + hour // 24:02}T{hour % 24:02}:00:00Z,{wave:.3f},{3 * wave:.3f}")
    table.write_text("\n".join(rows))
    return config, table


def test_a_table_is_scored_and_written_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A day that repeats itself is forecast without error; the JSON says what the table says."""
    config, table = written(tmp_path)
    json_file = tmp_path / "scores.json"

    code = main(["backtest", str(table), "--config", str(config), "--origins", "48", "--json", str(json_file)])

    told = json.loads(json_file.read_text())
    assert code == 0
    said = capsys.readouterr().out
    assert "household, model naive: 2 streams, 48 origins" in said
    assert "MAE, kWh" in said
    legend = " ".join(said.split())
    assert "skill: how much smaller the MAE is than that of the best naive forecast" in legend
    assert "MASE: the MAE over that of it one step ahead" in legend
    assert [score["leads"] for score in told["scores"]] == ["1", "2-4", "5-12", "all"]
    assert told["scores"][-1]["mae"] == pytest.approx(0.0, abs=1e-6)


def test_each_stream_is_scored_the_worst_first(tmp_path: Path) -> None:
    """Of many meters one wants to know which are forecast badly."""
    config, table = written(tmp_path)
    noise = np.random.default_rng(0).normal(size=1000)
    lines = table.read_text().splitlines()
    noisy = [f"{line},{noise[row]:.3f}" for row, line in enumerate(lines[1:])]
    table.write_text("\n".join([f"{lines[0]},c", *noisy]))
    json_file = tmp_path / "scores.json"

    assert main(["backtest", str(table), "--config", str(config), "--origins", "48", "--json", str(json_file)]) == 0

    told = json.loads(json_file.read_text())
    assert sorted(one["stream"] for one in told["each_stream"]) == ["a", "b", "c"]
    assert sum(one["count"] for one in told["each_stream"]) == told["scores"][-1]["count"]
    total = sum(one["count"] * one["mae"] for one in told["each_stream"])
    assert total / told["scores"][-1]["count"] == pytest.approx(told["scores"][-1]["mae"])
    for level, inside in told["scores"][-1]["coverage"].items():
        hits = sum(one["count"] * one["coverage"][level] for one in told["each_stream"])
        assert hits / told["scores"][-1]["count"] == pytest.approx(inside)


def test_the_least_skill_comes_first_and_none_last() -> None:
    """Where the naive forecast has no error there is no skill."""
    tally = Tally(a_group())
    naive = np.array([[2.0] * 3, [3.0] * 3, [0.0] * 3])
    tally.add(verified(["good", "bad", "constant"], np.zeros(3), np.array([1.0, 6.0, 0.0]), naive))

    assert [(one.stream, one.count, one.mae, one.skill) for one in tally.each()[:2]] == [
        ("bad", 3, 6.0, -1.0),
        ("good", 3, 1.0, 0.5),
    ]
    assert np.isnan(tally.each()[2].skill)


def test_each_stream_has_its_own_coverage() -> None:
    """The fraction of all its leads that came true inside each interval; what never came does not count."""
    group = a_group(levels=(0.05, 0.25, 0.5, 0.75, 0.95))
    tally = Tally(group)
    said = replace(
        verified(["calm", "wild"], np.array([0.0, 1.5]), np.zeros(2), np.zeros((2, 3))),
        quantiles=np.broadcast_to(np.array([-2.0, -1.0, 0.0, 1.0, 2.0]), (2, 3, 5)),
    )
    tally.add(said)
    tally.add(replace(said, truth=np.array([1.5, 9.0])))
    tally.add(replace(said, truth=np.array([0.5, np.nan])))

    calm, wild = sorted(tally.each(), key=lambda one: one.stream)
    assert {round(level, 6): inside for level, inside in calm.coverage.items()} == {0.9: 1.0, 0.5: pytest.approx(2 / 3)}
    assert (wild.count, list(wild.coverage.values())) == (6, [0.5, 0.0])


def verified(streams: list[str], truth: np.ndarray, said: np.ndarray, naive: np.ndarray) -> Verified:
    """The same forecast (B,) at all three leads and levels, and naive ones (B, 3)."""
    return Verified(
        group="household",
        streams=streams,
        start_ms=0,
        truth=truth,
        quantiles=np.broadcast_to(said[:, None, None], (len(said), 3, 5)),
        naive=naive,
        anomaly=np.zeros(len(said)),
        over=np.zeros(len(said), bool),
    )


def test_covariates_that_a_table_has_not_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Forecasts without them would be taken for those of the service."""
    config, table = written(tmp_path)
    words = ["backtest", str(table), "--config", str(config), "--origins", "3"]
    assert main(words) == 0
    assert "covariates" not in capsys.readouterr().err

    config.write_text(config.read_text() + "    covariates: [{topic: weather/temperature, known: future}]\n")
    assert main(words) == 0
    said = " ".join(capsys.readouterr().err.split())
    assert "the covariates of the group are not in a table" in said
    assert "'backtest history' knows them" in said


def test_no_origin_at_all_is_refused_with_its_reason(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Not with the advice to give more data."""
    config, table = written(tmp_path)

    assert main(["backtest", str(table), "--config", str(config), "--origins", "0"]) == BadInput.exit_code

    assert "--origins 0: nothing would be scored; give 1 or more" in capsys.readouterr().err


def test_a_table_holds_what_sensors_send(tmp_path: Path) -> None:
    """The stand of a meter, five minutes past each hour, is scored as what was used in each hour."""
    config, table = written(tmp_path)
    config.write_text(config.read_text().replace("kind: amount", "kind: meter, valid: [0, 1000000]"))
    stand, rows = 1000.0, ["timestamp,a", "2026-01-01T00:01:00Z,-1"]
    for hour in range(24 * 12):
        stand += 2 + np.sin(2 * np.pi * hour / 24)
        rows.append(f"2026-01-{1 + hour // 24:02}T{hour % 24:02}:05:00Z,{stand:.6f}")
    table.write_text("\n".join(rows))
    json_file = tmp_path / "scores.json"

    assert main(["backtest", str(table), "--config", str(config), "--origins", "48", "--json", str(json_file)]) == 0

    assert json.loads(json_file.read_text())["scores"][-1]["mae"] == pytest.approx(0.0, abs=0.2)


@pytest.mark.parametrize("topic", ["home/{home}/{meter}/energy", "home/+/energy", "home/{home}/#"])
def test_the_past_of_a_table_is_known_whatever_its_topic_captures(tmp_path: Path, topic: str) -> None:
    """The days before the first origin tell how each day goes, so the first forecast is already right."""
    config, table = written(tmp_path)
    config.write_text(config.read_text().replace("home/{home}/energy", topic))
    json_file = tmp_path / "scores.json"

    assert main(["backtest", str(table), "--config", str(config), "--origins", "12", "--json", str(json_file)]) == 0

    assert json.loads(json_file.read_text())["scores"][-1]["mae"] == pytest.approx(0.0, abs=1e-6)


def test_a_table_of_which_nothing_is_plausible_is_said_to_be_empty(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By its exit code and one line."""
    config, table = written(tmp_path)
    config.write_text(config.read_text().replace("kind: amount", "kind: amount, valid: [100, 200]"))

    assert main(["backtest", str(table), "--config", str(config)]) == BadInput.exit_code

    assert "holds no steps of group 'household' yet" in capsys.readouterr().err


def test_the_bundled_homes_need_no_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The README's command."""
    monkeypatch.chdir(tmp_path)
    assert main(["backtest", "households", "--origins", "3"]) == 0


def test_the_picture_of_a_forecast_is_drawn(tmp_path: Path) -> None:
    """The last forecast whose truth is complete, of the stream asked for."""
    config, table = written(tmp_path)
    pictures = [tmp_path / f"{name}.svg" for name in "ab"]
    words = ["backtest", str(table), "--config", str(config), "--origins", "24"]
    assert main([*words, "--plot", str(pictures[0])]) == 0
    assert main([*words, "--plot", str(pictures[1]), "--stream", "b"]) == 0
    first, second = (picture.read_text() for picture in pictures)
    assert first.startswith("<?xml")
    assert first != second


def test_a_picture_of_a_stream_that_is_not_there_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the names that are."""
    config, table = written(tmp_path)
    assert main(["backtest", str(table), "--config", str(config), "--stream", "c"]) == BadInput.exit_code
    assert "no stream 'c' has been heard of; there are: a, b" in capsys.readouterr().err


@pytest.mark.parametrize(
    "asked", [("--json", "no/x.json"), ("--plot", "no/x.png"), ("--plot", "x.pdf"), ("--json", ".")]
)
def test_what_cannot_be_written_is_refused_before_anything_is_done(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], asked: tuple[str, str]
) -> None:
    """Even before the configuration is read."""
    option, name = asked

    code = main(["backtest", "none.csv", "--config", str(tmp_path / "none.yaml"), option, str(tmp_path / name)])

    assert code == BadInput.exit_code
    assert str(tmp_path / name) in capsys.readouterr().err


def test_a_perfect_forecast_scores_0_at_every_lead_and_one_shifted_by_a_step_does_not() -> None:
    """The first test of any evaluation."""
    group = a_group()

    def scored(shift: int) -> float:
        tally = Tally(group)
        values = np.arange(20.0) ** 2
        for step in range(10, 20):
            tally.add(verified(["a"], values[[step]], values[[step - shift]], np.zeros((1, 3))))
        return max(score.mae for score in tally.scores())

    assert scored(0) == 0.0
    assert scored(1) > 0.0


def test_nothing_after_an_origin_is_known_to_it() -> None:
    """Changing the future changes no forecast made before it."""
    group = a_group(seasons=(24,), lookback=48, sources=(a_source(kind="amount", aggregate="sum"),))
    series = (Series(name="a", source=0, labels=()),)
    starts = at("00:00") + HOUR_MS * np.arange(100)
    values = np.random.default_rng(0).normal(size=100)
    changed = np.where(np.arange(100) >= 90, values + 5, values)

    def fans(values: np.ndarray) -> np.ndarray:
        steps = Columns(series=np.zeros(93, np.int32), start_ms=starts[:93], values=values[:93])
        result = backtest(group, series, steps, int(starts[80]), no_network)
        assert result.fan is not None
        return result.fan.quantiles

    np.testing.assert_array_equal(fans(values), fans(changed))


def no_network(_: Dataset) -> None:
    """Naive forecasts only."""


def test_a_network_that_its_gate_rejects_is_not_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is measured is what would have been published: naive, and it is said why."""
    config, table = written(tmp_path)
    config.write_text(config.read_text() + "    training: {budget: 2s}\n")
    json_file = tmp_path / "scores.json"
    monkeypatch.setattr("forecaster.nets.fit.judge", lambda _: (False, "rejected: no better"))

    assert main(["backtest", str(table), "--config", str(config), "--train", "--json", str(json_file)]) == 0

    assert "rejected: no better" in capsys.readouterr().err
    assert {score["skill"] for score in json.loads(json_file.read_text())["scores"]} <= {0.0, None}


def test_a_model_is_scored_on_what_it_had_not_seen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By default from where it was judged; earlier on request, with a warning."""
    config, table = written(tmp_path)
    card = a_card(promoted=True, judged_from="2026-01-12T00:00:00Z")
    models = FileModelRegistry(tmp_path / "data" / "models")
    models.save("household", {}, card)
    models.promote("household", card.version)

    assert main(["backtest", str(table), "--config", str(config)]) == 0
    told = capsys.readouterr()
    assert "24 origins" in told.out
    assert "flatter" not in told.err

    assert main(["backtest", str(table), "--config", str(config), "--from", "2026-01-11"]) == 0
    told = capsys.readouterr()
    assert "48 origins" in told.out
    assert "flatter" in told.err
