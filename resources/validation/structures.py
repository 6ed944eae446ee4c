"""From the definition of a type to the check of its JSON: each element gets what its facts call for.

Source: https://hl7.org/fhir/R4/elementdefinition.html, https://hl7.org/fhir/R4/resource.html
"""

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from resources.definitions import Structure, resource_types, structure
from resources.validation.bindings import code_check, concept_check, enforced_value_set
from resources.validation.contained import check_contained
from resources.validation.findings import Check, Findings, Scope, joined, one
from resources.validation.json_values import not_an_object
from resources.validation.members import Member, members
from resources.validation.objects import (
    FIRST_FREE_BIT,
    ObjectKind,
    Properties,
    Property,
    Rule,
    array_check,
    object_check,
    primitive_array_check,
    twin_array_check,
    twin_check,
)
from resources.validation.primitives import primitive_checks
from resources.validation.references import reference_check
from resources.validation.rules import RULES, simple_quantity

_SIMPLE_QUANTITY = "http://hl7.org/fhir/StructureDefinition/SimpleQuantity"


def check_resource(value: Any, _parent: dict[str, Any], scope: Scope) -> Findings | None:
    """Check a resource that stands on its own: the whole content, or the `resource` of a bundle's entry."""
    wrong_type = _check_resource_type(value)
    if wrong_type is not None:
        return wrong_type
    own_scope = Scope(value, scope.depth)
    found = type_check(value["resourceType"])(value, value, own_scope)
    if "contained" in value:
        found = joined(found, check_contained(value, own_scope))
    return found


def _check_contained_resource(value: Any, parent: dict[str, Any], scope: Scope) -> Findings | None:
    return _check_resource_type(value) or type_check(value["resourceType"])(value, parent, scope)


def _check_resource_type(value: Any) -> Findings | None:
    if type(value) is not dict:
        return not_an_object(value)
    if "resourceType" not in value:
        return one("required", "A resource must name its type in resourceType")
    name = value["resourceType"]
    if type(name) is not str or name not in _resource_types():
        return one("structure", "The resourceType must be the name of a resource type of FHIR R4")
    return None


@cache
def _resource_types() -> frozenset[str]:
    return frozenset(resource_types())


@cache
def type_check(name: str) -> Check:
    """Return the check of a resource type or data type by its name."""
    primitives = _primitive_checks()
    if name in primitives:
        return primitives[name]
    return _object_check(structure(name), "", rule=RULES.get(name))


@cache
def _primitive_checks() -> Mapping[str, Check]:
    return primitive_checks()


@cache
def _backbone_check(type_name: str, path: str) -> Check:
    return _object_check(structure(type_name), path)


@cache
def _twin_element_check() -> Check:
    return _object_check(structure("Element"), "", id_suffices=True)


def _object_check(
    of: Structure, parent: str, *, rule: Rule | None = None, id_suffices: bool = False
) -> Check:
    found = members(of, parent)

    def find(name: str) -> Property | None:
        member = found.get(name)
        if member is not None:
            return _member_check(name, member, of.name), _bit(member)
        is_type = name == "resourceType" and of.kind == "resource" and not parent
        return (_is_known_already, 0) if is_type else None

    def step(name: str) -> str:
        if name in found:
            return found[name].step
        return f".{name}" if _is_plain(name) else ""

    return object_check(
        ObjectKind(
            properties=Properties(find),
            step=step,
            required=_required(found.values()),
            count=_count(found),
            rule=rule,
            id_suffices=id_suffices,
        )
    )


def _is_plain(name: str) -> bool:
    """Tell whether the name of an unknown property may be told: it looks like a name, not like content."""
    return len(name) <= _LONGEST_NAME and name.isascii() and name.isidentifier()


_LONGEST_NAME = 64  # of an element, in ElementDefinition's eld-19


def _is_known_already(_value: Any, _parent: dict[str, Any], _scope: Scope) -> Findings | None:
    return None


def _bit(member: Member) -> int:
    return 0 if member.number is None else FIRST_FREE_BIT << member.number


def _required(of: Iterable[Member]) -> int:
    return sum({_bit(member) for member in of if member.element.minimum > 0})


def _count(of: Mapping[str, Member]) -> Rule:
    """Return the rule that required elements are there, and choices are made but once."""
    properties: dict[str, list[str]] = {}
    required: set[str] = set()
    for name, member in of.items():
        if member.number is not None:
            properties.setdefault(member.name, []).append(name)
            if member.element.minimum > 0:
                required.add(member.name)

    def count(value: dict[str, Any]) -> Findings | None:
        found: Findings | None = None
        for element, names in properties.items():
            present = {name.removeprefix("_") for name in names if name in value}
            if len(present) > 1:
                text = "Only one of the types of this element may be used at a time"
                found = joined(found, one("structure", text, f".{element}"))
            elif not present and element in required:
                found = joined(found, one("required", "This element is required", f".{element}"))
        return found

    return count


def _member_check(name: str, member: Member, type_name: str) -> Check:
    if member.is_twin:
        make_twin_check = twin_array_check if member.is_array else twin_check
        return make_twin_check(name.removeprefix("_"), _twin_element_check())
    check = _value_check(member, type_name)
    if not member.is_array:
        return check
    return primitive_array_check(name, check) if member.is_primitive else array_check(check)


def _value_check(member: Member, type_name: str) -> Check:
    """Return the check of one value of an element of the type `type_name`."""
    element, type_ = member.element, member.type
    if type_ is None:
        return _backbone_check(type_name, element.content_reference or "")
    code = type_.code
    if code in ("BackboneElement", "Element"):
        return _backbone_check(type_name, element.path)
    if code == "Resource":
        return _check_contained_resource if element.path == "contained" else check_resource
    if code == "Reference":
        return _reference_check(type_.targets)
    if _SIMPLE_QUANTITY in type_.profiles:
        return _simple_quantity_check()
    value_set = enforced_value_set(element.binding)
    if value_set is not None and code in ("code", "CodeableConcept"):
        return (code_check if code == "code" else concept_check)(value_set, type_check(code))
    return type_check(code)


@cache
def _reference_check(targets: tuple[str, ...]) -> Check:
    return reference_check(targets, type_check("Reference"))


@cache
def _simple_quantity_check() -> Check:
    def rule(quantity: dict[str, Any]) -> Findings | None:
        return joined(RULES["Quantity"](quantity), simple_quantity(quantity))

    return _object_check(structure("Quantity"), "", rule=rule)
