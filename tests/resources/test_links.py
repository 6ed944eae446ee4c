"""Where links are found (https://hl7.org/fhir/R4/references.html, https://hl7.org/fhir/R4/http.html#trules)."""

from typing import Any

import pytest

from resources.references import links

_LINK = {"reference": "urn:uuid:1"}


@pytest.mark.parametrize(
    ("resource_type", "content"),
    [
        ("Patient", {"managingOrganization": _LINK}),
        ("Patient", {"contained": [{"resourceType": "Patient", "managingOrganization": _LINK}]}),
        ("Patient", {"_birthDate": {"extension": [{"url": "urn:x", "valueReference": _LINK}]}}),
        # Elements that share the content of another: https://hl7.org/fhir/R4/elementdefinition.html#contentReference
        ("Composition", {"section": [{"section": [{"entry": [_LINK]}]}]}),
        (
            "QuestionnaireResponse",
            {"item": [{"answer": [{"item": [{"answer": [{"valueReference": _LINK}]}]}]}]},
        ),
        ("QuestionnaireResponse", {"item": [{"item": [{"answer": [{"valueReference": _LINK}]}]}]}),
        ("Provenance", {"entity": [{"agent": [{"who": _LINK}]}]}),
        ("Consent", {"provision": {"provision": [{"actor": [{"reference": _LINK}]}]}}),
        ("Parameters", {"parameter": [{"part": [{"part": [{"valueReference": _LINK}]}]}]}),
        ("RequestGroup", {"action": [{"action": [{"resource": _LINK}]}]}),
        ("Contract", {"term": [{"group": [{"asset": [{"typeReference": [_LINK]}]}]}]}),
        ("ImplementationGuide", {"definition": {"page": {"page": [{"nameReference": _LINK}]}}}),
    ],
)
def test_references_are_found_wherever_they_stand(resource_type: str, content: dict[str, Any]) -> None:
    """A reference is found in contained resources, in extensions, and in elements nested in themselves."""
    resource = {"resourceType": resource_type, **content}
    [link] = links(resource, lambda text: text == "never")
    assert (link.text, link.is_reference) == ("urn:uuid:1", True)
    link.replace("Basic/1")
    assert "Basic/1" in str(resource)
    link.replace("urn:uuid:1")
