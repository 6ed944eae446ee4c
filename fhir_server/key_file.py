"""The encryption key that the server makes for itself, in a file that only its owner may read.

A key is never replaced: it is written under another name first and then linked to its own, which fails if
there is one already. https://man7.org/linux/man-pages/man2/link.2.html
"""

import os
import stat
import uuid
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from fhir_server.secrets_at_rest import keyring, new_key
from fhir_server.settings import Settings

KEY_FILE = "encryption-key"

_PRIVATE_FOLDER = 0o700
_PRIVATE_FILE = 0o600
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_MOST_BYTES = 4_096


class UnusableKeyFile(Exception):
    """The key cannot be read, or made; the message is one line for the person who started the server."""


@dataclass(frozen=True, slots=True)
class KeyFile:
    """The file that a key is in, and whether it was made just now."""

    path: Path
    is_new: bool


def own_folder(settings: Settings) -> Path | None:
    """Return the folder for what belongs to the database and is kept beside it; None if there is none.

    It is the data directory. Beside a MongoDB that FHIR_MONGO_URL names there is one only if FHIR_DATA_DIR
    names it: the folder where somebody happens to be must not decide about the key.
    """
    if settings.mongo_url is not None and "data_dir" not in settings.model_fields_set:
        return None
    return settings.data_dir


def with_encryption_key(settings: Settings) -> tuple[Settings, KeyFile | None]:
    """Return `settings` with an encryption key if tokens are asked for, and the file that it came from.

    One that is set comes first; else it is that of the own folder, made now if there is none. Raises
    UnusableKeyFile.
    """
    if settings.auth == "off" or settings.encryption_key is not None:
        return settings, None
    folder = own_folder(settings)
    if folder is None:
        raise UnusableKeyFile(
            "FHIR_MONGO_URL needs an encryption key beside it: set FHIR_ENCRYPTION_KEY or "
            "FHIR_ENCRYPTION_KEY_FILE (openssl rand -base64 32 makes one), or FHIR_DATA_DIR to a folder "
            "where one is made and kept"
        )
    path = folder / KEY_FILE
    is_new = _make(path)
    return settings.model_copy(update={"encryption_key": SecretStr(_read(path))}), KeyFile(path, is_new)


def _make(path: Path) -> bool:
    """Write a new key; False if there is one, also if another process was faster."""
    passing = path.with_name(f".{path.name}-{uuid.uuid4().hex}")
    try:
        if path.exists():
            return False
        path.parent.mkdir(mode=_PRIVATE_FOLDER, parents=True, exist_ok=True)
        descriptor = os.open(passing, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE_FILE)
        try:
            with os.fdopen(descriptor, "w") as file:
                file.write(f"{new_key()}\n")
                file.flush()
                os.fsync(file.fileno())
            path.hardlink_to(passing)
        finally:
            passing.unlink()
        _keep_name(path.parent)
    except FileExistsError:
        return False
    except OSError as failure:
        raise UnusableKeyFile(f"No encryption key can be made at {path} ({failure.strerror})") from None
    return True


def _keep_name(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            text = file.read(_MOST_BYTES).decode("ascii", "replace").strip()
    except OSError as failure:
        raise UnusableKeyFile(f"The encryption key {path} cannot be read ({failure.strerror})") from None
    if mode & _OTHERS:
        raise UnusableKeyFile(f"The encryption key {path} is open to others than its owner: chmod 600 {path}")
    try:
        if not text:
            raise ValueError("it is empty")
        keyring(text)
    except ValueError as failure:
        raise UnusableKeyFile(f"The encryption key {path} is none: {failure}") from None
    return text
