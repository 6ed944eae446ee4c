"""A package that was made to write where it should not: https://owasp.org/www-community/attacks/Path_Traversal."""

import io
import json
import tarfile
from pathlib import Path

import pytest

from resources.definitions.build import read_package

DEFINITION = json.dumps(
    {"resourceType": "CodeSystem", "id": "../../evil", "url": "http://evil.example"}
).encode()
NAMES = ("../CodeSystem-evil.json", "/tmp/CodeSystem-evil.json", "package/../../CodeSystem-evil.json")


def _package(folder: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    path = folder / "package.tgz"
    with tarfile.open(path, "w:gz") as archive:
        for member, content in members:
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


@pytest.mark.parametrize("name", NAMES)
def test_members_outside_of_the_package_are_not_read(name: str, tmp_path: Path) -> None:
    """Only what stands in the package's folder counts, and nothing is ever unpacked to a disk."""
    inner = tmp_path / "inner"
    inner.mkdir()
    package = _package(inner, (tarfile.TarInfo(name), DEFINITION))
    assert read_package(package)["CodeSystem"] == []
    assert [path.name for path in tmp_path.rglob("*")] == ["inner", "package.tgz"]


@pytest.mark.parametrize("target", ["/etc/passwd", "../../../etc/passwd"])
def test_links_lead_nowhere(target: str, tmp_path: Path) -> None:
    """A link to a file of the machine does not show it."""
    link = tarfile.TarInfo("package/CodeSystem-link.json")
    link.type, link.linkname = tarfile.SYMTYPE, target
    with pytest.raises(KeyError):
        read_package(_package(tmp_path, (link, b"")))
