"""token: a code, an identifier, a yes or no. https://hl7.org/fhir/R4/search.html#token

Indexed as the strings `system|code` and `code`, so that each way of asking is one look into an index. Codes
are compared without regard to case, as the specification has it when in doubt, except elements of the type
`code`, whose codes are those of FHIR itself. Where all elements of a parameter are of that type only the
code is indexed, since the system is known.
"""

from typing import Any

from fhir_server.search.asked import Asked, Condition, either, starting_with
from fhir_server.search.escaping import split, unescape
from resources.fhirpath.element_paths import ElementPath
from resources.search_parameters import SearchParameter

MODIFIERS = ("not",)

_PLAIN_TYPES = frozenset({"code", "boolean", "id", "uri", "string"})


def values(element: Any, fhir_type: str) -> list[str]:
    """Return the index values of one element."""
    if fhir_type == "CodeableConcept":
        return [value for coding in element.get("coding", ()) for value in _coded(coding, "code")]
    if fhir_type == "Coding":
        return _coded(element, "code")
    if fhir_type == "Identifier":
        return _coded(element, "value")
    if fhir_type == "ContactPoint":
        return _coded(element, "value")
    if fhir_type == "boolean":
        return ["true" if element else "false"]
    return [element]


def _coded(element: dict[str, Any], key: str) -> list[str]:
    code = element.get(key)
    if code is None:
        return []
    folded = code.casefold()
    return [f"{element.get('system', '')}|{folded}", folded]


def condition(asked: Asked) -> Condition:
    """Return the condition on the document for `code`, `system|code`, `|code` or `system|`, or several."""
    conditions: list[Condition] = []
    exact: list[str] = []
    for text in split(asked.text, ","):
        parts = [unescape(part) for part in split(text, "|")]
        if len(parts) > 2 or not any(parts):
            raise asked.refusal("a token is code, system|code, |code or system|")
        if len(parts) == 1:
            exact += _spellings(asked.parameter, parts[0])
        elif parts[1]:
            exact += _with_system(asked.parameter, *parts)
        else:
            conditions.append(_of_system(asked, parts[0]))
    if exact:
        conditions.append({asked.field: {"$in": exact} if len(exact) > 1 else exact[0]})
    found = either(conditions)
    return {"$nor": [found]} if asked.modifier == "not" else found


def _spellings(parameter: SearchParameter, code: str) -> list[str]:
    """Return the forms in which a code may be indexed without its system."""
    plain, coded = _kinds(parameter)
    return sorted(({code} if plain else set()) | ({code.casefold()} if coded else set()))


def _with_system(parameter: SearchParameter, system: str, code: str) -> list[str]:
    plain, coded = _kinds(parameter)
    forms = [f"{system}|{code.casefold()}"] if coded or not plain else []
    # The system of a `code` is not written down in the resource; it is known from the element's binding.
    return forms + [code for path in plain if system in ("", path.codes_system)][:1]


def _of_system(asked: Asked, system: str) -> Condition:
    plain, coded = _kinds(asked.parameter)
    if not coded and any(path.codes_system == system for path in plain):
        return {asked.field: {"$exists": True}}
    return {asked.field: starting_with(f"{system}|")}


def _kinds(parameter: SearchParameter) -> tuple[list[ElementPath], list[ElementPath]]:
    """Return the paths to plain values, and those to values with a system of their own."""
    plain = [path for path in parameter.paths if path.type in _PLAIN_TYPES]
    return plain, [path for path in parameter.paths if path.type not in _PLAIN_TYPES]
