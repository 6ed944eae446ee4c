"""Chains: `Observation?patient.organization.name=x` asks the resources that references lead to.

Each value of a chain is a question of its own: of a resource with several references, one may lead to what
the first value asks for, and another one to what the second does.
https://hl7.org/fhir/R4/search.html#chaining
"""

from collections.abc import Iterable

from fhir_server.search import inline
from fhir_server.search.allowed import check_chain
from fhir_server.search.asked import Condition, either
from fhir_server.search.fields import fields, narrowed_fields
from fhir_server.search.related import Place, Targets
from fhir_server.search.scope import Criterion, Scope
from resources.definitions import resource_types
from resources.operation_outcome import InvalidSearch, error
from resources.search_parameters import SearchParameter, search_parameters

_CANONICAL = frozenset({"canonical", "uri"})
# What is wrong for one type of targets may be right for another one.
_OF_THE_TYPE = frozenset({"not-supported", "value"})


def is_chain(name: str) -> bool:
    """Tell whether a parameter's name has a chain in it."""
    return "." in name


def condition(
    resource_type: str, name: str, texts: tuple[str, ...], scope: Scope, criterion: Criterion
) -> list[Condition]:
    """Return the conditions, all of which hold, that references lead to what the rest of `name` asks for."""
    link, _, rest = name.partition(".")
    code, _, type_name = link.partition(":")
    parameter = reference_parameter(resource_type, code)
    check_chain(parameter, rest)
    targets = _targets(parameter, type_name)
    deeper = scope.deeper()
    return [_one(parameter, targets, rest, text, name, deeper, criterion) for text in texts]


def reference_parameter(resource_type: str, code: str) -> SearchParameter:
    """Return the parameter `code` of `resource_type`; raise InvalidSearch unless it is one of references."""
    parameter = search_parameters(resource_type).get(code)
    if parameter is None or code not in fields(resource_type) or parameter.type != "reference":
        known = (found for found in search_parameters(resource_type).values() if found.type == "reference")
        listed = ", ".join(found.code for found in known) or "none"
        message = f"{resource_type} has these parameters that lead to other resources: {listed}"
        raise InvalidSearch(error("not-supported", message))
    return parameter


def _targets(parameter: SearchParameter, type_name: str) -> tuple[str, ...]:
    possible = parameter.targets or resource_types()
    if not type_name:
        return possible
    if type_name not in possible:
        listed = ", ".join(possible[:20])
        raise InvalidSearch(error("not-supported", f"{parameter.code} leads to {listed}"))
    return (type_name,)


def _one(
    parameter: SearchParameter,
    targets: Iterable[str],
    rest: str,
    text: str,
    name: str,
    scope: Scope,
    criterion: Criterion,
) -> Condition:
    """Return the condition that a reference leads to a resource of which `rest` is `text`.

    Of several types of targets those count that know the parameter `rest` and take such a value: a code with
    its system is none for a type of which `type` is a uri, and no mistake of who asks for another type.
    """
    alternatives: list[Condition] = []
    failures: list[InvalidSearch] = []
    for target in targets:
        try:
            asked = criterion(target, rest, (text,), scope)
        except InvalidSearch as failure:
            if any(issue.code not in _OF_THE_TYPE for issue in failure.issues):
                raise
            failures.append(failure)
            continue
        if _is_inline(parameter):
            [field] = fields(parameter.resource_type)[parameter.code]
            alternatives.append(inline.condition(field, target, asked))
            continue
        for place in places(parameter, target):
            values = Targets(target, (name, rest, text), scope.base_url, place.by_url, asked)
            alternatives.append({place.path: {"$in": values}})
    # Without either these are canonicals alone, to a type whose resources have no URL.
    if failures and not alternatives:
        raise next((one for one in failures if one.issues[0].code == "value"), failures[0])
    return either(alternatives)


def _is_inline(parameter: SearchParameter) -> bool:
    return any(path.type == "Resource" for path in parameter.paths)


def places(parameter: SearchParameter, target: str) -> list[Place]:
    """Return where references of `parameter` to resources of the type `target` stand."""
    narrow = narrowed_fields(parameter.resource_type).get((parameter.code, target))
    found = [narrow] if narrow else fields(parameter.resource_type)[parameter.code]
    listed: list[Place] = []
    for one in found:
        types = {path.type for path in one.parameter.paths}
        if types - _CANONICAL:
            listed.append(Place(one.path))
        if types & _CANONICAL and "url" in search_parameters(target):
            listed.append(Place(one.path, by_url=True))
    return listed
