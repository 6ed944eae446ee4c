"""The versions of resources that the entries of a List refer to.

A reference without a version is to all versions of the resource.
https://hl7.org/fhir/R4/list.html, https://hl7.org/fhir/R4/http.html#history
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping

from fhir_server.context import Context
from fhir_server.store import Listed, Version
from resources.operation_outcome import InvalidSearch, error
from resources.references import LiteralReference, parse_reference

# Each entry may be a branch of the database's plan.
_MOST_ENTRIES = 1_000


async def listed_versions(list_id: str, context: Context) -> Mapping[str, Listed]:
    """Return what the List of that id names, by resource type; raise InvalidSearch if there is none."""
    found = await context.store.read("List", list_id)
    if found is None or found.resource is None:
        raise InvalidSearch(error("not-found", f"_list: there is no List/{list_id}"))
    ids: defaultdict[str, set[str]] = defaultdict(set)
    versions: defaultdict[str, set[tuple[str, int]]] = defaultdict(set)
    for reference in _references(found, context.base_url):
        if reference.version is None:
            ids[reference.resource_type].add(reference.id)
        elif reference.version.isdecimal() and len(reference.version) < 10:
            versions[reference.resource_type].add((reference.id, int(reference.version)))
    names = ids.keys() | versions.keys()
    return {name: Listed(frozenset(ids[name]), frozenset(versions[name])) for name in names}


def _references(found: Version, base_url: str) -> Iterator[LiteralReference]:
    entries = (found.resource or {}).get("entry", ())
    if len(entries) > _MOST_ENTRIES:
        raise InvalidSearch(error("too-costly", f"_list takes Lists of up to {_MOST_ENTRIES} entries"))
    for entry in entries:
        reference = parse_reference(entry.get("item", {}).get("reference", ""))
        if reference is not None and reference.base in ("", f"{base_url}/"):
            yield reference
