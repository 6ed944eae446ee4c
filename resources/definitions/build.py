"""Build `r4.zip` from the official package: `python -m resources.definitions.build PACKAGE.tgz`.

The same package always gives the same bytes. Each structure, profile and code system is a member of its own,
so that reading one costs nothing for the others; what is needed as a whole is one member.

Source: https://hl7.org/fhir/R4/downloads.html (hl7.fhir.r4.core, version 4.0.1, licence CC0)
"""

import io
import json
import sys
import tarfile
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from resources.definitions.archive import FILE_NAME, WHOLE_SECTIONS
from resources.definitions.facts import KEPT, facts

_EARLIEST_ZIP_DATE = (1980, 1, 1, 0, 0, 0)


def read_package(package: Path) -> dict[str, list[dict[str, Any]]]:
    """Return the facts of a package's definitions by resource type, each list in the order of the ids.

    Raises `OSError` or `tarfile.TarError` if `package` is not a readable .tgz.
    """
    found: dict[str, dict[str, dict[str, Any]]] = {resource_type: {} for resource_type in KEPT}
    with tarfile.open(package) as archive:
        for member in archive:
            resource_type = member.name.removeprefix("package/").partition("-")[0]
            content = archive.extractfile(member) if resource_type in KEPT else None
            if content is not None:
                definition = json.load(content)
                found[resource_type][definition["id"]] = facts(definition)
    return {
        resource_type: [{"id": key, **by_id[key]} for key in sorted(by_id)]
        for resource_type, by_id in found.items()
    }


def sections(definitions: Mapping[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Return the members of the file: name -> JSON value, `index.json` first."""
    types, profiles, code_systems = {}, {}, {}
    members: dict[str, Any] = {}
    for structure in definitions["StructureDefinition"]:
        if "element" not in structure:
            continue  # the package has two examples of logical models without a snapshot
        if structure.get("derivation") == "constraint":
            profiles[structure["url"]] = structure["id"]
            members[f"profiles/{structure['id']}.json"] = structure
        else:
            types[structure["type"]] = {
                "kind": structure["kind"],
                "abstract": structure["abstract"],
            }
            members[f"structures/{structure['type']}.json"] = structure
    for code_system in definitions["CodeSystem"]:
        code_systems[code_system["url"]] = code_system["id"]
        members[f"code-systems/{code_system['id']}.json"] = code_system
    for resource_type, name in WHOLE_SECTIONS.items():
        members[name] = definitions[resource_type]
    index = {"types": types, "profiles": profiles, "codeSystems": code_systems}
    return {"index.json": index, **members}


def archive_bytes(members: Iterable[tuple[str, Any]]) -> bytes:
    """Return a zip archive of JSON members that depends on nothing but `members`."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, value in members:
            entry = zipfile.ZipInfo(name, _EARLIEST_ZIP_DATE)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3
            text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
            archive.writestr(entry, text.encode())
    return buffer.getvalue()


def build(package: Path) -> bytes:
    """Return the definitions file for the package hl7.fhir.r4.core at `package` (a .tgz)."""
    return archive_bytes(sections(read_package(package)).items())


def main() -> None:
    """Write the file beside this module."""
    if len(sys.argv) != 2:
        raise SystemExit("usage: python -m resources.definitions.build hl7.fhir.r4.core-4.0.1.tgz")
    Path(__file__).with_name(FILE_NAME).write_bytes(build(Path(sys.argv[1])))


if __name__ == "__main__":
    main()
