"""What can be said of the image and of compose without an engine to run them."""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from servers import Mosquitto

from forecaster.cli import main
from forecaster.config import load, problems

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
DOCKERFILE = (ROOT / "Dockerfile").read_text()
BROKER = DEPLOY / "mosquitto/mosquitto.conf"
SERVICES: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]


def last_stage() -> dict[str, list[str]]:
    """Arguments of the instructions of the image that is kept, by instruction."""
    found: dict[str, list[str]] = {}
    text = re.sub(r"^#.*\n", "", DOCKERFILE, flags=re.MULTILINE).replace("\\\n", " ")
    for line in text[text.rindex("FROM") :].splitlines():
        if line.strip():
            word, _, rest = line.partition(" ")
            found.setdefault(word, []).append(" ".join(rest.split()))
    return found


def test_the_image_runs_as_nobody_in_particular_and_can_be_asked_how_it_is() -> None:
    """A numeric user, a volume for state, a health check without curl, signals that reach the service."""
    stage = last_stage()

    assert stage["USER"] == ["10001:10001"]
    assert stage["VOLUME"] == ["/data"]
    assert stage["STOPSIGNAL"] == ["SIGTERM"]
    assert stage["ENTRYPOINT"] == ['["forecaster"]']
    assert stage["CMD"] == ['["run"]']
    assert stage["HEALTHCHECK"][0].endswith('CMD ["forecaster", "healthcheck"]')
    assert "--start-period=" in stage["HEALTHCHECK"][0]
    assert "FORECASTER__HTTP__LISTEN=0.0.0.0:8080" in stage["ENV"][0]
    assert stage["EXPOSE"] == ["8080"]


def test_the_image_says_what_it_is() -> None:
    """Licence and version as the package has them."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    label = last_stage()["LABEL"][0]

    assert f'org.opencontainers.image.licenses="{project["license"]}"' in label
    assert f"VERSION={project['version']}" in last_stage()["ARG"]


def test_the_build_sees_only_what_it_copies() -> None:
    """Each file the Dockerfile takes from here is let through .dockerignore, and nothing else is."""
    copied = {
        source
        for line in re.findall(r"^COPY (.*)$", DOCKERFILE, re.MULTILINE)
        if "--from" not in line
        for source in line.split()[:-1]
    }
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}

    assert copied == allowed


def test_compose_mounts_files_that_exist() -> None:
    """Docker makes an empty folder of a path that is missing, and says nothing."""
    mounted = [volume.split(":")[0] for service in SERVICES.values() for volume in service.get("volumes", ())]

    assert [path for path in mounted if path.startswith(".") and not (DEPLOY / path).exists()] == []
    assert (DEPLOY / SERVICES["forecaster"]["build"]["context"] / "Dockerfile").exists()


def test_compose_opens_ports_to_this_machine_only() -> None:
    """Broker and Grafana let anybody in; nobody else may come near."""
    ports = [port for service in SERVICES.values() for port in service.get("ports", ())]

    assert [port for port in ports if not port.startswith("127.0.0.1:")] == []
    assert len(ports) == 4


def test_compose_gives_services_no_more_than_they_need() -> None:
    """No capabilities, no new privileges; the forecaster cannot write but to its volume."""
    for service in SERVICES.values():
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert "image" in service
    assert SERVICES["forecaster"]["read_only"] is True
    assert SERVICES["forecaster"]["tmpfs"] == ["/tmp"]


@pytest.mark.parametrize("name", sorted(path.name for path in (DEPLOY / "config").iterdir()))
def test_configurations_can_be_used(name: str) -> None:
    """Both files are read without complaint, and their streams have curves in Grafana."""
    path, environment = DEPLOY / "config" / name, {"MQTT_URL": "mqtt://mosquitto:1883"}

    assert problems(path, environment) == []
    settings = load(path, environment)
    assert settings.mqtt.url == "mqtt://mosquitto:1883"
    assert settings.metrics.per_stream == tuple(group.name for group in settings.groups)


def test_what_the_demo_publishes_is_what_its_configuration_reads() -> None:
    """``publish`` sends where the demo listens; a command that does not exist would be refused by argparse."""
    command = SERVICES["publish"]["command"]
    group = load(DEPLOY / "config/demo.yaml", {}).groups[0]

    with pytest.raises(SystemExit) as ended:
        main([*command, "--help"], {})
    assert ended.value.code == 0
    assert "--topic" not in command  # the default, home/{stream}/energy with value and time
    assert (group.targets[0].topic, group.targets[0].value, group.targets[0].time) == (
        "home/{home}/energy",
        "$.value",
        "$.time",
    )


def test_the_broker_keeps_what_is_queued() -> None:
    """Each of these lines was a loss of messages before it was there."""
    lines = BROKER.read_text().splitlines()

    assert {"persistence true", "autosave_interval 1", "max_queued_messages 0", "max_inflight_messages 0"} <= set(lines)


@pytest.mark.e2e
def test_the_broker_takes_its_configuration(tmp_path: Path, mosquitto_here: None) -> None:
    """A real mosquitto starts with it, on another port and with another folder."""
    broker = Mosquitto(tmp_path)
    text = BROKER.read_text().replace("listener 1883", f"listener {broker.port} 127.0.0.1")
    text = text.replace("/mosquitto/data/", f"{tmp_path}/")
    (tmp_path / "mosquitto.conf").write_text(f"user root\n{text}" if os.geteuid() == 0 else text)

    broker.start().stop()

    assert (tmp_path / "mosquitto.db").exists()


@pytest.mark.parametrize("script", sorted(DEPLOY.rglob("*.sh")), ids=lambda path: path.name)
def test_scripts_can_be_run(script: Path) -> None:
    """They are executable, and stop at the first error."""
    assert os.access(script, os.X_OK)
    assert "\nset -eu\n" in script.read_text()
