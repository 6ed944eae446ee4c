"""docker-compose.yml and Dockerfile, as far as they can be checked without a container engine.

https://docs.docker.com/reference/compose-file/
"""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from fhir_server.key_file import own_folder
from fhir_server.settings import Settings
from fhir_server.store.embedded.replica_set import REPLICA_SET

_ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    """The compose file, parsed."""
    parsed: dict[str, Any] = yaml.safe_load((_ROOT / "docker-compose.yml").read_text())
    return parsed


@pytest.fixture(scope="module")
def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions: name and arguments, continued lines joined."""
    text = re.sub(r"^#.*\n", "", (_ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    lines = [line for line in text.replace("\\\n", " ").splitlines() if line.strip()]
    return [(line.split(maxsplit=1)[0], line.split(maxsplit=1)[1]) for line in lines]


def _arguments(instructions: list[tuple[str, str]], name: str) -> list[str]:
    return [arguments for instruction, arguments in instructions if instruction == name]


def _environment(compose: dict[str, Any], instructions: list[tuple[str, str]]) -> dict[str, str]:
    pairs = (pair for arguments in _arguments(instructions, "ENV") for pair in shlex.split(arguments))
    image = {name: value for name, _, value in (pair.partition("=") for pair in pairs)}
    given = {**image, **compose["services"]["server"]["environment"]}
    return {name: value for name, value in given.items() if name.startswith("FHIR_")}


def test_it_runs_the_server_and_mongodb_8(compose: dict[str, Any]) -> None:
    """Two services: ours, built here, and the official MongoDB 8."""
    assert set(compose["services"]) == {"server", "mongo"}
    assert compose["services"]["server"]["build"] == "."
    assert re.fullmatch(r"mongo:8\.\d+", compose["services"]["mongo"]["image"])


def test_mongodb_is_reached_by_the_server_only(compose: dict[str, Any]) -> None:
    """No port is published, and the network that both share leads nowhere else."""
    mongo = compose["services"]["mongo"]
    assert "ports" not in mongo
    assert mongo["networks"] == ["records"]
    assert compose["networks"]["records"] == {"internal": True}
    assert "records" in compose["services"]["server"]["networks"]


def test_mongodb_is_a_replica_set_that_makes_itself(compose: dict[str, Any]) -> None:
    """The health check initiates the set under the name that the server's address asks for."""
    mongo = compose["services"]["mongo"]
    name = mongo["command"][mongo["command"].index("--replSet") + 1]
    script = mongo["healthcheck"]["test"][-1]
    assert name == REPLICA_SET
    assert f'rs.initiate({{ _id: "{name}", members: [{{ _id: 0, host: "mongo:27017" }}] }})' in script
    assert "isWritablePrimary" in script
    url = compose["services"]["server"]["environment"]["FHIR_MONGO_URL"]
    assert url == f"mongodb://mongo:27017/?replicaSet={name}"


def test_the_server_waits_until_mongodb_takes_writes(compose: dict[str, Any]) -> None:
    """The order of start follows health, not chance."""
    assert compose["services"]["server"]["depends_on"] == {"mongo": {"condition": "service_healthy"}}


def test_the_records_outlive_the_containers(
    compose: dict[str, Any], instructions: list[tuple[str, str]]
) -> None:
    """Both folders of MongoDB are named volumes, and so is that of the server, with its encryption key."""
    mounts = {
        service: dict(mount.split(":") for mount in compose["services"][service]["volumes"])
        for service in ("mongo", "server")
    }
    assert {name for volumes in mounts.values() for name in volumes} == set(compose["volumes"])
    assert set(mounts["mongo"].values()) == {"/data/db", "/data/configdb"}
    [folder] = mounts["server"].values()
    assert _environment(compose, instructions)["FHIR_DATA_DIR"] == folder
    assert _arguments(instructions, "VOLUME") == [folder]
    made = f"install --directory --owner fhir --mode 700 {folder}"
    assert " ".join(_arguments(instructions, "RUN")).endswith(made)


def test_nothing_runs_as_root(compose: dict[str, Any], instructions: list[tuple[str, str]]) -> None:
    """Each service has a user of its own, and no capability or way to gain one."""
    assert compose["services"]["mongo"]["user"] == "mongodb"
    assert _arguments(instructions, "USER") == ["fhir"]
    assert "useradd --system --uid 10001" in " ".join(_arguments(instructions, "RUN"))
    for service in compose["services"].values():
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]


def test_each_variable_is_a_setting(
    compose: dict[str, Any], instructions: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is handed to the server is what it reads, and is allowed."""
    environment = _environment(compose, instructions)
    assert {name.removeprefix("FHIR_").lower() for name in environment} <= set(Settings.model_fields)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    settings = Settings()
    assert (settings.host, settings.auth) == ("0.0.0.0", "on")
    assert own_folder(settings) == Path("/var/lib/fhir-server")
    assert settings.workers == 2


def test_the_published_port_is_the_one_that_is_served(
    compose: dict[str, Any], instructions: list[tuple[str, str]]
) -> None:
    """Port, health check and EXPOSE agree; the world reaches the server by a proxy only."""
    port = _environment(compose, instructions)["FHIR_PORT"]
    assert compose["services"]["server"]["ports"] == [f"127.0.0.1:8000:{port}"]
    assert _arguments(instructions, "EXPOSE") == [port]
    (check,) = _arguments(instructions, "HEALTHCHECK")
    assert f"http://127.0.0.1:{port}/health/ready" in check


def test_what_the_image_copies_is_there_and_is_all_of_the_program(
    instructions: list[tuple[str, str]],
) -> None:
    """Each path of the Dockerfile exists, is let through by .dockerignore, and no package is forgotten."""
    copied = [source for arguments in _arguments(instructions, "COPY") for source in arguments.split()[:-1]]
    let_through = (_ROOT / ".dockerignore").read_text().splitlines()
    for source in copied:
        assert (_ROOT / source).exists(), source
        assert f"!{source}" in let_through
    packages = re.search(r"^packages = \[(.*)\]", (_ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert packages is not None
    assert set(re.findall(r'"(\w+)"', packages[1])) <= set(copied)
