"""The strings that tokens are indexed as, and those that a question asks for.

https://hl7.org/fhir/R4/search.html#token
"""

from collections.abc import Iterable
from typing import Any

from resources.fhirpath.element_paths import ElementPath

SPECIAL_VALUES = "http://hl7.org/fhir/special-values"

# "The presence of the pipe symbol SHALL NOT be used" for the first three; ids have no system either.
WITHOUT_SYSTEM = frozenset({"ContactPoint", "uri", "boolean", "id"})
FOLDED = frozenset({"Coding", "CodeableConcept", "Identifier", "ContactPoint", "string"})
CODED = frozenset({"Coding", "CodeableConcept", "Identifier"})


def escaped(code: str) -> str:
    """Return `code` with its bars escaped: it must not look like a system and a code."""
    return code.replace("|", r"\|")


def folded(text: str) -> str:
    """Return a value in the form in which values without regard to case are compared."""
    return escaped(text.casefold())


def values(system: str, code: str | None) -> list[str]:
    """Return the forms in which a code of a system ("": none) is found."""
    if code is None:
        return [f"{system}|"] if system else []
    form = code.casefold()
    if "|" in form:
        form = escaped(form)
    return [f"{system}|{form}", form]


def identifier_values(identifier: dict[str, Any]) -> list[str]:
    """Return the forms in which an Identifier is found."""
    return values(identifier.get("system", ""), identifier.get("value"))


def without_system(paths: Iterable[ElementPath], code: str) -> list[str]:
    """Return the index values at `paths` of `code`, of whatever system."""
    types = {path.type for path in paths}
    forms = {folded(code)} if types & FOLDED else set()
    return sorted(forms | ({escaped(code)} if types - FOLDED else set()))


def with_system(paths: Iterable[ElementPath], system: str, code: str) -> list[str]:
    """Return the index values at `paths` of `code` of `system` ("": of none)."""
    forms: set[str] = set()
    listed = tuple(paths)
    for path in listed:
        if path.type in CODED:
            forms.add(f"{system}|{folded(code)}")
        elif path.type == "string" and not system:
            forms.add(folded(code))
        elif has_system(path, system, listed):
            forms.add(escaped(code))
    return sorted(forms)


def has_system(path: ElementPath, system: str, paths: Iterable[ElementPath]) -> bool:
    """Tell whether the codes of a plain element are of `system`, which the element itself does not say.

    `paths` are all those of the parameter.
    """
    if path.type == "code":
        # Without a single known system, such as of languages, whatever the client says is taken as right;
        # but not in an extension with values of any type, where the code may be of a Coding as well.
        if path.codes_system is None:
            return not any(other.type in CODED for other in paths)
        return system in ("", path.codes_system)
    return path.type == "boolean" and system == SPECIAL_VALUES
