"""What the operator writes becomes settings, or every mistake is told with its line, key and remedy."""

from __future__ import annotations

import re
from math import inf
from pathlib import Path

import jsonschema
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from written import SMALL, settings, small, told

from forecaster.config import load, problems, schema
from forecaster.configuration import reference
from forecaster.configuration.document import OVERRIDE
from forecaster.errors import ConfigurationError
from forecaster.settings import Group, Http, Mqtt, Network, Publish, Schedule, Settings, Source, Step, Training

ROOT = Path(__file__).parent.parent
CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))

DESIGN = """
mqtt:
  url: mqtts://broker.home:8883          # mqtt:// without TLS
  username: forecaster
  password_file: /run/secrets/mqtt       # or password: ${MQTT_PASSWORD:?set it}
data: /data                              # journal, history, snapshots, models
groups:
  household:
    streams:
      - topic: home/{home}/{meter}/energy    # captures name the stream and label it
        value: $.ENERGY.Total                # omit when the payload is a bare number
        time: $.Time                         # omit to use arrival time
        kind: meter                          # gauge | amount | meter (cumulative)
        unit: kWh
    step: 1h                             # 1s … 1d, week, month; calendar-aware
    timezone: Europe/Paris
    horizon: 48                          # leads
    retrain: {cron: "0 3 * * *"}
    # network: {cell: gru, layers: 2, hidden: 64}; levels: [0.025, 0.1, 0.5, 0.9, 0.975]; season: [24, 168]
    # lateness: 2m; bounds: [0, null]; covariates: [hour, weekday, {topic: weather/{home}/temperature, known: future}]
publish: {prefix: forecaster}            # forecaster/household/<home>/<meter>/forecast
http: {listen: 127.0.0.1:8080}
"""


def test_example_of_the_design_becomes_settings(tmp_path: Path) -> None:
    """The example every document shows loads as it stands, with all its defaults filled in."""
    secret = tmp_path / "mqtt"
    secret.write_text("s3cret\n")

    found = settings(tmp_path, DESIGN, {"FORECASTER__MQTT__PASSWORD_FILE": str(secret)})

    assert found == Settings(
        mqtt=Mqtt(url="mqtts://broker.home:8883", username="forecaster", password="s3cret"),
        data=Path("/data"),
        groups=(
            Group(
                name="household",
                sources=(
                    Source(
                        topic="home/{home}/{meter}/energy",
                        value="$.ENERGY.Total",
                        time="$.Time",
                        time_zone="Europe/Paris",
                        kind="meter",
                        aggregate="sum",
                        unit="kWh",
                    ),
                ),
                step=Step(unit="second", count=3600, text="1h"),
                timezone="Europe/Paris",
                horizon=48,
                bounds=(0.0, None),
                levels=(0.025, 0.1, 0.5, 0.9, 0.975),
                seasons=(24, 168),
                calendar=("hour", "weekday"),
                lateness_s=120.0,
                lookback=672,
                training=Training(schedule=Schedule(cron="0 3 * * *", every_s=None)),
            ),
        ),
        publish=Publish(prefix="forecaster"),
        http=Http(host="127.0.0.1", port=8080),
    )


def test_example_of_the_design_loads_with_its_commented_keys(tmp_path: Path) -> None:
    """Captures inside braces need no quotes, although YAML alone would not read them."""
    lines = []
    for line in DESIGN.splitlines():
        comment = re.fullmatch(r"( +)# (.*; .*)", line)
        lines += [line] if comment is None else [comment[1] + key for key in comment[2].split("; ")]
    secret = tmp_path / "mqtt"
    secret.write_text("s3cret\n")

    group = settings(tmp_path, "\n".join(lines), {"FORECASTER__MQTT__PASSWORD_FILE": str(secret)}).groups[0]

    assert group.network == Network(cell="gru", layers=2, hidden=64)
    assert group.bounds == (0.0, None)
    assert group.covariates == (Source(topic="weather/{home}/temperature", time_zone="Europe/Paris", role="future"),)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_shipped_files_work_as_they_stand(path: Path) -> None:
    """Nothing has to be set or created before a shipped file loads, and it fits the published schema."""
    assert problems(path, {}) == []
    assert load(path, {}).mqtt.url == "mqtt://127.0.0.1:1883"
    assert load(path, {"MQTT_HOST": "broker", "MQTT_URL": "mqtt://broker"}).mqtt.url == "mqtt://broker:1883"


def test_reference_file_shows_every_key_and_all_of_them_work(tmp_path: Path) -> None:
    """household.yaml with all its commented keys switched on loads, and no key is missing from it."""
    lines = (ROOT / "configs" / "household.yaml").read_text().splitlines()
    on = [re.sub(r"^(\s*)# (\s*(?:- |[a-z_]+:))", r"\1\2", line) for line in lines]
    files = {}
    for name in ("password", "ca", "cert", "key"):
        (tmp_path / name).write_text("secret")
        files[f"{OVERRIDE}MQTT__{name}_FILE"] = str(tmp_path / name)
    content = "\n".join(on)

    found = settings(tmp_path, content, {**files, f"{OVERRIDE}MQTT__URL": "mqtts://broker"})

    assert found.mqtt.key_file == tmp_path / "key"
    keys = {key.replace("[]", "").split(".")[-1] for key, *_ in reference.rows(schema())}
    shown = set(re.findall(r"[{\s]([a-z_]+):", content))
    assert keys - shown == {"password", "every"} - shown


def test_documentation_holds_the_table_of_all_keys() -> None:
    """The table is printed from the models; after a change: ``python -m forecaster.configuration.reference``."""
    assert reference.table() in (ROOT / "docs" / "configuration.md").read_text()


def test_schema_accepts_the_shipped_files_and_refuses_a_wrong_key() -> None:
    """Editors that know the JSON Schema agree with the daemon."""
    jsonschema.Draft202012Validator.check_schema(schema())
    household = yaml.safe_load((ROOT / "configs" / "household.yaml").read_text())
    jsonschema.validate(household, schema())
    household["groups"]["household"]["stpe"] = "1h"
    with pytest.raises(jsonschema.ValidationError, match="stpe"):
        jsonschema.validate(household, schema())


@pytest.mark.parametrize(
    ("step", "seasons", "horizon", "lookback", "calendar", "lateness_s"),
    [
        ("10s", (), 12, 128, (), 1.0),
        ("1m", (1440,), 288, 2880, ("hour", "weekday"), 6.0),
        ("15m", (96, 672), 96, 1344, ("hour", "weekday"), 90.0),
        ("1h", (24, 168), 24, 672, ("hour", "weekday"), 120.0),
        ("1d", (7,), 7, 196, ("weekday",), 120.0),
        ("week", (52,), 52, 1344, ("yearday",), 120.0),
        ("month", (12,), 12, 336, ("month",), 120.0),
    ],
)
def test_step_decides_the_defaults(
    tmp_path: Path,
    step: str,
    seasons: tuple[int, ...],
    horizon: int,
    lookback: int,
    calendar: tuple[str, ...],
    lateness_s: float,
) -> None:
    """Seasons, horizon, lookback, calendar and lateness follow from the step."""
    group = small(tmp_path, step=step)
    found = (group.seasons, group.horizon, group.lookback, group.calendar, group.lateness_s)
    assert found == (seasons, horizon, lookback, calendar, lateness_s)


def test_explicit_emptiness_is_not_a_default(tmp_path: Path) -> None:
    """``[]`` means none, where leaving a key out means what suits the step; no lateness is possible."""
    group = small(tmp_path, "season: [], covariates: [], lateness: 0s")
    assert (group.seasons, group.calendar, group.lateness_s, group.horizon) == ((), (), 0.0, 12)


def test_key_without_a_value_stands_at_its_default(tmp_path: Path) -> None:
    """A section whose keys are all commented out is as good as none."""
    found = settings(tmp_path, SMALL + "publish:\nlog: {level:}\nmetrics:\n  # per_stream: [home]\n")
    assert found == settings(tmp_path, SMALL)


def test_kind_decides_how_readings_become_a_step(tmp_path: Path) -> None:
    """A level is averaged, amounts and meters are summed; a static value is the last one said."""
    kinds = {kind: small(tmp_path, stream=f"topic: a, kind: {kind}") for kind in ("gauge", "amount", "meter")}
    static = small(tmp_path, "covariates: [{topic: size, known: static}]").covariates[0]
    found = {kind: group.sources[0].aggregate for kind, group in kinds.items()}
    assert (found, static.aggregate) == ({"gauge": "mean", "amount": "sum", "meter": "sum"}, "last")


@pytest.mark.parametrize(
    ("retrain", "schedule"),
    [
        ("{}", Schedule(every_s=86_400.0)),
        ("{every: 2w, jitter: 5m}", Schedule(every_s=1_209_600.0, jitter_s=300.0)),
        ("{every: never}", Schedule(every_s=None)),
        ('{cron: "15 2 * * 1,7"}', Schedule(cron="15 2 * * sun,mon", every_s=None)),
        ('{start_from: "2026-07-01T03:00"}', Schedule(every_s=86_400.0, start_from="2026-07-01T03:00:00+02:00")),
        ("{start_from: 2026-07-01T03:00:00Z}", Schedule(every_s=86_400.0, start_from="2026-07-01T03:00:00+00:00")),
    ],
)
def test_retraining_is_by_cron_or_by_age(tmp_path: Path, retrain: str, schedule: Schedule) -> None:
    """Weekdays become names, times without an offset are the group's; the default is daily."""
    group = small(tmp_path, f"timezone: Europe/Paris, retrain: {retrain}")
    assert group.training.schedule == schedule


@pytest.mark.parametrize(
    ("retrain", "seconds"), [("{every: 2w}", 302_400.0), ("{every: 1h}", 3600.0), ('{cron: "0 3 * * *"}', 21_600.0)]
)
def test_a_model_is_kept_for_a_quarter_of_the_interval_though_its_errors_rise(
    tmp_path: Path, retrain: str, seconds: float
) -> None:
    assert small(tmp_path, f"retrain: {retrain}").training.schedule.cool_down_s == seconds


def test_a_model_trained_by_hand_is_kept_however_its_errors_rise(tmp_path: Path) -> None:
    assert small(tmp_path, "retrain: {every: never}").training.schedule.cool_down_s == inf


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    """Mistakes of all kinds, in the order of their lines, each once; load says the same as problems."""
    content = """mqtt:
  url: broker.home
  keepalive: 60
  prot: 1883
groups:
  household:
    streams:
      - topic: home/{home}/power
        kidn: meter
      - topic: home/{home}/voltage
      - topic: home/{house}/x
        name: "{hose}/x"
    stpe: 1h
    horizon: many
    levels: [0.1, 0.9]
    timezone: Europe/paris
    covariates: [hours, {topic: a, known: futur}]
http: {listen: 8080}
metrics: {per_stream: [houshold]}
horizon: 3
horizon: 4
"""
    assert told(tmp_path, content) == [
        "x.yaml:2: mqtt.url: found 'broker.home'; expected mqtt://host:port, or mqtts://host:port with TLS; "
        "did you mean 'mqtt://broker.home'?",
        "x.yaml:3: mqtt.keepalive: found '60'; expected a duration such as 90s, 2m, 1h, 7d or 2w; did you mean '60s'?",
        "x.yaml:4: mqtt.prot: unknown key; expected one of url, username, password, password_file, client_id, "
        "ca_file, cert_file, key_file, insecure, version, qos, keepalive",
        "x.yaml:6: groups.household.step: missing; expected Length of a step: `1s` … `1d` dividing a day evenly, "
        "`week`, `month`.",
        "x.yaml:9: groups.household.streams[0].kidn: unknown key; did you mean 'kind'?",
        "x.yaml:12: groups.household.streams[2].name: found '{hose}/x'; expected a name made of letters and the "
        "captures of its topic ({house}); did you mean '{house}/x'?",
        "x.yaml:13: groups.household.stpe: unknown key; did you mean 'step'?",
        "x.yaml:14: groups.household.horizon: found 'many'; expected a valid integer",
        "x.yaml:15: groups.household.levels: found [0.1, 0.9]; expected 0.5 among the levels: the median is the "
        "forecast in one number",
        "x.yaml:16: groups.household.timezone: found 'Europe/paris'; expected an IANA time zone such as "
        "Europe/Paris; did you mean 'Europe/Paris'?",
        "x.yaml:17: groups.household.covariates[0]: found 'hours'; expected 'hour', 'weekday', 'month' or 'yearday'; "
        "did you mean 'hour'?",
        "x.yaml:17: groups.household.covariates[1].known: found 'futur'; expected 'past', 'future' or 'static'; "
        "did you mean 'future'?",
        "x.yaml:18: http.listen: found '8080'; expected host:port, such as 127.0.0.1:8080",
        "x.yaml:19: metrics.per_stream[0]: found 'houshold'; expected a group: household; did you mean 'household'?",
        "x.yaml:21: horizon: key given twice, first in line 20; expected it once",
    ]
    path = tmp_path / "x.yaml"
    with pytest.raises(ConfigurationError) as caught:
        load(path, {})
    assert str(caught.value) == "\n".join(map(str, problems(path, {})))


@given(st.text(max_size=60) | st.binary(max_size=60))
def test_any_file_gives_settings_or_problems(tmp_path_factory: pytest.TempPathFactory, content: str | bytes) -> None:
    """Nothing an operator can save makes the check fall over."""
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass"))
    assert problems(path, {})


VALUES = st.recursive(
    st.none() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(["1h", "a/{b}", "$.x", "\0"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=4,
)


@given(st.sampled_from([key for key, *_ in reference.rows(schema())]), VALUES)
def test_any_value_of_any_key_gives_settings_or_problems(
    tmp_path_factory: pytest.TempPathFactory, key: str, value: object
) -> None:
    """Nothing an operator can write behind a known key makes the check fall over, and no problem is unplaced."""
    data: dict = {"mqtt": {"url": "mqtt://b"}, "groups": {"g": {"step": "1h", "streams": [{"topic": "a"}]}}}
    node: object = data
    *above, last = key.replace("<name>", "g").replace("[]", ".0").split(".")
    for part in above:
        if isinstance(node, list):
            node = node[0]
        else:
            assert isinstance(node, dict)
            node = node.setdefault(part, [{}] if part == "covariates" else {})
    assert isinstance(node, dict)
    node[last] = value
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_text(yaml.safe_dump(data), encoding="utf-8")

    found = problems(path, {})

    assert found or load(path, {})
    assert all(problem.file == str(path) for problem in found)
