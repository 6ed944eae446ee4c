"""The file of a backup: a tar archive, compressed, of BSON pieces and a manifest that says what is in it.

`Patient/000001.bson` is some documents one after the other, as `bsondump` reads them; `manifest.json`, the
last member, has each collection with its number of documents, their SHA-256, its indexes and checks.
https://www.gnu.org/software/tar/manual/html_node/Standard.html, https://bsonspec.org/
"""

import gzip
import hashlib
import io
import json
import tarfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any

from fhir_server.backup.encryption import MAGIC, CannotDecrypt, Decrypting, Encrypting

MANIFEST = "manifest.json"
FORMAT = 1
PIECE_BYTES = 4 << 20
_LARGEST_DOCUMENT = 17 << 20
_LARGEST_MANIFEST = 256 << 20
_LENGTH_BYTES = 4
_COMPRESSION = 5


class DamagedBackup(Exception):
    """A file is no backup, or not whole; the text says in what way."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What a manifest says of one collection."""

    name: str
    count: int
    sha256: str
    options: Mapping[str, Any]
    indexes: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup says of itself."""

    made: str
    server: str
    database: str
    collections: Sequence[Contents]

    @property
    def documents(self) -> int:
        """How many documents there are in all."""
        return sum(one.count for one in self.collections)


class Tally:
    """Counts documents, and makes the checksum over all of them in their order."""

    def __init__(self) -> None:
        """Begin with none."""
        self.count = 0
        self._sum = hashlib.sha256()

    def add(self, document: bytes) -> None:
        """Count a document."""
        self.count += 1
        self._sum.update(document)

    @property
    def sha256(self) -> str:
        """The checksum of those that were counted."""
        return self._sum.hexdigest()


class ArchiveWriter:
    """Writes a backup; the manifest makes it whole."""

    def __init__(self, tar: tarfile.TarFile) -> None:
        """Write into `tar`."""
        self._tar = tar
        self._number = 0

    def add_piece(self, collection: str, documents: bytes) -> None:
        """Add some documents of a collection."""
        self._number += 1
        self._add(f"{collection}/{self._number:06d}.bson", documents)

    def add_manifest(self, manifest: Manifest) -> None:
        """Add the manifest, as the last."""
        collections = [
            {
                "name": one.name,
                "count": one.count,
                "sha256": one.sha256,
                "options": one.options,
                "indexes": one.indexes,
            }
            for one in manifest.collections
        ]
        told = {
            "format": FORMAT,
            "made": manifest.made,
            "server": manifest.server,
            "database": manifest.database,
            "documents": manifest.documents,
            "collections": collections,
        }
        self._add(MANIFEST, json.dumps(told, indent=1).encode())

    def _add(self, name: str, content: bytes) -> None:
        member = tarfile.TarInfo(name)
        member.size = len(content)
        member.mode = 0o600
        self._tar.addfile(member, io.BytesIO(content))


@contextmanager
def writing(file: IO[bytes], key: bytes | None) -> Iterator[ArchiveWriter]:
    """Give what writes a backup into `file`, encrypted if there is a `key`."""
    encrypting = None if key is None else Encrypting(file, key)
    target: Any = encrypting or file
    with (
        gzip.GzipFile("", "wb", _COMPRESSION, target, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w|", format=tarfile.PAX_FORMAT) as tar,
    ):
        yield ArchiveWriter(tar)
    if encrypting is not None:
        encrypting.finish()


Member = tuple[str, Iterator[bytes]]
"""A collection and some of its documents, in the order in which they are in the file."""


@contextmanager
def reading(file: IO[bytes], key: bytes | None) -> Iterator["ArchiveReader"]:
    """Give what reads a backup from `file`; raise DamagedBackup for what is none, or not with this `key`."""
    begin = file.read(len(MAGIC))
    if begin == MAGIC and key is None:
        raise DamagedBackup("it is encrypted: give the key by --key-file")
    if begin != MAGIC and key is not None:
        raise DamagedBackup("it is not encrypted, but a key is given")
    source: Any = file
    if begin == MAGIC and key is not None:
        source = io.BufferedReader(Decrypting(file, key))
    else:
        file.seek(0)
    try:
        with tarfile.open(fileobj=source, mode="r|gz") as tar:
            yield ArchiveReader(tar)
    except CannotDecrypt:
        raise DamagedBackup("the key is another one, or the file was changed or cut off") from None
    except (tarfile.TarError, EOFError, zlib.error, OSError) as failure:
        raise DamagedBackup(f"it cannot be read ({type(failure).__name__})") from None


class ArchiveReader:
    """Reads a backup from its beginning to its end."""

    def __init__(self, tar: tarfile.TarFile) -> None:
        """Read from `tar`; `manifest` is known when all members were."""
        self._tar = tar
        self.manifest: Manifest | None = None

    def members(self) -> Iterator[Member]:
        """Yield the pieces, each to be read before the next one; raise DamagedBackup."""
        for member in self._tar:
            content = self._tar.extractfile(member)
            if content is None or self.manifest is not None:
                raise DamagedBackup("there is something in it that no backup has")
            if member.name == MANIFEST:
                if member.size > _LARGEST_MANIFEST:
                    raise DamagedBackup("its manifest is too large")
                self.manifest = _manifest(content.read())
                continue
            yield member.name.partition("/")[0], _documents(content)
        if self.manifest is None:
            raise DamagedBackup("it has no manifest: it was cut off")


def _documents(content: IO[bytes]) -> Iterator[bytes]:
    while begin := content.read(_LENGTH_BYTES):
        length = int.from_bytes(begin, "little")
        if not _LENGTH_BYTES < length <= _LARGEST_DOCUMENT:
            raise DamagedBackup("there is something in it that is no document")
        document = begin + content.read(length - _LENGTH_BYTES)
        if len(document) != length:
            raise DamagedBackup("a document is cut off")
        yield document


def _manifest(text: bytes) -> Manifest:
    try:
        told = json.loads(text.decode())
        if told["format"] != FORMAT:
            raise DamagedBackup(f"it has format {told['format']}, and this server reads {FORMAT}")
        collections = [
            Contents(one["name"], one["count"], one["sha256"], one["options"], one["indexes"])
            for one in told["collections"]
        ]
        return Manifest(told["made"], told["server"], told["database"], collections)
    except (ValueError, KeyError, TypeError):
        raise DamagedBackup("its manifest cannot be read") from None
