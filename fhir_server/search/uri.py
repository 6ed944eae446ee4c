"""uri: addresses and names that are compared character for character. https://hl7.org/fhir/R4/search.html#uri

Indexed as they are written; a canonical without its version as well. Where the element is the resource's own
canonical URL, `url|version` asks for that version of it. `:below` asks for all URLs whose path begins with
another one, part by part.
"""

from fhir_server.search.asked import Asked, Condition, Reader, as_it_is, both, either, one_of
from fhir_server.search.escaping import split, unescape
from fhir_server.search.hierarchies import is_hierarchical, uri_tests, version_test
from fhir_server.search.reference import canonical
from resources.fhirpath.element_paths import ElementPath

MODIFIERS = ("above", "below")


def reader(path: ElementPath) -> Reader:
    """Return how elements of the path's type are indexed."""
    return Reader(canonical, several=True) if path.type == "canonical" else Reader(as_it_is)


def condition(asked: Asked) -> Condition:
    """Return the condition on the document for one uri or several."""
    return both(_one(asked, text) for text in asked.texts)


def _one(asked: Asked, text: str) -> Condition:
    wanted: list[str] = []
    conditions: list[Condition] = []
    for escaped in split(text, ","):
        uri = unescape(escaped)
        if not uri:
            raise asked.refusal("a uri is not empty")
        url, _, version = uri.rpartition("|")
        if asked.modifier:
            conditions += _levels(asked, uri)
        elif url and _is_own_url(asked):
            conditions.append({asked.field.path: url, "resource.version": version})
        else:
            wanted.append(uri)
    return either([*([one_of(asked.field.path, wanted)] if wanted else []), *conditions])


def _levels(asked: Asked, uri: str) -> list[Condition]:
    """Return the conditions that a value is `uri`, or above or below it: one of these."""
    if not is_hierarchical(uri):
        raise asked.refusal(f"with :{asked.modifier} a uri is a URL such as http://acme.org/fhir, and no URN")
    is_below = asked.modifier == "below"
    url, _, version = uri.partition("|")
    if version and _is_own_url(asked):
        return [{asked.field.path: url, "resource.version": version_test(version, is_below=is_below)}]
    return [asked.on_values(test) for test in uri_tests(uri, is_below=is_below)]


def _is_own_url(asked: Asked) -> bool:
    return all([step.key for step in path.steps] == ["url"] for path in asked.field.parameter.paths)
