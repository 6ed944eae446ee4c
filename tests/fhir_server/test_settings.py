"""What can be set, how it travels to worker processes, and that its table in docs/settings.md is true."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from fhir_server.secrets_at_rest import new_key
from fhir_server.settings import Settings, to_environment

_TABLE = Path(__file__).parents[2] / "docs" / "settings.md"
_OPTIONS = {
    *("host", "port", "workers", "data_dir", "tls_certificate", "tls_key"),
    *("channels", "mllp_port"),
}


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"FHIR_{name.upper()}", raising=False)


def _row(name: str, field: FieldInfo) -> str:
    option = f"`--{name.replace('_', '-')}`" if name in _OPTIONS else ""
    option = "`--no-auth`" if name == "auth" else option
    default = "" if field.default is None else f"`{field.default}`"
    return f"| `FHIR_{name.upper()}` | {option} | {default} | {field.description} |"


@pytest.mark.parametrize(("name", "field"), Settings.model_fields.items())
def test_the_table_has_each_setting(name: str, field: FieldInfo) -> None:
    """Name, option, default and meaning in docs/settings.md are those of the code."""
    assert _row(name, field) in _TABLE.read_text().splitlines()


def test_the_table_has_nothing_else() -> None:
    """A setting that is gone is gone from docs/settings.md."""
    rows = [line for line in _TABLE.read_text().splitlines() if line.startswith("| `FHIR_")]
    assert len(rows) == len(Settings.model_fields)


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"mongo_url": "mongodb://a:b@host/?x=%2F", "data_dir": Path("/srv/a b"), "port": 0, "workers": 3},
        {"encryption_key": new_key()},
        {"base_url": "https://example.org/fhir", "log_format": "console", "max_body_bytes": 4096},
    ],
)
def test_settings_survive_the_way_through_the_environment(
    given: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker process, which reads the environment, is set as its parent is."""
    settings = Settings(**given)
    for name, value in to_environment(settings).items():
        monkeypatch.setenv(name, value)
    assert Settings() == settings


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "65536"),
        ("PORT", "http"),
        ("WORKERS", "0"),
        ("DATABASE", "a.b"),
        ("DATABASE", "a/b"),
        ("BASE_URL", "example.org/fhir"),
        ("BASE_URL", "https://example.org/fhir?x=1"),
        ("LOG_LEVEL", "verbose"),
        ("EMBEDDED_CACHE_MB", "10"),
        ("ENCRYPTION_KEY", "secret"),
        ("DEFAULT_PAGE_SIZE", "0"),
    ],
)
def test_what_is_not_allowed_is_refused(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong value is an error at the start, not a surprise later."""
    monkeypatch.setenv(f"FHIR_{name}", value)
    with pytest.raises(ValidationError):
        Settings()


_GRAVE = 'interactions = [{between = ["a", "b"], severity = "grave", says = "no"}]\ntests = 1'


@pytest.mark.parametrize("text", ["[[", "interactions = [{}]\ntests = 1", _GRAVE, None])
@pytest.mark.parametrize("name", ["INTERACTIONS", "SELF_BOOKABLE_TESTS"])
def test_a_table_that_cannot_be_read_is_refused(
    name: str, text: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hospital hears of it at the start, and not when somebody prescribes or orders."""
    path = tmp_path / "table.toml"
    if text is not None:
        path.write_text(text)
    monkeypatch.setenv(f"FHIR_{name}", str(path))
    with pytest.raises(ValidationError):
        Settings()


def test_no_secret_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither what settings look like nor the refusal of a wrong one quotes a secret."""
    key = new_key()
    monkeypatch.setenv("FHIR_ENCRYPTION_KEY", key)
    settings = Settings()
    assert key not in f"{settings!r} {settings} {settings.model_dump_json()}"
    monkeypatch.setenv("FHIR_ENCRYPTION_KEY", f"{key},{key[:-4]}")
    with pytest.raises(ValidationError) as refusal:
        Settings()
    assert key[:-4] not in str(refusal.value)


def test_an_empty_variable_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who sets a variable to nothing gets the default."""
    monkeypatch.setenv("FHIR_MONGO_URL", "")
    monkeypatch.setenv("FHIR_PORT", "")
    assert Settings() == Settings(mongo_url=None, port=8000)


def test_settings_do_not_change_while_the_server_runs() -> None:
    """Settings are a value: what a request saw is what the next one sees."""
    with pytest.raises(ValidationError, match="frozen"):
        Settings().port = 1
