"""The indexes of each resource type. https://www.mongodb.com/docs/manual/reference/limits/#indexes"""

from fhir_server.search.composite import combinations
from fhir_server.search.fields import fields, kept_fields
from fhir_server.search.indexes import MOST_INDEXES, IndexSpecification, index_specifications
from resources.definitions import resource_types

_OF_EVENTS = ("date", "patient", "agent", "entity", "outcome", "subtype", "seq", "updated")


def _of(resource_type: str, name: str) -> IndexSpecification:
    return next(index for index in index_specifications(resource_type) if index.name == name)


def test_limits() -> None:
    """No type has more indexes than MongoDB allows, or two of the same name or keys."""
    for resource_type in resource_types():
        found = index_specifications(resource_type)
        assert len(found) <= MOST_INDEXES
        assert len({index.name for index in found}) == len(found)
        assert len({index.keys for index in found}) == len(found)


def test_each_parameter() -> None:
    """Each parameter that has a field has an index that begins with it and holds only what has a value.

    AuditEvents, which are written with nearly everything, have those that auditors mostly ask by.
    """
    for resource_type in resource_types():
        found = index_specifications(resource_type)
        for path in (
            *(field.path for listed in fields(resource_type).values() for field in listed),
            *(kept.path for kept in combinations(resource_type)),
        ):
            if resource_type == "AuditEvent" and path.removeprefix("search.") not in _OF_EVENTS:
                continue
            firsts = [index.keys[0][0] for index in found]
            assert path == "_id" or any(f"{first}.".startswith(f"{path}.") for first in firsts), path
        for index in found:
            if index.keys[0][0].startswith("search."):
                assert index.partial is not None
                assert any(
                    f"{key}.".startswith(f"{path}.") for key, _ in index.keys for path in index.partial
                )


def test_no_two_arrays() -> None:
    """No index has keys in two fields that may be arrays, which MongoDB cannot do."""
    for resource_type in resource_types():
        arrays = {field.path for field in kept_fields(resource_type) if not field.is_bare}
        arrays |= {kept.path for kept in combinations(resource_type)}
        for index in index_specifications(resource_type):
            keys = {".".join(key.split(".")[:2]) for key, _ in index.keys}
            assert len(keys & arrays) <= 1, index


def test_order_of_creation() -> None:
    """An index on a field ends with the order of creation, in which pages come."""
    assert _of("Observation", "code").keys == (("search.code", 1), ("seq", 1))
    assert _of("Observation", "patient, code").keys == (
        ("search.patient", 1),
        ("search.code", 1),
        ("seq", 1),
    )


def test_dates() -> None:
    """The start of intervals has an index with their end in it, and the end of long ones another."""
    assert _of("Encounter", "date").keys == (
        ("search.date.lo", 1),
        ("seq", 1),
        ("search.date.hi", 1),
    )
    assert _of("Encounter", "date.until").partial == {"search.date.until": {"$exists": True}}
