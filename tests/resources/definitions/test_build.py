"""The committed definitions file against the official package: https://hl7.org/fhir/R4/downloads.html."""

import io
import json
import subprocess
import sys
import zipfile
import zlib
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from resources import definitions
from resources.definitions import archive
from resources.definitions.build import archive_bytes, build, read_package, sections
from resources.definitions.facts import facts

REPOSITORY = Path(__file__).parents[3]
PACKAGE = REPOSITORY.parent / "shared/data/fhir/hl7.fhir.r4.core-4.0.1.tgz"
FILE = Path(archive.__file__).with_name(archive.FILE_NAME)

with_package = pytest.mark.skipif(not PACKAGE.exists(), reason="needs ../shared/data/fhir")


@pytest.fixture(scope="module")
def package() -> dict[str, list[dict[str, Any]]]:
    """Return the facts of the official package."""
    return read_package(PACKAGE)


@with_package
def test_rebuilding_reproduces_the_committed_file() -> None:
    """The committed file holds exactly what the script makes of the package."""
    rebuilt = zipfile.ZipFile(io.BytesIO(build(PACKAGE)))
    committed = zipfile.ZipFile(io.BytesIO(FILE.read_bytes()))
    assert rebuilt.namelist() == committed.namelist()
    for name in committed.namelist():
        assert rebuilt.read(name) == committed.read(name), name


@with_package
@pytest.mark.skipif("ng" in zlib.ZLIB_RUNTIME_VERSION, reason="zlib-ng compresses to other bytes than zlib")
def test_rebuilding_gives_the_same_bytes() -> None:
    """With the classic zlib the rebuilt file is the committed one byte for byte."""
    assert build(PACKAGE) == FILE.read_bytes()


def test_the_file_is_small() -> None:
    """The file stays under the 3 MB that it may have."""
    assert FILE.stat().st_size < 3_000_000


def test_equal_members_make_equal_bytes() -> None:
    """An archive depends on its members alone, not on the time or the machine."""
    members = [("b.json", {"display": "Größe"}), ("a.json", [1])]
    first = archive_bytes(members)
    assert archive_bytes(members) == first
    assert json.loads(zipfile.ZipFile(io.BytesIO(first)).read("b.json")) == {"display": "Größe"}


@with_package
def test_the_package_is_the_whole_of_r4(package: dict[str, list[dict[str, Any]]]) -> None:
    """All definitions of the package are read: the numbers are those of its file list."""
    assert {resource_type: len(found) for resource_type, found in package.items()} == {
        "StructureDefinition": 655,
        "CodeSystem": 1062,
        "ValueSet": 1316,
        "ConceptMap": 80,
        "SearchParameter": 1400,
        "CompartmentDefinition": 6,
        "OperationDefinition": 47,
    }


@with_package
def test_only_structures_without_a_snapshot_are_left_out(package: dict[str, list[dict[str, Any]]]) -> None:
    """Two logical examples have no snapshot; each other definition is in the file."""
    without = [s["id"] for s in package["StructureDefinition"] if "element" not in s]
    assert without == ["example-composition", "example-section-library"]
    folders = Counter(name.partition("/")[0] for name in sections(package))
    assert folders["structures"] + folders["profiles"] == 653
    assert folders["code-systems"] == 1062


def test_facts_leave_prose_out() -> None:
    """Narrative, descriptions, comments and extensions go, facts stay."""
    definition = {
        "resourceType": "CodeSystem",
        "id": "x",
        "url": "http://example.org/x",
        "text": {"status": "generated", "div": "<div/>"},
        "description": "prose",
        "content": "complete",
        "concept": [
            {"code": "a", "definition": "prose", "extension": [{"url": "u"}], "concept": [{"code": "b"}]}
        ],
    }
    assert facts(definition) == {
        "url": "http://example.org/x",
        "content": "complete",
        "concept": [{"code": "a", "concept": [{"code": "b"}]}],
    }


@pytest.mark.parametrize("word", ["div", "description", "comment", "documentation", "human", "xpath"])
def test_the_file_has_no_prose(word: str) -> None:
    """No element of the specification that holds prose or XPath occurs in any member."""
    committed = zipfile.ZipFile(io.BytesIO(FILE.read_bytes()))
    for name in committed.namelist():
        assert f'"{word}":'.encode() not in committed.read(name), name


def test_importing_reads_nothing() -> None:
    """Importing the definitions neither opens the file nor keeps anything."""
    script = (
        "import pathlib, sys; sys.modules.pop('zipfile', None)\n"
        "pathlib.Path.read_bytes = lambda self: sys.exit('the file was read')\n"
        "from resources import definitions\n"
        "from resources.definitions import archive\n"
        "assert archive._archive.cache_info().currsize == 0"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=REPOSITORY, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_one_structure_reads_one_member(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is asked for is read, and nothing else."""
    definitions.resource_types()  # reads the index
    read: list[str] = []
    member = archive.member

    def recording(name: str) -> Any:
        read.append(name)
        return member(name)

    monkeypatch.setattr(archive, "member", recording)
    definitions.structure.cache_clear()
    definitions.structure("Slot")
    definitions.structure("Slot")
    assert read == ["structures/Slot.json"]
