"""What a code of one system is in another one, by concept maps.

https://hl7.org/fhir/R4/conceptmap-operation-translate.html
"""

from collections.abc import Iterator
from dataclasses import dataclass

from resources.definitions import concept_maps
from resources.operation_outcome import ResourceNotFound, error
from terminology import source as sources
from terminology.source import Facts, Source


@dataclass(frozen=True, slots=True)
class Match:
    """A code that another one is mapped to; `equivalence` is how close, and `concept_map` says so.

    `system` and `code` are None where the map says that there is no such code (`unmatched`).
    """

    equivalence: str
    system: str | None
    code: str | None
    display: str | None
    concept_map: str


async def translate(
    system: str, code: str, source: Source, *, concept_map: str | None = None, target: str | None = None
) -> list[Match]:
    """Return what `code` of `system` is mapped to, in the code system `target` (None: in any).

    `concept_map` is the canonical of the one map to use; without it all maps of the specification are used.
    Raises ResourceNotFound if it is not known here.
    """
    found: list[Match] = []
    for facts in await _maps(concept_map, source):
        for group in facts.get("group", ()):
            if group.get("source") == system and target in (None, group.get("target")):
                found += _in_group(group, code, facts.get("url", ""))
    return found


async def _maps(concept_map: str | None, source: Source) -> tuple[Facts, ...]:
    if concept_map is None:
        return tuple(concept_maps())
    facts = await sources.concept_map(concept_map, source)
    if facts is None:
        raise ResourceNotFound(error("not-found", "The concept map is not known here"))
    return (facts,)


def _in_group(group: Facts, code: str, url: str) -> Iterator[Match]:
    elements = [element for element in group.get("element", ()) if element.get("code") == code]
    for element in elements:
        for mapped in element.get("target", ()):
            is_mapped = "code" in mapped
            yield Match(
                mapped.get("equivalence", "equivalent"),
                group.get("target") if is_mapped else None,
                mapped.get("code"),
                mapped.get("display"),
                url,
            )
    unmapped = group.get("unmapped", {})
    if not elements and unmapped.get("mode") == "provided":
        yield Match("equivalent", group.get("target"), code, None, url)
    elif not elements and unmapped.get("mode") == "fixed":
        yield Match("inexact", group.get("target"), unmapped.get("code"), unmapped.get("display"), url)
