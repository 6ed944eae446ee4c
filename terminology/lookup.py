"""What a code system says of a code. https://hl7.org/fhir/R4/codesystem-operation-lookup.html"""

from dataclasses import dataclass

from resources.definitions import Concept
from resources.operation_outcome import ResourceNotFound, error
from terminology.code_systems import CodeSystem, code_system
from terminology.source import Source


@dataclass(frozen=True, slots=True)
class Found:
    """A concept with the system that it is of, and its code as the system writes it."""

    system: CodeSystem
    code: str
    concept: Concept


async def lookup(system: str, code: str, source: Source) -> Found:
    """Return what `system` (a canonical) says of `code`; raise ResourceNotFound if one is not known here."""
    known = await code_system(system, source)
    if known is None:
        raise ResourceNotFound(error("not-found", "The code system is not known here"))
    own = known.own_code(code)
    if own is None:
        raise ResourceNotFound(error("not-found", "The code system has no such code here"))
    return Found(known, own, known.concepts[own])
