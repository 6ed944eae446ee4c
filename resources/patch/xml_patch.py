"""XML Patch: operations on the XML of a resource, applied in their order, all of them or none.

The root of the patch may have any name; its children `add`, `replace` and `remove` are the operations. What a
removal leaves empty is removed too: FHIR has no empty elements.

Source: https://www.rfc-editor.org/rfc/rfc5261, https://hl7.org/fhir/R4/http.html#patch
"""

from typing import Any

from resources import xml_format
from resources.operation_outcome import InvalidContent, UnprocessableContent, error
from resources.patch.xml_operations import Target, apply_operations
from resources.patch.xml_tree import FHIR, XML_SPACE, Element, Name, read_tree, write_tree


def apply(resource: dict[str, Any], patch: bytes) -> dict[str, Any]:
    """Return the patched resource; `patch` is the document of an XML Patch. The resource stays as it was.

    A narrative that is not patched keeps its characters. Whether the result is a valid resource is for its
    validation to say. Raises InvalidContent for what is no XML Patch, UnprocessableContent for one that does
    not apply or leaves no FHIR, NotAcceptable for a resource that XML cannot hold, ContentTooLarge for very
    many operations, and TooCostly for selectors that look at very much.
    """
    operations = read_tree(patch)
    target = Target(Element(Name("", ""), children=[read_tree(xml_format.dumps(resource))]))
    apply_operations(target, operations)
    _remove_empty(target)
    root = next(child for child in target.document.children if isinstance(child, Element))
    try:
        return xml_format.parse(write_tree(root))
    except InvalidContent as failure:
        left = error("structure", "The XML Patch leaves something that is no FHIR resource")
        raise UnprocessableContent(left, *failure.issues) from None


def _remove_empty(target: Target) -> None:
    """Remove the elements from which something was taken, and those around them, if nothing is in them."""
    around: dict[int, Element] = {}
    pending = [target.document] if target.taken_from else []
    while pending:
        element = pending.pop()
        inner = [child for child in element.children if isinstance(child, Element)]
        around.update((id(child), element) for child in inner)
        pending += inner
    for taken_from in target.taken_from:
        element = taken_from
        while (
            _is_empty(element) and (parent := around.get(id(element), target.document)) is not target.document
        ):
            parent.children = [child for child in parent.children if child is not element]
            element = parent


def _is_empty(element: Element) -> bool:
    if element.attributes or element.name.namespace != FHIR:
        return False
    return not any(
        isinstance(c, Element) or (isinstance(c, str) and c.strip(XML_SPACE)) for c in element.children
    )
