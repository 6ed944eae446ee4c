"""Resources that this server makes itself, put together with the classes of `fhir.resources`.

The classes tell at once what is misspelt or missing. What is stored is what was given to them: when they
write, they turn decimals into binary numbers, and 10.10 is not 10.1 on an invoice.
"""

import uuid
from functools import cache
from typing import Any

Resource = dict[str, Any]

# A namespace of our own, https://www.rfc-editor.org/rfc/rfc9562#section-5.5
_KEYS = uuid.UUID("6f0f8f3e-3c1c-4b58-9a55-0c6f8f8f2d11")


def made(resource_type: str, /, **elements: Any) -> Resource:
    """Return a resource with those of `elements` that are not None; raise ValueError if it is not one."""
    resource = {"resourceType": resource_type}
    resource |= {name: value for name, value in elements.items() if value is not None}
    _class(resource_type).model_validate(resource)
    return resource


def key_id(*parts: str) -> str:
    """Return the id of what is made for something that `parts` name: always the same for the same parts."""
    return str(uuid.uuid5(_KEYS, "|".join(parts)))


@cache
def _class(resource_type: str) -> Any:
    # Imported when first needed: it takes two seconds.
    from fhir.resources.R4B import get_fhir_model_class

    return get_fhir_model_class(resource_type)


def changed(resource: Any, /, **elements: Any) -> Resource:
    """Return a resource with other `elements`; those that are None are left out."""
    together = {**resource, **elements}
    return {name: value for name, value in together.items() if value is not None}


def concept(system: str, code: str, display: str | None = None) -> Resource:
    """Return a CodeableConcept of one code."""
    coding = {"system": system, "code": code} | ({"display": display} if display else {})
    return {"coding": [coding]}


def has_code(concept: Any, system: str, *codes: str) -> bool:
    """Tell whether a CodeableConcept, or one of a list of them, has one of `codes` of a code system."""
    concepts = concept if isinstance(concept, list) else [concept or {}]
    return any(
        coding.get("system") == system and coding.get("code") in codes
        for one in concepts
        for coding in one.get("coding", ())
    )
