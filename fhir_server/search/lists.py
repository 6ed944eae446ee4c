"""_list: the resources that a List has as its items, those marked as deleted left out.

The lists with a dollar sign (`$current-problems`) have no definition that computes them, so they are refused.
https://hl7.org/fhir/R4/search.html#list, https://hl7.org/fhir/R4/list.html
"""

from dataclasses import dataclass

from fhir_server.context import Context
from fhir_server.search.asked import Condition
from fhir_server.search.escaping import split
from fhir_server.search.lookups import Lookup
from fhir_server.search.scope import Scope
from resources.operation_outcome import InvalidSearch, error
from resources.references import is_id, parse_reference


@dataclass(frozen=True, slots=True)
class Members(Lookup):
    """The ids of the resources of one type that are in a List."""

    list_id: str
    resource_type: str
    base_url: str

    async def lookup(self, context: Context) -> list[str]:
        """Return the ids, each once; raise InvalidSearch if there is no such List."""
        version = await context.store.read("List", self.list_id)
        if version is None or version.resource is None:
            raise InvalidSearch(error("not-found", "_list: there is no List of this id"))
        found: dict[str, None] = {}
        for entry in version.resource.get("entry", ()):
            reference = entry.get("item", {}).get("reference", "").removeprefix(f"{self.base_url}/")
            parsed = parse_reference(reference)
            is_member = parsed is not None and not parsed.base and parsed.resource_type == self.resource_type
            if parsed is not None and is_member and not entry.get("deleted"):
                found[parsed.id] = None
        return list(found)


def condition(resource_type: str, texts: tuple[str, ...], scope: Scope) -> Condition:
    """Return the condition that a resource is in each of the lists, or in one of those between commas."""
    conditions: list[Condition] = []
    for text in texts:
        ids = split(text, ",")
        if not all(map(is_id, ids)):
            message = "_list is the id of a List; the lists with a dollar sign are not computed here"
            raise InvalidSearch(error("not-supported" if text.startswith("$") else "value", message))
        alternatives = [{"_id": {"$in": Members(found, resource_type, scope.base_url)}} for found in ids]
        conditions.append({"$or": alternatives} if len(alternatives) > 1 else alternatives[0])
    return conditions[0] if len(conditions) == 1 else {"$and": conditions}
