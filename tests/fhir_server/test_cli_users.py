"""`fhir-server users` and `clients`, beside a running server and without one."""

from collections.abc import Sequence

import pytest
from click.testing import CliRunner, Result

from fhir_server.__main__ import main
from fhir_server.settings import Settings, to_environment

PASSWORD = "correct horse battery"


def _run(settings: Settings, *arguments: str, given: str = "") -> Result:
    cheap = settings.model_copy(update={"password_rounds": 1, "password_memory_kib": 8})
    return CliRunner().invoke(main, arguments, input=given, env={**to_environment(cheap), "COLUMNS": "200"})


def _add(settings: Settings, name: str, role: str, *more: str) -> Result:
    arguments = ("users", "add", name, "--role", role, "--password-stdin", *more)
    return _run(settings, *arguments, given=f"{PASSWORD}\n")


def test_users(settings: Settings) -> None:
    """Somebody is added, listed, given other roles, and let in no more; the last administrator stays."""
    added = _add(settings, "ada", "AD")
    assert added.exit_code == 0, added.stderr
    assert PASSWORD not in added.output
    assert _add(settings, "grey", "DR", "--fhir-user", "Practitioner/1").exit_code == 0
    listed = _run(settings, "users", "list").stdout
    assert "ada" in listed
    assert "Practitioner/1" in listed
    assert "somebody called" in _add(settings, "ADA", "DR").stderr
    assert "last administrator" in _run(settings, "users", "disable", "ada").stderr
    assert "last administrator" in _run(settings, "users", "set-roles", "ada", "DR").stderr
    assert _run(settings, "users", "set-roles", "grey", "AD", "DR").exit_code == 0
    assert _run(settings, "users", "disable", "ada").exit_code == 0


REFUSED: list[tuple[Sequence[str], str, str]] = [
    (("users", "add", "x", "--role", "DR", "--password-stdin"), "short\n", "12"),
    (("users", "add", "x", "--role", "KING", "--password-stdin"), PASSWORD, "KING"),
    (
        ("users", "add", "x", "--role", "DR", "--fhir-user", "nobody", "--password-stdin"),
        PASSWORD,
        "Practitioner/1",
    ),
    (
        ("users", "add", "x", "--role", "DR", "--fhir-user", "Observation/1", "--password-stdin"),
        PASSWORD,
        "Practitioner/1",
    ),
    (("users", "disable", "nobody"), "", "nobody called"),
    (("clients", "add", "App", "--scope", "patient/*.rs", "--redirect-uri", "javascript:x"), "", "redirect"),
    (("clients", "remove", "none"), "", "no such"),
]


@pytest.mark.requirement("smart-198")
@pytest.mark.parametrize(("arguments", "given", "told"), REFUSED, ids=range(len(REFUSED)))
def test_what_is_refused(settings: Settings, arguments: Sequence[str], given: str, told: str) -> None:
    """What is wrong is told in one line, without a traceback."""
    done = _run(settings, *arguments, given=given)
    assert done.exit_code != 0
    assert told in done.stderr
    assert isinstance(done.exception, SystemExit)


def test_clients(settings: Settings) -> None:
    """An application is registered with its id told, listed, and removed."""
    arguments = ("--scope", "launch/patient patient/*.rs", "--redirect-uri", "https://app.example/callback")
    added = _run(settings, "clients", "add", "Diary", *arguments)
    assert added.exit_code == 0, added.stderr
    client_id = added.stdout.partition("client_id: ")[2].strip()
    assert client_id in _run(settings, "clients", "list").stdout
    assert _run(settings, "clients", "remove", client_id).exit_code == 0
    assert client_id not in _run(settings, "clients", "list").stdout
