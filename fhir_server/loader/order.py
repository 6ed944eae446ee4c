"""Which files go first: those that hold what the others refer to, by a cheap look at the types in them.

Synthea's patients refer to hospitals and practitioners by conditional references, which a server resolves
only if it has them already; bulk exports hold one type to a file. https://hl7.org/fhir/R4/http.html#trules
"""

import re
import zlib
from collections.abc import Iterable
from pathlib import Path

from fhir_server.loader.files import opened

# Each group may refer to those before it; whatever is not named here comes last.
WAVES: tuple[frozenset[str], ...] = (
    frozenset({"Organization", "Location", "Endpoint", "HealthcareService"}),
    frozenset({"Practitioner", "PractitionerRole", "OrganizationAffiliation"}),
    frozenset({"Patient", "RelatedPerson", "Person", "Group"}),
    frozenset({"Medication", "Substance", "Device", "ChargeItemDefinition", "Schedule", "Slot"}),
)
LAST = len(WAVES)

_WAVE_OF_TYPE = {resource_type: number for number, wave in enumerate(WAVES) for resource_type in wave}
_TYPE = re.compile(rb'"resourceType"\s{0,32}:\s{0,32}"(\w{1,64})"')
_CHUNK_BYTES = 64 * 1024
# Longer than anything that _TYPE matches, so that a match across two chunks is seen.
_OVERLAP_BYTES = 256


def in_waves(files: Iterable[Path]) -> list[list[Path]]:
    """Return `files` in the groups that are to be loaded one after the other; empty groups are left out."""
    waves: list[list[Path]] = [[] for _ in range(LAST + 1)]
    for file in files:
        waves[wave_of(file)].append(file)
    return [wave for wave in waves if wave]


def wave_of(file: Path) -> int:
    """Return the number of the wave that `file` belongs to: that of its last type.

    Reads only as far as the first type that belongs to the last wave.
    """
    wave = -1
    try:
        with opened(file) as (content, _):
            tail = b""
            while wave < LAST and (chunk := content.read(_CHUNK_BYTES)):
                names = {name.decode() for name in _TYPE.findall(tail + chunk)} - {"Bundle"}
                wave = max([wave, *(_WAVE_OF_TYPE.get(name, LAST) for name in names)])
                tail = chunk[-_OVERLAP_BYTES:]
    except (OSError, EOFError, zlib.error):
        return LAST  # whoever loads it will say what is wrong with it
    return wave if wave >= 0 else LAST
