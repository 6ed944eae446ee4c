"""Writing a backup: everything that a database holds, as of one moment."""

from datetime import datetime
from typing import IO

from fhir_server import __version__
from fhir_server.backup.archive import PIECE_BYTES, ArchiveWriter, Contents, Manifest, Tally, writing
from fhir_server.store import Store, instant
from fhir_server.store.dumps import CollectionShape, Snapshot


async def save(store: Store, file: IO[bytes], key: bytes | None, database: str, now: datetime) -> Manifest:
    """Write all that is in `store` into `file`, encrypted if there is a `key`; return what it says of itself.

    Raises SnapshotGone if MongoDB does not remember the moment for as long as it takes.
    """
    async with store.dumps.snapshot() as snapshot:
        with writing(file, key) as archive:
            contents = [await _saved(snapshot, shape, archive) for shape in snapshot.shapes]
            manifest = Manifest(instant(now), __version__, database, contents)
            archive.add_manifest(manifest)
    return manifest


async def _saved(snapshot: Snapshot, shape: CollectionShape, archive: ArchiveWriter) -> Contents:
    tally, piece = Tally(), bytearray()
    async for document in snapshot.documents(shape.name):
        tally.add(document)
        piece += document
        if len(piece) >= PIECE_BYTES:
            archive.add_piece(shape.name, bytes(piece))
            piece.clear()
    if piece:
        archive.add_piece(shape.name, bytes(piece))
    return Contents(shape.name, tally.count, tally.sha256, shape.options, shape.indexes)
