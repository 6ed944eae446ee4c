"""Whether a SearchParameter resource defines a parameter that can be indexed and asked here.

What is refused is refused with the reason when the resource is stored, not when somebody searches. The
definition comes from outside: what it may cost to look at is bounded.
https://hl7.org/fhir/R4/searchparameter.html
"""

import json
import re
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

from resources.custom_parameters import CustomParameter, CustomParameters
from resources.definitions import resource_types, type_names
from resources.fhirpath.element_paths import NotStaticError
from resources.fhirpath.lexer import FhirPathSyntaxError, tokens
from resources.fhirpath.type_specifiers import is_a
from resources.operation_outcome import Issue, UnprocessableContent, error
from resources.search_parameters import (
    SearchParameter,
    custom_parameter,
    defined_parameters,
    definition_of,
)

# The longest expression of R4 has 1,386 characters and 326 tokens.
_LONGEST_EXPRESSION = 2_000
_MOST_TOKENS = 400
_MOST_PATHS = 100
# Each array on the way is a loop within a loop, of which Python allows 20.
_MOST_STEPS = 12
_FEWEST_COMPONENTS, _MOST_COMPONENTS = 2, 8
_MOST_PARAMETERS = 1_000
_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
_COUNTED = (
    *("url", "code", "base", "type", "expression", "xpathUsage", "target", "multipleOr", "multipleAnd"),
    *("comparator", "modifier", "chain"),
)
_SUPPORTED = (
    "elements, `|`, `as`, `as()`, `ofType()`, `where(element='text')`, `where(resolve() is Type)`,"
    " `extension('url')` and `[index]` of a single list"
)


def defined_parameter(
    resource: Mapping[str, Any], resource_id: str, others: CustomParameters
) -> CustomParameter | None:
    """Return the parameter that an active SearchParameter defines beside `others`.

    None if it is one of R4's own, told again in the same words. It `is ready` nowhere, and its `since` is 0.
    Raises UnprocessableContent with all reasons why it cannot be served.
    """
    rest = [other for other in others.parameters if other.id != resource_id]
    issues = list(_wrong_facts(resource, rest))
    facts = _counted(resource, rest, issues)
    if issues:
        raise UnprocessableContent(*issues)
    served = _served_types(resource)
    parameters = [found for name in served if (found := _parameter(facts, name, issues)) is not None]
    if issues:
        raise UnprocessableContent(*issues[:20])
    own = [found for found in parameters if not _is_told_again(found)]
    if own and not _CODE.fullmatch(facts["code"]):
        rule = "begins with a letter, and goes on with letters, digits, - or _: 64 at most"
        issues.append(_issue("code", rule))
    for parameter in own:
        issues += _clashes(parameter, rest)
    if issues:
        raise UnprocessableContent(*issues[:20])
    if not own:
        return None
    types = frozenset(found.resource_type for found in own)
    return CustomParameter(resource_id, json.dumps(facts, sort_keys=True), types, 0)


def _wrong_facts(resource: Mapping[str, Any], others: Iterable[CustomParameter]) -> Iterable[Issue]:
    """Yield what is wrong with the elements, each looked at by itself."""
    if resource.get("type") == "special":
        yield _issue("type", "is any but special, for which there would have to be a program")
    if resource.get("xpathUsage", "normal") != "normal":
        yield _issue("xpathUsage", "is normal; values are compared in no other way here")
    if not set(resource.get("base", ())) <= set(type_names("resource")):
        yield _issue("base", "names resource types of FHIR R4")
    if "expression" not in resource:
        yield _issue("expression", "is there: without it nothing can be indexed")
    elif problem := _too_large(resource["expression"]):
        yield _issue("expression", problem)
    if not set(resource.get("target", ())) <= set(type_names("resource")):
        yield _issue("target", "names resource types of FHIR R4")
    if any(other.facts["url"] == resource.get("url") for other in others):
        yield _issue("url", "is its own; another active SearchParameter has it", "duplicate")
    if len(list(others)) >= _MOST_PARAMETERS:
        yield _issue("status", f"is active for {_MOST_PARAMETERS} resources at most", "too-costly")


def _issue(element: str, rule: str, code: str = "business-rule") -> Issue:
    path = f"SearchParameter.{element}"
    return error(code, f"{path} {rule}", path)


def _too_large(expression: str) -> str:
    """Return what is to be said of an expression that would take long to look at, "" if it would not."""
    if len(expression) > _LONGEST_EXPRESSION:
        return f"has {_LONGEST_EXPRESSION} characters at most"
    try:
        number = len(list(islice(tokens(expression), _MOST_TOKENS + 1)))
    except FhirPathSyntaxError as failure:
        return f"is {failure.issues[0].diagnostics}"
    return f"has {_MOST_TOKENS} names and signs at most" if number > _MOST_TOKENS else ""


def _counted(
    resource: Mapping[str, Any], others: Iterable[CustomParameter], issues: list[Issue]
) -> dict[str, Any]:
    """Return the facts that count, those of the components' parameters included; add what is wrong there."""
    facts = {name: resource[name] for name in _COUNTED if name in resource}
    parts = resource.get("component", ())
    if resource.get("type") != "composite":
        if parts:
            issues.append(_issue("component", "is there for a composite only"))
        return facts
    if not _FEWEST_COMPONENTS <= len(parts) <= _MOST_COMPONENTS:
        rule = f"is there {_FEWEST_COMPONENTS} to {_MOST_COMPONENTS} times for a composite"
        issues.append(_issue("component", rule))
        return facts
    facts["component"] = []
    for index, part in enumerate(parts):
        where = f"component[{index}]"
        if problem := _too_large(part["expression"]):
            issues.append(_issue(f"{where}.expression", problem))
        known = _known(part["definition"], others)
        if known is None or known["type"] in ("composite", "special"):
            rule = "is the url of a parameter of R4, or of another active one, that is no composite"
            issues.append(_issue(f"{where}.definition", rule))
            continue
        kept = {name: known[name] for name in ("url", "code", "type", "target") if name in known}
        facts["component"].append({**part, "facts": kept})
    return facts


def _known(url: str, others: Iterable[CustomParameter]) -> Mapping[str, Any] | None:
    url = url.partition("|")[0]
    custom = (other.facts for other in others if other.facts["url"] == url)
    return definition_of(url) or next(custom, None)


def _served_types(resource: Mapping[str, Any]) -> list[str]:
    bases = resource.get("base", ())
    return [name for name in resource_types() if any(is_a(name, base) for base in bases)]


def _parameter(facts: Mapping[str, Any], resource_type: str, issues: list[Issue]) -> SearchParameter | None:
    """Return the parameter as it would serve a type; add why it cannot, and return None."""
    if issues:
        return None  # of a parameter of all types, the first reason is the reason of all
    try:
        parameter = custom_parameter(facts, resource_type)
    except NotStaticError as failure:
        rule = f"is made of {_SUPPORTED}; for {resource_type}: {failure}"
        issues.append(_issue("expression", rule, "not-supported"))
        return None
    except FhirPathSyntaxError as failure:
        issues.append(_issue("expression", f"is FHIRPath; {failure.issues[0].diagnostics}", "invalid"))
        return None
    found = list(_wrong_paths(parameter))
    issues += found
    return None if found else parameter


def _wrong_paths(parameter: SearchParameter) -> Iterable[Issue]:
    name = parameter.resource_type
    if not parameter.paths:
        rule = f"leads, in {name}, to elements of a type that a {parameter.type} parameter searches"
        yield _issue("expression", rule)
        return
    if len(parameter.paths) > _MOST_PATHS:
        yield _issue("expression", f"leads to {_MOST_PATHS} kinds of elements at most", "too-costly")
    lengths = [len(path.steps) for path in parameter.paths]
    for index, component in enumerate(parameter.components):
        if not all(component.paths):
            rule = f"leads, in {name}, to elements of a type that a {component.type} parameter searches"
            yield _issue(f"component[{index}].expression", rule)
        lengths += [lengths[0] + len(path.steps) for paths in component.paths for path in paths]
    if max(lengths) > _MOST_STEPS:
        yield _issue("expression", f"leads over {_MOST_STEPS} elements at most", "too-costly")
    if parameter.components and len(parameter.paths) > 1:
        yield _issue("expression", "leads, for a composite, to elements of one kind only")
    if parameter.components and parameter.paths[0].presence_of:
        yield _issue("expression", "leads, for a composite, to elements")
    yield from _wrong_targets(parameter)


def _wrong_targets(parameter: SearchParameter) -> Iterable[Issue]:
    allowed = [set(path.targets) for path in parameter.paths]
    if parameter.type != "reference" or not all(allowed) or any("Resource" in each for each in allowed):
        return
    if not set(parameter.targets) <= set().union(*allowed):
        listed = ", ".join(sorted(set().union(*allowed))[:20])
        yield _issue("target", f"names types that the elements refer to: {listed}")


def _is_told_again(parameter: SearchParameter) -> bool:
    """Tell whether R4 defines the parameter in the same words, as profiles of R4 tell many of it again."""
    defined = defined_parameters(parameter.resource_type).get(parameter.code)
    return (
        defined is not None
        and defined.type == parameter.type
        and set(defined.paths) == set(parameter.paths)
        and [part.paths for part in defined.components] == [part.paths for part in parameter.components]
    )


def _clashes(parameter: SearchParameter, others: Iterable[CustomParameter]) -> Iterable[Issue]:
    name = parameter.resource_type
    if parameter.code in defined_parameters(name):
        yield _issue("code", f"is new for {name}, which has a parameter of this code in R4", "duplicate")
    elif any(name in other.types and other.facts["code"] == parameter.code for other in others):
        yield _issue("code", f"is new for {name}, which has a custom parameter of this code", "duplicate")
