"""_include and _revinclude: what is asked for beside the matches, read from the text of a search.

https://hl7.org/fhir/R4/search.html#revinclude
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from fhir_server.search.fields import fields
from fhir_server.search.known import not_indexed
from resources.custom_parameters import once_for_all_types, once_for_each_type
from resources.definitions import resource_types
from resources.operation_outcome import InvalidSearch, error
from resources.search_parameters import SearchParameter, is_waiting, search_parameters

INCLUDES = ("_include", "_include:iterate", "_revinclude", "_revinclude:iterate")

_MOST_INCLUDES = 50
_ANY = "*"


@dataclass(frozen=True, slots=True)
class Include:
    """References to follow: those in resources of the type `source`, by one parameter or by all of them.

    `source` None is any type, `target` None any that the parameter may refer to. `is_reverse` follows them
    from what is referred to; `iterates` from what was included as well as from the matches.
    """

    source: str | None
    code: str | None
    target: str | None
    is_reverse: bool
    iterates: bool

    def parameters(self, resource_type: str) -> tuple[SearchParameter, ...]:
        """Return the parameters of `resource_type` to follow references by; () if it is not meant."""
        if self.source not in (None, resource_type):
            return ()
        known = reference_parameters(resource_type)
        return tuple(known.values()) if self.code is None else (known[self.code],)

    def takes(self, target: str) -> bool:
        """Tell whether resources of the type `target` may stand at the other end of a reference."""
        return self.target in (None, target)


@once_for_each_type
def reference_parameters(resource_type: str) -> Mapping[str, SearchParameter]:
    """Return the parameters of a type that references are searched by, by code."""
    searchable = fields(resource_type)
    return {
        code: parameter
        for code, parameter in search_parameters(resource_type).items()
        if parameter.type == "reference" and code in searchable
    }


@once_for_each_type
def include_values(resource_type: str) -> tuple[str, ...]:
    """Return what `_include` may say about a resource type, for the CapabilityStatement."""
    codes = reference_parameters(resource_type)
    return (_ANY, *(f"{resource_type}:{code}" for code in (_ANY, *codes) if codes))


@once_for_all_types
def revinclude_values(resource_type: str) -> tuple[str, ...]:
    """Return what `_revinclude` may say in a search for a resource type, for the CapabilityStatement."""
    return tuple(
        f"{source}:{code}"
        for source in resource_types()
        for code, parameter in reference_parameters(source).items()
        if not parameter.targets or resource_type in parameter.targets
    )


def parse_includes(given: Mapping[str, Sequence[str]]) -> tuple[Include, ...]:
    """Return the includes that are given, each once; other names are not looked at.

    Raises InvalidSearch for a type, parameter or target that does not exist.
    """
    pairs = [(name, text) for name in INCLUDES for text in given.get(name, ())]
    if len(pairs) > _MOST_INCLUDES:
        raise InvalidSearch(error("too-costly", f"A search has {_MOST_INCLUDES} includes at most"))
    return tuple(dict.fromkeys(_include(name, text) for name, text in pairs))


def _include(name: str, text: str) -> Include:
    base, _, modifier = name.partition(":")
    source, code, target = _parts(base, text)
    return Include(source, code, target, base == "_revinclude", modifier == "iterate")


def _parts(name: str, text: str) -> tuple[str | None, str | None, str | None]:
    if text == _ANY:
        return None, None, None
    source, *rest = text.split(":")
    if source not in resource_types() or not 1 <= len(rest) <= 2 or not all(rest):
        raise _refusal(
            name, "is *, Type:*, Type:parameter or Type:parameter:TargetType, as in Encounter:patient"
        )
    parameters = reference_parameters(source)
    code, target = rest[0], rest[1] if len(rest) > 1 else None
    if is_waiting(source, code):
        raise InvalidSearch(not_indexed(code))
    if code != _ANY and code not in parameters:
        raise _refusal(name, f"{source} has these parameters for references: {_listed(parameters)}")
    targets = parameters[code].targets if code != _ANY else ()
    if target is not None and target not in (targets or resource_types()):
        raise _refusal(name, f"{source}:{code} refers to {_listed(targets) or 'resource types of R4'}")
    return source, None if code == _ANY else code, target


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)


def _refusal(name: str, what_is_right: str) -> InvalidSearch:
    return InvalidSearch(error("value", f"{name}: {what_is_right}"))
