"""Laws that hold for whatever JSON arrives, however broken."""

import copy
import random
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from resources.definitions import resource_types, structure
from resources.operation_outcome import Issue
from resources.validation import validate

_NAMES = """
    resourceType id meta text div status contained extension url valueString _valueString valueReference
    reference type identifier system value code coding name given _given period start end item linkId entry
    resource parameter part valueQuantity component subject birthDate _birthDate x
"""
NAMES = _NAMES.split()
TYPES = ["Patient", "Observation", "Bundle", "Parameters", "Questionnaire"]
TEXTS = [*TYPES, "final", "#", "#a", "a", "2000-01-01", "", "<div>"]

scalars = (
    st.none() | st.booleans() | st.integers() | st.decimals() | st.sampled_from(TEXTS) | st.text(max_size=5)
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=3), inner, max_size=5)
    ),
    max_leaves=30,
)
"""JSON values, mostly with names and texts that mean something in FHIR."""

resources = st.builds(
    lambda name, content: {**content, "resourceType": name},
    st.sampled_from(TYPES) | st.sampled_from(resource_types()),
    st.dictionaries(st.sampled_from(NAMES), values, max_size=6),
)


def summary(issues: list[Issue]) -> list[tuple[str, str, tuple[str, ...]]]:
    """Return all of the issues but their severity."""
    return [(issue.code, issue.diagnostics, issue.expression) for issue in issues]


@given(values | resources)
def test_nothing_is_raised(value: Any) -> None:
    """Any JSON value has a list of issues, and is left as it was."""
    before = copy.deepcopy(value)
    issues = validate(value)
    assert all(isinstance(issue, Issue) and issue.diagnostics for issue in issues)
    assert repr(value) == repr(before)


@given(resources)
def test_issues_are_told_where_the_resource_is(resource: dict[str, Any]) -> None:
    """A resource has the same issues in a bundle's entry as alone, with a longer path."""
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": resource}]}
    place = "Bundle.entry[0].resource"
    alone = summary(validate(resource))
    assert summary(validate(bundle)) == [
        (code, text, tuple(path.replace(resource["resourceType"], place, 1) for path in paths))
        for code, text, paths in alone
    ]


@given(resources, st.randoms(use_true_random=False))
def test_order_of_properties_means_nothing(resource: dict[str, Any], chance: random.Random) -> None:
    """https://hl7.org/fhir/R4/json.html: properties can appear in any order."""

    def shuffled(value: Any) -> Any:
        if isinstance(value, list):
            return [shuffled(item) for item in value]
        if not isinstance(value, dict):
            return value
        names = list(value)
        chance.shuffle(names)
        return {name: shuffled(value[name]) for name in names}

    assert sorted(summary(validate(shuffled(resource)))) == sorted(summary(validate(resource)))


@given(resources)
def test_data_is_not_told(resource: dict[str, Any]) -> None:
    """Neither texts nor numbers of the resource are in the issues: they may be a patient's data."""
    secret = "S3CR3T"

    def marked(value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            return {name: marked(item, name) for name, item in value.items()}
        if isinstance(value, list):
            return [marked(item, key) for item in value]
        if isinstance(value, bool | None) or key == "resourceType":
            return value
        return f"{secret} {value}" if isinstance(value, str) else Decimal("8675309.5")

    for issue in validate(marked(resource)):
        told = f"{issue.diagnostics} {issue.expression}"
        assert secret not in told
        assert "8675309" not in told


def test_every_type_is_compiled() -> None:
    """For each resource type and each of its elements, a value of a wrong JSON type is found at its place."""
    for name in resource_types():
        for path, element in structure(name).elements.items():
            if not path or "." in path or path == "id":
                continue
            for type_ in element.types:
                choice = f"{type_.code[0].upper()}{type_.code[1:]}" if path.endswith("[x]") else ""
                key = path.removesuffix("[x]") + choice
                step = f"{path.removesuffix('[x]')}.ofType({type_.code})" if choice else path
                wrong = [(i.code, i.expression) for i in validate({"resourceType": name, key: [[]]})]
                expected = f"{name}.{step}[0]" if element.maximum is None else f"{name}.{step}"
                assert ("structure", (expected,)) in wrong, (name, key)
