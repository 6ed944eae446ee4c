"""uri: addresses and names that are compared character for character. https://hl7.org/fhir/R4/search.html#uri

Indexed as they are written; a canonical without its version as well. Where the element is the resource's own
canonical URL, `url|version` asks for that version of it.
"""

from fhir_server.search.asked import Asked, Condition, Reader, as_it_is, both, either, one_of
from fhir_server.search.escaping import split, unescape
from fhir_server.search.reference import canonical
from resources.fhirpath.element_paths import ElementPath


def reader(path: ElementPath) -> Reader:
    """Return how elements of the path's type are indexed."""
    return Reader(canonical, several=True) if path.type == "canonical" else Reader(as_it_is)


def condition(asked: Asked) -> Condition:
    """Return the condition on the document for one uri or several."""
    return both(_one(asked, text) for text in asked.texts)


def _one(asked: Asked, text: str) -> Condition:
    wanted: list[str] = []
    versions: list[Condition] = []
    for escaped in split(text, ","):
        uri = unescape(escaped)
        if not uri:
            raise asked.refusal("a uri is not empty")
        url, _, version = uri.rpartition("|")
        if url and _is_own_url(asked):
            versions.append({asked.field.path: url, "resource.version": version})
        else:
            wanted.append(uri)
    return either([*([one_of(asked.field.path, wanted)] if wanted else []), *versions])


def _is_own_url(asked: Asked) -> bool:
    return all([step.key for step in path.steps] == ["url"] for path in asked.field.parameter.paths)
