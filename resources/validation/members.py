"""Which JSON properties a kind of object may have, from the elements of its structure.

Source: https://hl7.org/fhir/R4/json.html#primitive, https://hl7.org/fhir/R4/formats.html#choice
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from resources.definitions import Element, Structure, TypeReference


@dataclass(frozen=True, slots=True)
class Member:
    """One JSON property: an element, or one type of an element that has a choice of types.

    `name` is the element's, without `[x]`. `type` is None if the element has the content of another one.
    `number` counts the elements that are required or a choice, from 0; it is None for the others. A twin is
    the property `_name` with the id and the extensions of a primitive.
    """

    name: str
    element: Element
    type: TypeReference | None
    number: int | None
    is_twin: bool = False

    @property
    def is_primitive(self) -> bool:
        """Tell whether the value is a primitive: their types have names with a small first letter."""
        return self.type is not None and self.type.code[0].islower()

    @property
    def is_array(self) -> bool:
        """Tell whether the element may repeat, and so is a JSON array."""
        return self.element.maximum != 1

    @property
    def step(self) -> str:
        """Return the FHIRPath step that leads to the value, such as `.name` or `.value.ofType(Quantity)`."""
        if self.type is not None and _is_choice(self.element):
            return f".{self.name}.ofType({self.type.code})"
        return f".{self.name}"


def members(of: Structure, parent: str = "") -> Mapping[str, Member]:
    """Return what an object may have, by JSON property: the children of the element with path `parent`."""
    found = dict(_members(of, f"{parent}." if parent else ""))
    twins = {
        f"_{name}": replace(member, is_twin=True)
        for name, member in found.items()
        if member.is_primitive and not _is_attribute(member, of, parent)
    }
    return found | twins


def _members(of: Structure, prefix: str) -> Iterator[tuple[str, Member]]:
    count = 0
    for path, element in of.elements.items():
        name = path.removeprefix(prefix)
        if not path.startswith(prefix) or not name or "." in name:
            continue
        is_choice = _is_choice(element)
        number = None
        if element.minimum > 0 or is_choice:
            number, count = count, count + 1
        name = name.removesuffix("[x]")
        for type_ in element.types or (None,):
            property_name = name + type_.code[0].upper() + type_.code[1:] if is_choice and type_ else name
            yield property_name, Member(name, element, type_, number)


def _is_choice(element: Element) -> bool:
    return element.path.endswith("[x]")


def _is_attribute(member: Member, of: Structure, parent: str) -> bool:
    """Tell whether the element is an XML attribute or XHTML, which have neither id nor extensions."""
    if member.name == "id":
        return of.kind != "resource" or parent != ""
    return (of.name, member.name) in {("Extension", "url"), ("Narrative", "div")}
