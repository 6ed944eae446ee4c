"""The functions that FHIR adds to FHIRPath.

Source: https://hl7.org/fhir/R4/fhirpath.html#functions
"""

from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from resources.fhirpath.errors import FhirPathEvaluationError
from resources.fhirpath.functions.definition import Function
from resources.fhirpath.items import Collection, Item, evaluated, single_string
from resources.fhirpath.nodes import Node, children, resource_of, root_node
from resources.fhirpath.scope import Scope
from resources.validation.narrative import check as check_narrative


def _extension(scope: Scope, items: Collection, url: Collection) -> Collection:
    wanted = single_string(url, "extension()")
    found = [child for item in items if isinstance(item, Node) for child in children(item, "extension")]
    scope.run.work.spend(len(found))
    return [child for child in found if isinstance(child.value, Mapping) and child.value.get("url") == wanted]


def _has_value(_: Scope, items: Collection) -> Collection:
    return [len(items) == 1 and _value(items[0]) is not None]


def _get_value(_: Scope, items: Collection) -> Collection:
    value = _value(items[0]) if len(items) == 1 else None
    return [] if value is None else [value]


def _value(item: Item) -> Item | None:
    """Return the value of a primitive, None for any other element and for a primitive without a value."""
    if isinstance(item, Node):
        return evaluated(item) if item.is_primitive and item.value is not None else None
    return item


def _resolve(scope: Scope, items: Collection) -> Collection:
    """Return what references and canonicals name, as far as it can be found."""
    found: Collection = []
    for item in items:
        target = _target(scope, item)
        if target is not None:
            found.append(target)
    return found


def _target(scope: Scope, item: Item) -> Node | None:
    address = _address(item)
    if address is None:
        return None
    if address.startswith("#"):
        return _contained(item, address[1:]) if isinstance(item, Node) else None
    scope.run.work.spend(1)
    resource = scope.run.resolve(address) if scope.run.resolve else None
    return None if resource is None else root_node(resource)


def _address(item: Item) -> str | None:
    if isinstance(item, Node) and isinstance(item.value, Mapping):
        reference = item.value.get("reference")
        return reference if isinstance(reference, str) else None
    value = evaluated(item)
    return value if isinstance(value, str) else None


def _contained(node: Node, id_: str) -> Node | None:
    """Return the resource that `#id` names: one in the same container, or the container if there is no id."""
    container = resource_of(node)
    if container.key == "contained" and container.parent is not None:
        container = container.parent
    if not id_:
        return container
    candidates = children(container, "contained")
    return next((c for c in candidates if isinstance(c.value, Mapping) and c.value.get("id") == id_), None)


def _member_of(scope: Scope, items: Collection, value_set: Collection) -> Collection:
    url = single_string(value_set, "memberOf()")
    if scope.run.member_of is None:
        raise FhirPathEvaluationError("memberOf() needs a terminology service", "not-supported")
    if len(items) > 1:
        raise FhirPathEvaluationError(f"memberOf() takes a single item, not {len(items)}")
    if not items or url is None:
        return []
    item = items[0]
    return [scope.run.member_of(item.value if isinstance(item, Node) else item, url)]


def _check_modifiers(_: Scope, items: Collection, *allowed: Collection) -> Collection:
    urls = {single_string(url, "checkModifiers()") for url in allowed}
    for item in items:
        for extension in children(item, "modifierExtension") if isinstance(item, Node) else []:
            if not isinstance(extension.value, Mapping) or extension.value.get("url") not in urls:
                raise FhirPathEvaluationError(
                    "checkModifiers() found a modifier extension that is not allowed"
                )
    return items


def _html_checks(_: Scope, items: Collection) -> Collection:
    texts = [item.value for item in items if isinstance(item, Node) and item.type == "xhtml"]
    return [check_narrative(text) is None for text in texts if isinstance(text, str)]


def _refusing(name: str, needed: str) -> Callable[..., Collection]:
    def call(*_: Any) -> NoReturn:
        raise FhirPathEvaluationError(f"{name}() is not supported here: it needs {needed}", "not-supported")

    return call


FHIR: Mapping[str, Function] = {
    "extension": Function(_extension, 1, 1),
    "hasValue": Function(_has_value),
    "getValue": Function(_get_value),
    "resolve": Function(_resolve),
    "memberOf": Function(_member_of, 1, 1),
    "checkModifiers": Function(_check_modifiers, 0, 100),
    "htmlChecks": Function(_html_checks),
    "conformsTo": Function(_refusing("conformsTo", "a validator of profiles"), 1, 1),
    "elementDefinition": Function(_refusing("elementDefinition", "the definitions as data")),
    "slice": Function(_refusing("slice", "the definitions of profiles"), 2, 2),
    "subsumes": Function(_refusing("subsumes", "a terminology service"), 1, 1),
    "subsumedBy": Function(_refusing("subsumedBy", "a terminology service"), 1, 1),
}
