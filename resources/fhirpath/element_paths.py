"""Come down from a FHIRPath expression to the JSON paths of what it selects in one resource type.

Search parameters are expressions of a simple kind: what they select is known from the definitions alone. So
they become data: keys to follow, with the type at the end, and here and there a condition. Whoever reads
resources needs no evaluator.

Source: https://hl7.org/fhir/R4/search.html#table, https://hl7.org/fhir/R4/json.html#choice
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from itertools import islice

from resources.definitions import (
    Element,
    TypeReference,
    profile,
    profile_urls,
    structure,
    type_names,
    value_set_systems,
)
from resources.fhirpath.parser import parse
from resources.fhirpath.syntax import (
    Binary,
    Constant,
    Expression,
    Function,
    Indexer,
    Literal,
    Member,
    TypeOperation,
)
from resources.fhirpath.type_specifiers import is_a


@dataclass(frozen=True, slots=True)
class ElementIs:
    """Only those elements whose child `key` has the string `value`."""

    key: str
    value: str


@dataclass(frozen=True, slots=True)
class ReferenceTo:
    """Only references to resources of the type `type_name`."""

    type_name: str


@dataclass(frozen=True, slots=True)
class HasExtension:
    """Only those elements that have an extension with this URL."""

    url: str


@dataclass(frozen=True, slots=True)
class AtIndex:
    """Only the element at this index, counted from 0."""

    index: int


Condition = ElementIs | ReferenceTo | HasExtension | AtIndex


@dataclass(frozen=True, slots=True)
class Step:
    """One step down in the JSON of a resource: a key, whether an array is there, and which values count."""

    key: str
    is_array: bool
    condition: Condition | None = None


@dataclass(frozen=True, slots=True)
class ElementPath:
    """The way to elements of one type: `steps` from the resource, or from what a composite selects.

    `type` is the FHIR type of what is there; `single` says that there is never more than one. `codes_system`
    is the system of all codes at the end where `type` is `code` and its binding names just one. `targets`
    are the types that a Reference or canonical may point to; () means that nothing is said. `from_resource`
    is set where a component's path begins at the resource although the composite selects an element further
    down.

    If `presence_of` is not empty, the path selects no element but yields one boolean: whether any of these
    keys is there at the end of `steps` with another value than `false`.
    """

    steps: tuple[Step, ...]
    type: str
    single: bool
    codes_system: str | None = None
    targets: tuple[str, ...] = ()
    from_resource: bool = False
    presence_of: tuple[str, ...] = ()


MOST_PLACES = 500
"""How many paths one expression may come down to on its way: an extension has a value of one of 50 types, and
so each `.extension.value` multiplies them by 50."""


# Primitives that are not strings in JSON: https://hl7.org/fhir/R4/json.html#primitive
_OTHER_PRIMITIVES = frozenset(("boolean", "integer", "positiveInt", "unsignedInt", "decimal"))


class NotStaticError(ValueError):
    """The expression selects elements in a way that the definitions alone do not tell."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a path has come to: its type, and the structure and path there that name the children."""

    steps: tuple[Step, ...]
    type: TypeReference
    structure: str
    path: str
    element: Element | None = None
    from_resource: bool = False
    presence_of: tuple[str, ...] = ()


def element_paths(expression: str, resource_type: str) -> tuple[ElementPath, ...]:
    """Return the paths that `expression` comes down to in a resource type, () if it is about other types.

    Raises `NotStaticError` if the definitions do not tell them, `FhirPathSyntaxError` if it is no FHIRPath.
    """
    root = _root(resource_type)
    return _element_paths(_places(parse(expression), (root,), root))


def component_paths(base: str, expression: str, resource_type: str) -> tuple[tuple[ElementPath, ...], ...]:
    """Return, for each path that `base` comes down to, the paths of `expression` relative to it.

    Raises as `element_paths` does.
    """
    root = _root(resource_type)
    component = parse(expression)
    return tuple(
        _element_paths(_places(component, (replace(start, steps=()),), root))
        for place in _places(parse(base), (root,), root)
        for start in _ends(place)
    )


def _root(resource_type: str) -> _Place:
    return _Place((), TypeReference(resource_type), resource_type, "")


def _element_paths(places: Iterable[_Place]) -> tuple[ElementPath, ...]:
    return tuple(dict.fromkeys(_element_path(end) for place in places for end in _ends(place)))


def _ends(place: _Place) -> Iterable[_Place]:
    """Return where an expression ends that leads to `place`: of an extension with a known URL, its values."""
    condition = place.steps[-1].condition if place.steps else None
    if place.type.code == "Extension" and isinstance(condition, ElementIs) and condition.key == "url":
        return _extension_values(place, condition.value)
    return (place,)


def _element_path(place: _Place) -> ElementPath:
    return ElementPath(
        steps=place.steps,
        type=place.type.code,
        single=all(_is_single(step) for step in place.steps),
        codes_system=_codes_system(place),
        targets=place.type.targets,
        from_resource=place.from_resource,
        presence_of=place.presence_of,
    )


def _codes_system(place: _Place) -> str | None:
    binding = place.element.binding if place.element else None
    if place.type.code != "code" or binding is None or binding.strength != "required":
        return None
    systems = value_set_systems(binding.value_set)
    return next(iter(systems)) if len(systems) == 1 else None


def _places(node: Expression, context: tuple[_Place, ...], root: _Place) -> tuple[_Place, ...]:
    """Return where `node` leads from `context`; `root` is the resource that `%resource` stands for."""
    match node:
        case Member(base=None, name=name) if name in type_names("resource"):
            return tuple(place for place in context if is_a(place.type.code, name))
        case Member(base=base, name=name):
            return _children(_places(base, context, root) if base else context, name)
        case Binary(operator="|", left=left, right=right):
            return _places(left, context, root) + _places(right, context, root)
        case Binary(operator="and"):
            return _presence(_places(_present_and_not_false(node), context, root))
        case TypeOperation(operator="as", operand=operand, type_name=type_name):
            return _of_type(_places(operand, context, root), type_name)
        case Function(base=base, name=name, arguments=(argument,)) if base is not None:
            return _called(_places(base, context, root), name, argument)
        case Indexer(base=base, index=Literal(type="integer", value=int(index))):
            return _where(_places(base, context, root), AtIndex(index))
        case Constant(name="resource"):
            return (replace(root, from_resource=True),)
    raise _not_static(node)


def _not_static(node: Expression) -> NotStaticError:
    what = f"the function {node.name}()" if isinstance(node, Function) else type(node).__name__
    return NotStaticError(f"no static path: {what}")


@cache
def _all_type_names() -> frozenset[str]:
    return frozenset(type_names("resource") + type_names("complex-type") + type_names("primitive-type"))


def _children(places: tuple[_Place, ...], name: str) -> tuple[_Place, ...]:
    children = (child for place in places for child in _children_of(place, name))
    found = tuple(islice(children, MOST_PLACES + 1))
    if len(found) > MOST_PLACES:
        raise NotStaticError(f"more than {MOST_PLACES} paths")
    if places and not found:
        raise NotStaticError(f"{places[0].type.code} has no element {name}")
    return found


def _children_of(place: _Place, name: str) -> Iterator[_Place]:
    if not place.path and is_primitive(place.structure):
        if name not in ("extension", "id") or not place.steps:
            return
        place = _sibling(place)
    elements = structure(place.structure).elements
    path = f"{place.path}.{name}" if place.path else name
    element = elements.get(path)
    is_choice = element is None
    element = element or elements.get(f"{path}[x]")
    if element is None:
        if place.type.code == "Extension":  # also `extension('url').city` is taken to be of its value
            yield from (
                child for end in _ends(place) if end is not place for child in _children_of(end, name)
            )
        return
    content = elements[element.content_reference] if element.content_reference is not None else element
    for type_ in content.types:
        step = Step(choice_key(name, type_.code) if is_choice else name, element.maximum != 1)
        # The children of these two are listed where they are used, those of all other types in the type.
        inline = type_.code in ("BackboneElement", "Element")
        yield _Place(
            steps=(*place.steps, step),
            type=type_,
            structure=place.structure if inline else type_.code,
            path=content.path if inline else "",
            element=element,
            from_resource=place.from_resource,
        )


def is_primitive(type_name: str) -> bool:
    """Tell whether values of the type are JSON strings, numbers or booleans."""
    return type_name[0].islower() and type_name != "xhtml"


def _sibling(place: _Place) -> _Place:
    """Return where the id and the extensions of a primitive are: `_birthDate` beside `birthDate`."""
    *before, last = place.steps
    return replace(place, steps=(*before, replace(last, key=f"_{last.key}")))


def choice_key(name: str, type_name: str) -> str:
    """Return the JSON key of a choice element `name[x]` that has a value of the type: `valueQuantity`."""
    return name + type_name[0].upper() + type_name[1:]


def _of_type(places: tuple[_Place, ...], type_name: str) -> tuple[_Place, ...]:
    """Return the places of exactly this type; if there are none, those of its specialisations."""
    name = type_name.removeprefix("FHIR.").removeprefix("System.")
    if name not in _all_type_names():
        name = name[0].lower() + name[1:]  # FHIRPath's own types: DateTime is FHIR's dateTime
    exact = tuple(place for place in places if place.type.code == name)
    return exact or tuple(place for place in places if is_a(place.type.code, name))


def _called(places: tuple[_Place, ...], function: str, argument: Expression) -> tuple[_Place, ...]:
    match function, argument:
        case "as" | "ofType", Member(base=None | Member(base=None, name="FHIR" | "System"), name=type_name):
            return _of_type(places, type_name)
        case "extension", Literal(type="string", value=str(url)):
            return _where(_children(places, "extension"), ElementIs("url", url))
        case "where", Binary(
            operator="=", left=Member(base=None, name=key), right=Literal(type="string", value=str(value))
        ):
            return _where(places, ElementIs(key, value))
        case "where", Function(base=None, name="hasExtension", arguments=(Literal(value=str(url)),)):
            return _where(places, HasExtension(url))
        case "where", TypeOperation(
            operator="is", operand=Function(base=None, name="resolve", arguments=()), type_name=type_name
        ):
            return _references(places, type_name)
    raise NotStaticError(f"no static path: the function {function}() with such an argument")


def _where(places: tuple[_Place, ...], condition: Condition) -> tuple[_Place, ...]:
    if any(not place.steps or place.steps[-1].condition for place in places):
        raise NotStaticError("no static path: a second condition on one element")
    found = tuple(place for place in places if _may_meet(place, condition))
    if places and not found:
        raise NotStaticError(f"no {places[0].type.code} ever meets a condition of this kind")
    return tuple(
        replace(place, steps=(*place.steps[:-1], replace(place.steps[-1], condition=condition)))
        for place in found
    )


def _may_meet(place: _Place, condition: Condition) -> bool:
    """Tell whether elements at `place` are of a type that the condition can be tested on."""
    if isinstance(condition, AtIndex):
        # The first of several is not the first of each.
        *before, last = place.steps
        return last.is_array and all(_is_single(step) for step in before)
    if isinstance(condition, ReferenceTo):
        return True
    if is_primitive(place.type.code):
        return False
    if isinstance(condition, HasExtension):
        return any(_children_of(place, "extension"))
    children = tuple(_children_of(place, condition.key))
    return len(children) == 1 and not children[0].steps[-1].is_array and _is_text(children[0].type.code)


def _is_text(type_name: str) -> bool:
    """Tell whether values of the type are JSON strings."""
    return is_primitive(type_name) and type_name not in _OTHER_PRIMITIVES


def _is_single(step: Step) -> bool:
    return not step.is_array or isinstance(step.condition, AtIndex)


def _references(places: tuple[_Place, ...], type_name: str) -> tuple[_Place, ...]:
    narrowed = (
        replace(place, type=replace(place.type, targets=(type_name,)))
        for place in places
        if place.type.code == "Reference"
    )
    return _where(tuple(narrowed), ReferenceTo(type_name))


def _extension_values(place: _Place, url: str) -> Iterator[_Place]:
    """Yield the values of an extension, of the types that its definition allows (of all if it has none)."""
    definition = profile(url) if url in profile_urls() else structure("Extension")
    element = definition.elements["value[x]"]
    for type_ in element.types if element.maximum != 0 else ():
        value = Step(choice_key("value", type_.code), is_array=False)
        yield _Place((*place.steps, value), type_, type_.code, "", element, place.from_resource)


def _present_and_not_false(node: Binary) -> Expression:
    """Return X of `X.exists() and X != false`."""
    match node.left, node.right:
        case (
            Function(base=found, name="exists", arguments=()),
            Binary(operator="!=", left=compared, right=Literal(type="boolean", value=False)),
        ) if found is not None and found == compared:
            return found
    raise _not_static(node)


def _presence(places: tuple[_Place, ...]) -> tuple[_Place, ...]:
    """Return the one place whose value is whether one of `places`, the types of one element, is there."""
    if not places:
        return ()
    keys = tuple(place.steps[-1].key for place in places)
    steps = places[0].steps[:-1]
    return (_Place(steps, TypeReference("boolean"), "boolean", "", presence_of=keys),)
