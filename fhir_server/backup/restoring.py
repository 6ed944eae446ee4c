"""Putting a backup back: looked through as a whole first, and compared as a whole afterwards."""

from collections import defaultdict
from typing import IO

from fhir_server.backup.archive import PIECE_BYTES, DamagedBackup, Manifest, Tally, reading
from fhir_server.store import Store
from fhir_server.store.dumps import CollectionShape

_MOST_AT_ONCE = 1_000


class NotEmpty(Exception):
    """There is something in the database."""


def look_through(file: IO[bytes], key: bytes | None) -> Manifest:
    """Return what a backup says of itself, if all of it is there and as it was; raise DamagedBackup."""
    tallies: defaultdict[str, Tally] = defaultdict(Tally)
    file.seek(0)
    with reading(file, key) as archive:
        for name, documents in archive.members():
            for document in documents:
                tallies[name].add(document)
        manifest = archive.manifest
    assert manifest is not None  # noqa: S101 - `members` sees to it
    for one in manifest.collections:
        found = tallies.pop(one.name, None) or Tally()
        if (found.count, found.sha256) != (one.count, one.sha256):
            raise DamagedBackup(f"its {one.name} is not what its manifest says")
    if tallies:
        raise DamagedBackup("it has more in it than its manifest says")
    return manifest


async def put_back(store: Store, file: IO[bytes], key: bytes | None, *, replace: bool) -> Manifest:
    """Put what is in a backup into an empty database, or (to `replace` it) into one that is emptied.

    Raises DamagedBackup before anything is changed, NotEmpty, and DamagedBackup if what is stored in the end
    is not what it should be.
    """
    manifest = look_through(file, key)
    dumps = store.dumps
    if not replace and not await dumps.is_empty():
        raise NotEmpty
    await dumps.drop()
    shapes = {one.name: CollectionShape(one.name, one.options, one.indexes) for one in manifest.collections}
    for shape in shapes.values():
        await dumps.make(shape)
    file.seek(0)
    with reading(file, key) as archive:
        for name, documents in archive.members():
            batch: list[bytes] = []
            size = 0
            for document in documents:
                batch.append(document)
                size += len(document)
                if len(batch) == _MOST_AT_ONCE or size >= PIECE_BYTES:
                    await dumps.insert(name, batch)
                    batch, size = [], 0
            if batch:
                await dumps.insert(name, batch)
    for shape in shapes.values():
        await dumps.index(shape)
    await _compare(store, manifest)
    return manifest


async def _compare(store: Store, manifest: Manifest) -> None:
    """Raise DamagedBackup unless each collection in the database has what it should have."""
    for one in manifest.collections:
        tally = Tally()
        async for document in store.dumps.documents(one.name):
            tally.add(document)
        if (tally.count, tally.sha256) != (one.count, one.sha256):
            raise DamagedBackup(f"{one.name} is not in the database as it is in the backup")
