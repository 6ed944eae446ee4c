"""Which fields of a document the values of each search parameter are kept in.

Most parameters have a field of their own, `search.<code>`. A parameter whose elements are all elements of
others, as those of `Observation.combo-code` are of `code` and `component-code`, is not kept a second time but
asked of these. https://hl7.org/fhir/R4/search.html#all

Custom parameters always have a field of their own: they come and go without those of R4 being laid out anew.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache

from fhir_server.search.asked import Field, kind
from fhir_server.search.types import KINDS
from resources.custom_parameters import once_for_each_type
from resources.fhirpath.element_paths import ElementPath, ReferenceTo, Step
from resources.search_parameters import (
    SearchParameter,
    defined_parameters,
    indexed_parameters,
    search_parameters,
)

# Found in the document's own fields.
_OF_DOCUMENT = {"_id": "_id", "_lastUpdated": "updated"}


@once_for_each_type
def fields(resource_type: str) -> Mapping[str, tuple[Field, ...]]:
    """Return the fields of each parameter that has any, by code; composites are not among them."""
    kept = _kept(resource_type)
    found: dict[str, tuple[Field, ...]] = {}
    for code, parameter in sorted(search_parameters(resource_type).items()):
        if not is_searchable(parameter) or parameter.type == "composite":
            continue
        if parameter.is_custom:
            found[code] = (_own_field(parameter),)
        elif code in _OF_DOCUMENT:
            found[code] = (Field(_OF_DOCUMENT[code], parameter, is_bare=True),)
        elif code in kept:
            found[code] = (kept[code],)
        else:
            found[code] = tuple(kept[part.code] for part in _parts(parameter, _candidates(resource_type)))
    return found


@once_for_each_type
def kept_fields(resource_type: str) -> tuple[Field, ...]:
    """Return the fields that stand in `search`, sorted, those of composites left aside."""
    found = {
        **_kept(resource_type),
        **{field.parameter.code: field for field in custom_fields(resource_type)},
    }
    return tuple(field for _, field in sorted(found.items()))


def defined_fields(resource_type: str) -> tuple[Field, ...]:
    """Return the fields that stand in `search` for the parameters of R4, sorted, composites left aside."""
    return tuple(field for _, field in sorted(_kept(resource_type).items()))


def custom_fields(resource_type: str) -> tuple[Field, ...]:
    """Return the fields of custom parameters, also of those that wait to be asked; composites left aside."""
    return tuple(
        _own_field(parameter)
        for parameter in indexed_parameters(resource_type).values()
        if parameter.is_custom and parameter.type != "composite"
    )


@cache
def narrowed_fields(resource_type: str) -> Mapping[tuple[str, str], Field]:
    """Return fields of references to one type, by the code of a wider parameter and the name of the type.

    `Observation?subject=Patient/1` asks the same as `patient=Patient/1`, which more indexes know about.
    """
    known = defined_fields(resource_type)
    found: dict[tuple[str, str], Field] = {}
    for narrow in known:
        conditions = {path.steps[-1].condition for path in narrow.parameter.paths if path.steps}
        for wide in known:
            if len(conditions) == 1 and _steps(narrow) == _steps(wide) and narrow is not wide:
                [condition] = conditions
                if isinstance(condition, ReferenceTo):
                    found[wide.parameter.code, condition.type_name] = narrow
    return found


def _steps(field: Field) -> set[tuple[Step, ...]]:
    """Return the steps of a field's paths, without the condition that only one type of reference counts."""
    return {
        tuple(
            replace(step, condition=None) if isinstance(step.condition, ReferenceTo) else step
            for step in path.steps
        )
        for path in field.parameter.paths
    }


def is_searchable(parameter: SearchParameter) -> bool:
    """Tell whether the parameter can be searched: it has an expression, and a known way to compare."""
    return bool(parameter.paths) and (parameter.type == "composite" or kind(parameter) in KINDS)


def is_bare(type_: str, paths: Iterable[ElementPath]) -> bool:
    """Tell whether `paths` lead to one index value at most.

    That holds on a path to an element that does not repeat, and for the alternatives of a choice of types, of
    which only one can be there.
    """
    listed = tuple(paths)
    return (
        all(path.single and not KINDS[type_].reader(path).several for path in listed)
        and len({_element(path) for path in listed}) == 1
    )


def _element(path: ElementPath) -> tuple[str, ...]:
    """Return the keys of `path` without the type that the JSON key of a choice ends with."""
    keys = [step.key for step in path.steps]
    if keys:
        keys[-1] = keys[-1].removesuffix(path.type[0].upper() + path.type[1:])
    return tuple(keys)


@cache
def _kept(resource_type: str) -> Mapping[str, Field]:
    candidates = _candidates(resource_type)
    return {
        parameter.code: _own_field(parameter) for parameter in candidates if not _parts(parameter, candidates)
    }


def _own_field(parameter: SearchParameter) -> Field:
    return Field(f"search.{parameter.code}", parameter, is_bare(kind(parameter), parameter.paths))


def _candidates(resource_type: str) -> list[SearchParameter]:
    """Return the parameters that may have a field of their own; of two about the same, the first stays.

    `patient` comes before all others, as it is in most of the indexes on two parameters.
    """
    found = [
        parameter
        for parameter in defined_parameters(resource_type).values()
        if is_searchable(parameter) and parameter.type != "composite" and parameter.code not in _OF_DOCUMENT
    ]
    return sorted(found, key=lambda parameter: (parameter.code != "patient", parameter.code))


def _parts(parameter: SearchParameter, candidates: list[SearchParameter]) -> list[SearchParameter]:
    """Return other parameters that are about the same elements as `parameter`, all of them together."""
    wanted = set(parameter.paths)
    position = candidates.index(parameter)
    parts = [
        other
        for index, other in enumerate(candidates)
        if kind(other) == kind(parameter)
        and (set(other.paths) < wanted or (index < position and set(other.paths) == wanted))
        and (parameter.type != "reference" or other.targets == parameter.targets)
    ]
    return parts if {path for part in parts for path in part.paths} == wanted else []
