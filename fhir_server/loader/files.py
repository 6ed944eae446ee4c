"""The files to load: finding them, opening them (gzip and bzip2 too), and reading them piece by piece.

Newline-delimited JSON, the form of bulk exports, is streamed: https://hl7.org/fhir/R4/nd-json.html
"""

import bz2
import gzip
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from fhir_server.loader import documents
from fhir_server.loader.items import Item, batches, item
from fhir_server.loader.submission import Failure, Submission
from resources.json_format import parse
from resources.operation_outcome import FhirError

SUFFIXES = tuple(kind + packed for kind in (".json", ".ndjson") for packed in ("", ".gz", ".bz2"))
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def find_files(paths: Iterable[Path]) -> list[Path]:
    """Return every file named by `paths`, and every file with one of SUFFIXES in the folders among them."""
    found: dict[Path, None] = {}
    for path in paths:
        within = sorted(path.rglob("*")) if path.is_dir() else [path]
        for file in within:
            if file == path or (file.is_file() and file.name.lower().endswith(SUFFIXES)):
                found[file] = None
    return list(found)


@contextmanager
def opened(file: Path) -> Iterator[tuple[BinaryIO, BinaryIO]]:
    """Open `file`: a stream of its content, and the one below it, whose position tells how far one is."""
    name = file.name.lower()
    with file.open("rb") as below:
        if name.endswith(".gz"):
            with gzip.GzipFile(fileobj=below) as content:
                yield cast(BinaryIO, content), below
        elif name.endswith(".bz2"):
            with bz2.BZ2File(below) as content:
                yield cast(BinaryIO, content), below
        else:
            yield below, below


def read(file: Path) -> Iterator[Submission | Failure]:
    """Return what to send for `file`, in order; whatever cannot be read becomes a Failure."""
    source = str(file)
    if not file.name.lower().endswith(SUFFIXES):
        yield Failure(source, "", f"The name ends in none of {', '.join(SUFFIXES)}")
        return
    lines = ".ndjson" in file.suffixes[-2:]
    try:
        yield from _read_lines(file) if lines else _read_document(file)
    except (OSError, EOFError, zlib.error) as failure:
        yield Failure(source, "", f"The file cannot be read: {failure}")
    except FhirError as failure:
        yield Failure(source, "", str(failure))


def _read_document(file: Path) -> Iterator[Submission | Failure]:
    with opened(file) as (content, _):
        body = content.read().removeprefix(_BYTE_ORDER_MARK)
    yield from documents.submissions(str(file), body, file.stat().st_size)


def _read_lines(file: Path) -> Iterator[Submission | Failure]:
    yield from batches(str(file), _lines(file))


def _lines(file: Path) -> Iterator[Item | Submission | Failure]:
    with opened(file) as (content, below):
        position = 0
        for number, line in enumerate(content, start=1):
            raw = line.removeprefix(_BYTE_ORDER_MARK).strip() if number == 1 else line.strip()
            size, position = below.tell() - position, below.tell()
            try:
                yield from _resource(str(file), raw, number, size)
            except FhirError as failure:
                yield Failure(str(file), f"line {number}", str(failure))


def _resource(source: str, raw: bytes, number: int, size: int) -> Iterator[Item | Submission | Failure]:
    if not raw:
        return
    one = item(parse(raw), raw, f"line {number}", size=size)
    if one.resource_type == "Bundle":
        yield from documents.submissions(source, raw, size)
    else:
        yield one
