"""docker-compose.yml holds against Compose's schema, the settings models, and what its secrets are to protect."""

from __future__ import annotations

import copy
import hashlib
import json
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
import yaml
from jsonschema_rs import validator_for

from consumer.settings import OTHER_COMMANDS, ConsumerSettings
from dashboard.settings import OTHER_COMMANDS as OTHER_THAN_DASHBOARD
from dashboard.settings import DashboardEnvironment
from shared.settings import CONFIG_VARIABLE, PREFIX, leaf_names, load_settings, variable

if TYPE_CHECKING:
    from shared.settings import Settings

ROOT: Final = Path(__file__).parents[2]
SPEC: Final = Path(__file__).with_name("compose_spec")
FILE: Final[dict[str, Any]] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: Final[dict[str, dict[str, Any]]] = FILE["services"]
VALIDATOR: Final = validator_for(json.loads((SPEC / "compose-spec.json").read_text(encoding="utf-8")))
WITH_DEFAULT: Final = re.compile(r"\$\{\w+:-([^}]*)\}")
WITH_SETTINGS: Final = [
    name for name, one in SERVICES.items() if any(key.startswith(PREFIX) for key in one.get("environment", ()))
]
ENDING: Final = {"topics", "demo-model", "train"}
"""Services that do their work and end."""

MODELS: Final[dict[str, tuple[type[Settings], tuple[str, ...]]]] = {
    "consumer-cpu": (ConsumerSettings, OTHER_COMMANDS),
    "consumer-cuda": (ConsumerSettings, OTHER_COMMANDS),
    "dashboard": (DashboardEnvironment, OTHER_THAN_DASHBOARD),
}


def test_the_vendored_schema_is_whole() -> None:
    """Given the schema and its licence, when they are hashed, then the digests are those of their release."""
    for line in (SPEC / "SHA256SUMS").read_text().splitlines():
        digest, name = line.split()
        assert hashlib.sha256((SPEC / name).read_bytes()).hexdigest() == digest


def test_the_file_has_the_schema() -> None:
    """Given the file, when the schema of Compose reads it, then it holds; with a misspelt key it does not."""
    assert [f"{list(one.instance_path)}: {one.message}" for one in VALIDATOR.iter_errors(FILE)] == []
    wrong = copy.deepcopy(FILE)
    wrong["services"]["consumer"]["read-only"] = True
    assert not VALIDATOR.is_valid(wrong)


@pytest.mark.parametrize("service", WITH_SETTINGS)
def test_variables_are_settings(service: str, tmp_path: Path) -> None:
    """Given the variables of a service, when its program loads them with its secrets, then each is a setting."""
    given = SERVICES[service]["environment"]
    variables = {name: _resolved(value) for name, value in given.items() if name.startswith(PREFIX)}
    model, others = MODELS[SERVICES[service]["build"]["target"]]
    assert set(variables) - {CONFIG_VARIABLE} <= {variable(name) for name in leaf_names(model)}
    file = None
    if CONFIG_VARIABLE in variables:
        file = _secrets(tmp_path) / Path(variables[CONFIG_VARIABLE]).name
    load_settings(model, flags={}, environ=variables, file=file, others=others)


def test_secrets_are_those_that_the_script_writes(tmp_path: Path) -> None:
    """Given the script, when it has run, then each secret is there, random, and mounted where settings look."""
    first, second = _secrets(tmp_path / "1"), _secrets(tmp_path / "2")
    assert first.stat().st_mode & 0o077 == 0
    for name, one in FILE["secrets"].items():
        if name != "pip":
            file = one["file"].rpartition("/")[2]
            assert (first / file).read_text() != (second / file).read_text()
            assert (first / file).stat().st_mode & 0o044 == 0o044
    for service in SERVICES.values():
        if config := service.get("environment", {}).get(CONFIG_VARIABLE):
            assert config in {f"/run/secrets/{one['target']}" for one in service["secrets"]}


def test_ports_are_of_this_machine_only() -> None:
    """Given the published ports, when their addresses are read, then all are loopback."""
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert len(ports) >= 5
    assert all(port.startswith("127.0.0.1:") for port in ports)


@pytest.mark.parametrize("service", SERVICES)
def test_services_have_no_rights_to_spare(service: str) -> None:
    """Given a service, when its rights are read, then it has no capability, and all but Kafka a read-only root."""
    found = SERVICES[service]
    assert found["cap_drop"] == ["ALL"]
    assert found["security_opt"] == ["no-new-privileges:true"]
    assert found.get("read_only", False) == (service != "kafka")


@pytest.mark.parametrize("service", sorted(set(SERVICES) - ENDING - {"demo-texts"}))
def test_services_say_whether_they_are_healthy(service: str) -> None:
    """Given a service that goes on, when its check is looked for, then it is in the file or in its image."""
    found = SERVICES[service]
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    stages = {part.splitlines()[0].split()[-1]: part for part in dockerfile.split("\nFROM ")[1:]}
    assert "healthcheck" in found or "\nHEALTHCHECK " in stages[found["build"]["target"]]


def test_models_are_read_only_but_where_they_are_made() -> None:
    """Given the mounts of models, when their modes are read, then only what makes models may write."""
    mounts = {
        name: mount
        for name, service in SERVICES.items()
        for mount in service.get("volumes", [])
        if ":/models" in mount
    }
    assert {name for name, mount in mounts.items() if not mount.endswith(":ro")} == {"demo-model", "train"}
    assert {"consumer", "consumer-gpu", "dashboard"} < set(mounts)


def _resolved(value: str) -> str:
    return WITH_DEFAULT.sub(r"\1", value)


def _secrets(folder: Path) -> Path:
    subprocess.run(["sh", str(ROOT / "deploy/compose/secrets.sh"), str(folder / "secrets")], check=True)
    return folder / "secrets"
