"""Expansions of value sets. https://hl7.org/fhir/R4/valueset.html#compositions"""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from resources.definitions import value_set_codes, value_sets
from resources.operation_outcome import FhirError, TooCostly, UnprocessableContent
from terminology.expand import MOST_CODES, expand, expand_definition
from terminology.source import Facts, NothingStored
from terminology.validate_code import validate_code

PLANTS = "http://acme.example/plants"


class _Stored:
    """A source of given resources."""

    def __init__(self, *resources: dict[str, Any]) -> None:
        self._resources = resources

    async def by_url(self, resource_type: str, url: str) -> Sequence[Facts]:
        """Return those of the address."""
        return [r for r in self._resources if r["resourceType"] == resource_type and r.get("url") == url]

    async def by_id(self, resource_type: str, resource_id: str) -> Facts | None:
        """Return the one with the id."""
        found = [
            r for r in self._resources if (r["resourceType"], r.get("id")) == (resource_type, resource_id)
        ]
        return found[0] if found else None


def _system(content: str = "complete", **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "CodeSystem",
        "url": PLANTS,
        "status": "active",
        "content": content,
        "property": [{"code": "height", "type": "integer"}, {"code": "edible", "type": "boolean"}],
        "concept": [
            {
                "code": "tree",
                "display": "Tree",
                "concept": [
                    {"code": "oak", "property": [{"code": "height", "valueInteger": 30}]},
                    {"code": "fruit", "concept": [{"code": "apple", "display": "Apple"}, {"code": "pear"}]},
                ],
            },
            {
                "code": "herb",
                "property": [
                    {"code": "edible", "valueBoolean": True},
                    {"code": "inactive", "valueBoolean": True},
                ],
            },
            # below two: by its place and by a property
            {"code": "cherry", "property": [{"code": "parent", "valueCode": "fruit"}]},
        ],
        **more,
    }


def _set(*include: dict[str, Any], url: str = "http://acme.example/vs", **more: Any) -> dict[str, Any]:
    compose = {"include": list(include), **more.pop("compose", {})}
    return {"resourceType": "ValueSet", "url": url, "status": "active", "compose": compose, **more}


def _filtered(property_: str, operator: str, value: str) -> dict[str, Any]:
    return {"system": PLANTS, "filter": [{"property": property_, "op": operator, "value": value}]}


def _codes(facts: dict[str, Any], *stored: dict[str, Any]) -> str:
    found = asyncio.run(expand_definition(facts, _Stored(*stored)))
    return " ".join(code for _, code in found)


ALL = "tree oak fruit apple pear herb cherry"

# include, the codes
FILTERS = [
    ({"system": PLANTS}, ALL),
    ({"system": PLANTS, "concept": [{"code": "pear"}, {"code": "oak"}]}, "pear oak"),
    (_filtered("concept", "is-a", "fruit"), "fruit apple pear cherry"),
    (_filtered("concept", "descendent-of", "tree"), "oak fruit apple pear cherry"),
    (_filtered("concept", "is-not-a", "fruit"), "tree oak herb"),
    (_filtered("concept", "generalizes", "pear"), "tree fruit pear"),
    (_filtered("code", "in", "oak, pear"), "oak pear"),
    (_filtered("concept", "not-in", "tree,oak,fruit,apple"), "pear herb cherry"),
    (_filtered("code", "=", "oak"), "oak"),
    (_filtered("code", "regex", "[a-h].*r?"), "fruit apple herb cherry"),
    (_filtered("display", "regex", "App.e|Tree"), "tree apple"),
    (_filtered("height", "=", "30"), "oak"),
    (_filtered("height", "exists", "true"), "oak"),
    (_filtered("height", "exists", "false"), "tree fruit apple pear herb cherry"),
    (_filtered("edible", "=", "true"), "herb"),
    (_filtered("parent", "=", "fruit"), "apple pear cherry"),
    (_filtered("child", "in", "oak,pear"), "tree fruit"),
]


@pytest.mark.parametrize(("include", "expected"), FILTERS)
def test_filters(include: dict[str, Any], expected: str) -> None:
    """Each operator of https://hl7.org/fhir/R4/valueset-filter-operator.html selects what it says."""
    assert _codes(_set(include), _system()) == expected


OTHER = _set({"system": PLANTS, "concept": [{"code": "oak"}, {"code": "pear"}]}, url="http://acme.example/a")
WOODS = _set(_filtered("concept", "is-a", "tree"), url="http://acme.example/b", version="2")
FRUIT = "http://acme.example/c"

# a value set, the codes
COMPOSITIONS = [
    (_set({"system": PLANTS, "concept": [{"code": "oak"}]}, _filtered("code", "=", "pear")), "oak pear"),
    (_set({"valueSet": ["http://acme.example/a"]}), "oak pear"),
    (_set({"valueSet": ["http://acme.example/a", "http://acme.example/b|2"]}), "oak pear"),
    (_set({**_filtered("concept", "is-a", "fruit"), "valueSet": ["http://acme.example/a"]}), "pear"),
    (
        _set(
            {"system": PLANTS},
            compose={
                "exclude": [
                    {"valueSet": ["http://acme.example/b"]},
                    {"system": "x", "concept": [{"code": "herb"}]},
                ]
            },
        ),
        "herb",
    ),
    (_set({"system": PLANTS}, compose={"inactive": False}), "tree oak fruit apple pear cherry"),
    (_set({"system": "http://unknown.example", "concept": [{"code": "1"}]}), "1"),
    # what cannot be told by the definition is taken from an expansion that came with it
    (
        _set(
            {"system": "http://unknown.example"},
            expansion={
                "contains": [{"system": "u", "code": "1", "contains": [{"system": "u", "code": "2"}]}]
            },
        ),
        "1 2",
    ),
    (
        {"resourceType": "ValueSet", "url": "x", "expansion": {"contains": [{"system": "u", "code": "1"}]}},
        "1",
    ),
]


@pytest.mark.parametrize(("value_set", "expected"), COMPOSITIONS)
def test_compositions(value_set: dict[str, Any], expected: str) -> None:
    """Includes are added up, what one include says holds together, and excludes are taken away."""
    assert _codes(value_set, _system(), OTHER, WOODS) == expected


_SELF = {"valueSet": ["http://acme.example/vs"]}
_TOO_MANY = [{"code": str(number)} for number in range(MOST_CODES + 1)]

# a value set, the code of the issue, what the message says
REFUSED = [
    (_set({"system": "http://snomed.info/sct"}), "not-found", "http://snomed.info/sct"),
    (_set({"system": "http://snomed.info/sct", "filter": [{}]}), "not-found", "snomed"),
    (_set({"system": PLANTS, "version": "9"}), "not-found", "|9"),
    (_set({"valueSet": ["http://acme.example/none"]}), "not-found", "http://acme.example/none"),
    (_set({"valueSet": ["http://acme.example/b|1"]}), "not-found", "/b|1"),
    (_set(_SELF), "processing", "itself"),
    (_set({"valueSet": ["http://acme.example/loop"]}), "processing", "itself"),
    (_set({}), "invalid", "neither"),
    ({"resourceType": "ValueSet", "url": "x"}, "not-supported", "neither"),
    (_set(_filtered("concept", "is-a", "stone")), "not-found", PLANTS),
    (_set(_filtered("colour", "=", "red")), "not-supported", PLANTS),
    (_set(_filtered("height", "is-a", "30")), "not-supported", "is-a"),
    (_set(_filtered("code", "regex", "(")), "not-supported", "regular"),
    (_set(_filtered("code", "regex", r"(a)\1")), "not-supported", "regular"),
    (_set({"system": "http://acme.example/part"}), "incomplete", "http://acme.example/part"),
    (_set({"system": "urn:u", "concept": _TOO_MANY}), "too-costly", str(MOST_CODES)),
    (
        _set({"system": "urn:u"}, expansion={"total": 3, "contains": [{"system": "u", "code": "1"}]}),
        "not-found",
        "urn:u",
    ),
]


@pytest.mark.parametrize(("value_set", "code", "says"), REFUSED)
def test_what_cannot_be_expanded(value_set: dict[str, Any], code: str, says: str) -> None:
    """A value set whose codes cannot all be told is an error that says why, never an empty answer."""
    stored = (
        _system(),
        _system("fragment") | {"url": "http://acme.example/part"},
        WOODS,
        _set(_SELF, url="http://acme.example/loop"),
        _set({"valueSet": ["http://acme.example/loop"]}),
    )
    with pytest.raises(FhirError) as caught:
        _codes(value_set, *stored)
    assert isinstance(caught.value, TooCostly if code == "too-costly" else UnprocessableContent)
    assert caught.value.issues[0].code == code
    assert says in caught.value.issues[0].diagnostics


def test_work_is_bounded() -> None:
    """A definition that goes through a system again and again is refused after a million codes."""
    system = _system(concept=[{"code": str(number)} for number in range(9_000)])
    value_set = _set(*[_filtered("code", "=", "1")] * 100)
    with pytest.raises(TooCostly, match="too many codes"):
        _codes(value_set, system)


def test_a_pattern_that_would_take_forever() -> None:
    """A regular expression takes time in proportion to the text, whatever a client wrote."""
    system = _system(concept=[{"code": "a" * 60 + "b"}])
    assert _codes(_set(_filtered("code", "regex", "(a+)+$")), system) == ""


def test_versions_and_ids() -> None:
    """A canonical without a version means the newest that is in use; a set is found by its id as well."""

    def version(number: str, code: str, status: str = "active") -> dict[str, Any]:
        return _set({"system": "urn:u", "concept": [{"code": code}]}, version=number, status=status, id=code)

    stored = _Stored(version("1.9", "old"), version("1.10", "new"), version("2.0", "draft", "draft"))

    def codes(reference: str) -> list[str]:
        return [code for _, code in asyncio.run(expand(reference, stored))]

    assert codes("http://acme.example/vs") == ["new"]
    assert codes("http://acme.example/vs|1.9") == ["old"]
    assert codes("ValueSet/draft") == ["draft"]
    with pytest.raises(UnprocessableContent):
        codes("ValueSet/none")


def test_the_value_sets_of_the_specification() -> None:
    """What the definitions alone tell of a value set is what its expansion has."""
    compared = 0
    for url in list(value_sets())[::6]:
        # This one uses a filter that the code system itself defines, which the definitions take as empty.
        expected = value_set_codes(url) if not url.endswith("/example-filter") else None
        if expected is not None and len(expected) < 500:
            assert asyncio.run(expand(url, NothingStored())).keys() == expected, url
            compared += 1
    assert compared > 150


@pytest.mark.parametrize(
    ("system", "code", "display", "result"),
    [
        (PLANTS, "oak", None, True),
        (None, "oak", None, True),
        (PLANTS, "OAK", None, True),
        (PLANTS, "herb", None, False),
        ("http://elsewhere.example", "oak", None, False),
        (PLANTS, "tree", "tree", True),
        (PLANTS, "tree", "Bush", False),
    ],
)
def test_validate_code(system: str | None, code: str, display: str | None, result: bool) -> None:
    """https://hl7.org/fhir/R4/valueset-operation-validate-code.html: a code of the set, with its display."""
    stored = _Stored(_system(caseSensitive=False), WOODS)
    found = asyncio.run(validate_code("http://acme.example/b", system, code, stored, display=display))
    assert found.result == result
    assert (found.message is None) == result
