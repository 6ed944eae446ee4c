"""Where the values of parameters are kept. https://hl7.org/fhir/R4/search.html#all"""

import pytest

from fhir_server.search.composite import Combination, combinations, places
from fhir_server.search.fields import fields, kept_fields, narrowed_fields
from resources.definitions import resource_types
from resources.search_parameters import search_parameters


@pytest.mark.parametrize(
    ("resource_type", "code", "paths"),
    [
        ("Observation", "code", ["search.code"]),
        ("Observation", "combo-code", ["search.code", "search.component-code"]),
        (
            "Observation",
            "combo-value-quantity",
            ["search.component-value-quantity", "search.value-quantity"],
        ),
        ("Coverage", "beneficiary", ["search.patient"]),
        ("Coverage", "patient", ["search.patient"]),
        ("Bundle", "composition", ["search.composition"]),
        ("Bundle", "message", ["search.message"]),
        ("Patient", "_id", ["_id"]),
        ("Patient", "_lastUpdated", ["updated"]),
    ],
)
def test_paths(resource_type: str, code: str, paths: list[str]) -> None:
    """A parameter is kept under its own code, unless others are about the very same elements."""
    assert sorted(field.path for field in fields(resource_type)[code]) == paths


def test_every_parameter_has_a_place() -> None:
    """Each parameter with an expression has a field, or places if it is a composite."""
    for resource_type in resource_types():
        for code, parameter in search_parameters(resource_type).items():
            if parameter.paths and parameter.usage == "normal" and parameter.type != "special":
                known = places if parameter.type == "composite" else fields
                assert known(resource_type)[code], f"{resource_type}.{code}"


@pytest.mark.parametrize(
    ("code", "type_name", "path"),
    [("subject", "Patient", "search.patient"), ("participant", "Practitioner", "search.practitioner")],
)
def test_narrowed(code: str, type_name: str, path: str) -> None:
    """A question about one type of references can go to the parameter for that type."""
    assert narrowed_fields("Encounter")[code, type_name].path == path


def test_not_narrowed() -> None:
    """References to other elements are never narrowed to each other."""
    assert ("encounter", "Patient") not in narrowed_fields("Observation")


def test_bare_fields() -> None:
    """A field is bare where an element and its index values cannot repeat."""
    bare = {field.parameter.code for field in kept_fields("Observation") if field.is_bare}
    assert bare >= {"status", "subject", "patient", "encounter", "date", "value-quantity", "value-date"}
    assert not bare & {"code", "category", "component-value-quantity", "value-string", "performer"}


def test_combinations() -> None:
    """Only composites of elements that may repeat are kept, each kind of combination once."""
    assert [kept.path for kept in combinations("Observation")] == [
        "search.component-code-value-concept",
        "search.component-code-value-quantity",
    ]
    [whole, component] = places("Observation")["combo-code-value-quantity"]
    assert not isinstance(whole, Combination)
    assert [(part.field.path, part.choice) for part in whole] == [
        ("search.code", ()),
        ("search.value-quantity", ("valueQuantity",)),
    ]
    assert component == places("Observation")["component-code-value-quantity"][0]
