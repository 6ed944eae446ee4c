"""The encryption key that the server makes for itself: where it is, who may read it, and that it stays."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydantic import SecretStr

from fhir_server.commands.serve import read_settings
from fhir_server.key_file import KEY_FILE, UnusableKeyFile, own_folder, with_encryption_key
from fhir_server.secrets_at_rest import keyring, new_key
from fhir_server.settings import Settings, to_environment


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"FHIR_{name.upper()}", raising=False)


def _key(settings: Settings) -> str:
    found, _ = with_encryption_key(settings)
    assert found.encryption_key is not None
    return found.encryption_key.get_secret_value()


def test_it_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    """The first start makes it, and each later one finds it: what was sealed then is opened now."""
    settings = Settings(auth="on", data_dir=tmp_path / "data")
    first = _key(settings)
    path = tmp_path / "data" / KEY_FILE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [file.name for file in path.parent.iterdir()] == [KEY_FILE]
    sealed = keyring(first).seal("geheim", "accounts/1/totp")
    assert keyring(_key(settings)).open(sealed, "accounts/1/totp") == "geheim"


def test_who_comes_first_decides(tmp_path: Path) -> None:
    """Of several that start at the same time each gets the same key."""
    settings = Settings(auth="on", data_dir=tmp_path)
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(lambda _: _key(settings), range(8)))) == 1


def test_a_key_that_is_set_comes_first(tmp_path: Path) -> None:
    """Nothing is made beside it; nor is anything where no tokens are asked for."""
    key = new_key()
    assert _key(Settings(auth="on", data_dir=tmp_path, encryption_key=SecretStr(key))) == key
    unasked = Settings(auth="off", data_dir=tmp_path)
    assert with_encryption_key(unasked) == (unasked, None)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "mode", "message"),
    [
        (f"{new_key()}\n", 0o640, "is open to others than its owner: chmod 600 {path}"),
        (f"{new_key()}\n", 0o604, "is open to others than its owner: chmod 600 {path}"),
        ("geheim\n", 0o600, "is none: a key is 32 random bytes in base64"),
        ("", 0o600, "is none: it is empty"),
    ],
    ids=["group", "others", "no key", "empty"],
)
def test_what_is_wrong_with_it_is_told_in_one_line(
    content: str, mode: int, message: str, tmp_path: Path
) -> None:
    """The line names the file, and does not tell what is in it."""
    path = tmp_path / KEY_FILE
    path.write_text(content)
    path.chmod(mode)
    with pytest.raises(UnusableKeyFile) as refusal:
        with_encryption_key(Settings(auth="on", data_dir=tmp_path))
    told = str(refusal.value)
    assert f"The encryption key {path} {message.format(path=path)}" in told
    assert "\n" not in told
    assert not content.strip() or content.strip() not in told


def test_a_file_that_cannot_be_read_or_made_is_named(tmp_path: Path) -> None:
    """A folder in its place, or a file in place of the folder."""
    (tmp_path / KEY_FILE).mkdir()
    with pytest.raises(UnusableKeyFile, match=r"cannot be read \(Is a directory\)"):
        with_encryption_key(Settings(auth="on", data_dir=tmp_path))
    (tmp_path / "file").touch()
    with pytest.raises(UnusableKeyFile, match=r"can be made at .*\(Not a directory|\(File exists"):
        with_encryption_key(Settings(auth="on", data_dir=tmp_path / "file" / "below"))


def test_beside_a_mongodb_of_others_a_folder_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key of a database does not depend on where somebody happens to stand."""
    monkeypatch.setenv("FHIR_MONGO_URL", "mongodb://db/?replicaSet=x")
    monkeypatch.setenv("FHIR_AUTH", "on")
    assert own_folder(read_settings()) is None
    with pytest.raises(UnusableKeyFile, match=r"FHIR_ENCRYPTION_KEY_FILE .* or FHIR_DATA_DIR"):
        with_encryption_key(read_settings())
    monkeypatch.setenv("FHIR_DATA_DIR", str(tmp_path))
    assert own_folder(read_settings()) == tmp_path
    assert keyring(_key(read_settings()))


def test_workers_are_told_it(tmp_path: Path) -> None:
    """They get it by their environment, as any other secret."""
    settings, _ = with_encryption_key(Settings(auth="on", data_dir=tmp_path))
    assert settings.encryption_key is not None
    assert to_environment(settings)["FHIR_ENCRYPTION_KEY"] == settings.encryption_key.get_secret_value()
    assert settings.encryption_key.get_secret_value() not in f"{settings!r}"
