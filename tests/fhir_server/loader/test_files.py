"""Finding, opening and reading files (https://hl7.org/fhir/R4/nd-json.html)."""

import bz2
import gzip
import json
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from fhir_server.loader.files import find_files, read
from fhir_server.loader.items import BATCH_BYTES, BATCH_ENTRIES, Item, batches
from fhir_server.loader.submission import Failure, Submission

PACKINGS: list[tuple[str, Callable[[bytes], bytes]]] = [
    ("", bytes),
    (".gz", gzip.compress),
    (".bz2", bz2.compress),
    (".GZ", gzip.compress),
]


def line(number: int) -> bytes:
    """Return one Observation as a line; its value has digits to keep."""
    return b'{"resourceType":"Observation","id":"o%d","valueQuantity":{"value":%d.00}}\n' % (number, number)


def submissions(file: Path) -> list[Submission]:
    """Return what is sent for `file`, which must be readable."""
    found = list(read(file))
    assert not [one for one in found if isinstance(one, Failure)]
    return [one for one in found if isinstance(one, Submission)]


@pytest.mark.parametrize(("suffix", "pack"), PACKINGS)
def test_json_files_are_read_packed_or_not(
    tmp_path: Path, suffix: str, pack: Callable[[bytes], bytes]
) -> None:
    """.json, .json.gz and .json.bz2 hold the same, with a byte order mark or without."""
    file = tmp_path / f"one.json{suffix}"
    file.write_bytes(pack(b"\xef\xbb\xbf" + line(1)))
    (one,) = submissions(file)
    assert one.path == "Observation/o1"
    assert one.body == line(1)
    assert one.size == file.stat().st_size


@pytest.mark.parametrize(("suffix", "pack"), PACKINGS)
def test_ndjson_files_are_read_packed_or_not(
    tmp_path: Path, suffix: str, pack: Callable[[bytes], bytes]
) -> None:
    """Lines become batches, digits kept; empty lines mean nothing; sizes never exceed the file's."""
    file = tmp_path / f"many.ndjson{suffix}"
    file.write_bytes(pack(b"\r\n\n".join(line(number) for number in range(250))))
    parts = submissions(file)
    assert [len(part.entries) for part in parts] == [100, 100, 50]
    assert b'"value":7.00' in parts[0].body
    assert parts[0].entries[3].label == "line 10 Observation/o3"
    assert 0 < sum(part.size for part in parts) <= file.stat().st_size


def test_a_bad_line_is_listed_and_the_others_are_read(tmp_path: Path) -> None:
    """A failure names the line and why; it costs no other line."""
    file = tmp_path / "many.ndjson"
    file.write_bytes(
        line(1) + b"{oops\n" + b'{"resourceType":"Bundle","type":"batch","entry":[7]}\n' + line(2)
    )
    first, second, batch = read(file)
    assert isinstance(first, Failure)
    assert (first.source, first.entry) == (str(file), "line 2")
    assert "not JSON" in first.reason
    assert isinstance(second, Failure)
    assert second.entry == "line 3"
    assert isinstance(batch, Submission)
    assert len(batch.entries) == 2


def test_a_line_may_be_a_bundle(tmp_path: Path) -> None:
    """A Bundle in a line is sent as one in a file would be."""
    file = tmp_path / "bundles.ndjson"
    file.write_bytes(b'{"resourceType":"Bundle","type":"transaction","entry":[]}\n' + line(1))
    transaction, batch = submissions(file)
    assert b'"transaction"' in transaction.body
    assert not transaction.divisible
    assert batch.divisible


def test_a_stream_of_lines_is_not_read_ahead() -> None:
    """Memory is bounded: a batch is handed out as soon as the next item would not fit."""
    drawn = count()
    stream = (Item("", "Patient", str(next(drawn)), b"{}") for _ in range(10**9))
    next(batches("endless", stream))
    assert next(drawn) == BATCH_ENTRIES + 1


def test_batches_are_bounded_in_bytes() -> None:
    """Large resources make smaller batches; one that is larger than the bound goes alone."""
    sizes = [BATCH_BYTES // 2, BATCH_BYTES // 3, BATCH_BYTES * 2, 10]
    stream = (Item("", "Binary", str(size), b" " * size) for size in sizes)
    assert [len(part.entries) for part in batches("file", stream) if isinstance(part, Submission)] == [
        2,
        1,
        1,
    ]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.json", b"{", "not JSON"),
        ("a.json", b"", "not JSON"),
        ("a.json", b"[]", "no resourceType"),
        ("a.json.gz", gzip.compress(line(1), mtime=0)[:-10], "cannot be read"),
        ("a.json.gz", b"no gzip", "cannot be read"),
        ("a.ndjson.gz", gzip.compress(line(1), mtime=0)[:20] + b"x" * 50, "cannot be read"),
        ("a.json.bz2", b"no bzip2", "cannot be read"),
        ("a.json.bz2", bz2.compress(line(1))[:-4], "cannot be read"),
        ("a.txt", b"{}", "ends in none of"),
    ],
)
def test_an_unreadable_file_is_a_failure(tmp_path: Path, name: str, content: bytes, reason: str) -> None:
    """What cannot be read is listed with its reason; nothing is raised."""
    file = tmp_path / name
    file.write_bytes(content)
    (failure,) = read(file)
    assert isinstance(failure, Failure)
    assert failure.source == str(file)
    assert reason in failure.reason


def test_folders_are_searched_to_the_bottom(tmp_path: Path) -> None:
    """A folder stands for every file in it that can be loaded, sorted; a named file for itself, once."""
    for name in ("b.json", "a.ndjson.gz", "deep/er/c.json.bz2", "notes.txt", "deep/x.xml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(json.dumps({}))
    named = tmp_path / "notes.txt"
    found = find_files([named, tmp_path, tmp_path / "b.json"])
    assert [str(file.relative_to(tmp_path)) for file in found] == [
        "notes.txt",
        "a.ndjson.gz",
        "b.json",
        "deep/er/c.json.bz2",
    ]
