"""Secrets that stand in files: how they are found, what is refused, and who gets to see them."""

import subprocess
import sys
from pathlib import Path

import pytest
from click import ClickException
from pydantic import ValidationError

from fhir_server.commands.serve import read_settings
from fhir_server.secret_files import without_secrets
from fhir_server.secrets_at_rest import new_key
from fhir_server.settings import Settings, secret_variables

_DOCUMENTED = Path(__file__).parents[2] / "docs" / "settings.md"


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in secret_variables():
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(f"{name}_FILE", raising=False)


def test_each_secret_may_stand_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The line in the file is the value; the end of the line is no part of it."""
    key = new_key()
    (tmp_path / "key").write_text(f"{key}\n")
    (tmp_path / "url").write_text("mongodb://fhir:geheim@db/?replicaSet=x\r\n")
    monkeypatch.setenv("FHIR_ENCRYPTION_KEY_FILE", str(tmp_path / "key"))
    monkeypatch.setenv("FHIR_MONGO_URL_FILE", str(tmp_path / "url"))
    settings = Settings()
    assert settings.encryption_key is not None
    assert settings.encryption_key.get_secret_value() == key
    assert settings.mongo_url == "mongodb://fhir:geheim@db/?replicaSet=x"
    assert "geheim" not in f"{settings!r} {settings}"


def test_the_secrets_are_documented() -> None:
    """docs/settings.md names each variable that may stand in a file."""
    text = _DOCUMENTED.read_text()
    assert {"FHIR_MONGO_URL", "FHIR_ENCRYPTION_KEY"} <= set(secret_variables())
    assert [name for name in secret_variables() if f"`{name}_FILE`" not in text] == []


@pytest.mark.parametrize("content", [b"", b"\n", b"a\nb", b"\xff\xfe", b"x" * 70_000])
def test_a_file_without_a_secret_is_refused(
    content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is not one line of text is told to be wrong, and not told itself."""
    (tmp_path / "key").write_bytes(content)
    monkeypatch.setenv("FHIR_ENCRYPTION_KEY_FILE", str(tmp_path / "key"))
    with pytest.raises(ClickException) as refusal:
        read_settings()
    assert refusal.value.message == (
        f"FHIR_ENCRYPTION_KEY_FILE: {tmp_path / 'key'} holds no secret, which is one line of UTF-8"
    )


def test_a_file_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The line says which variable, which file and why."""
    monkeypatch.setenv("FHIR_MONGO_URL_FILE", "/nonexistent/url")
    with pytest.raises(ClickException) as refusal:
        read_settings()
    message = "FHIR_MONGO_URL_FILE: /nonexistent/url cannot be read (No such file or directory)"
    assert refusal.value.message == message


def test_a_secret_stands_in_one_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two values one would be forgotten, and used at the next chance."""
    (tmp_path / "key").write_text(new_key())
    monkeypatch.setenv("FHIR_ENCRYPTION_KEY", new_key())
    monkeypatch.setenv("FHIR_ENCRYPTION_KEY_FILE", str(tmp_path / "key"))
    with pytest.raises(ValidationError, match="are both set"):
        Settings()


def test_a_wrong_secret_is_not_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The refusal of a value from a file says what is wrong with it only."""
    (tmp_path / "key").write_text("geheim")
    monkeypatch.setenv("FHIR_ENCRYPTION_KEY_FILE", str(tmp_path / "key"))
    with pytest.raises(ClickException) as refusal:
        read_settings()
    assert refusal.value.message.startswith("FHIR_ENCRYPTION_KEY: a key is 32 random bytes")
    assert "geheim" not in refusal.value.message


def test_other_programs_do_not_get_them() -> None:
    """What the server starts beside itself inherits no secret, by value or by file."""
    environment = {"FHIR_ENCRYPTION_KEY": "a", "FHIR_MONGO_URL_FILE": "b", "FHIR_PORT": "1", "PATH": "/bin"}
    assert without_secrets(secret_variables(), environment) == {"FHIR_PORT": "1", "PATH": "/bin"}


def test_a_wrong_secret_ends_the_program_in_one_line(tmp_path: Path) -> None:
    """Not in a traceback, which would show values."""
    (tmp_path / "key").write_text("geheim")
    outcome = subprocess.run(
        [sys.executable, "-m", "fhir_server", "serve"],
        env={"FHIR_ENCRYPTION_KEY_FILE": str(tmp_path / "key"), "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert outcome.returncode == 1
    assert outcome.stderr.count("\n") == 1
    assert "geheim" not in outcome.stdout + outcome.stderr
