"""JSON Patch: https://www.rfc-editor.org/rfc/rfc6902."""

import copy
import json
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources import json_format
from resources.operation_outcome import ContentTooLarge, FhirError, InvalidContent, UnprocessableContent
from resources.patch import apply_json_patch

CASES = Path(__file__).parents[4] / "shared/data/fhir-test-cases/r4/patch/json-patch-tests.json"

PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "p1",
    "active": True,
    "multipleBirthInteger": 1,
    "name": [{"family": "Chalmers", "given": ["Peter", "James"]}, {"given": ["Jim"]}],
    "extension": [{"url": "urn:a/b~c", "valueDecimal": Decimal("1.50")}],
}


def patched(*operations: Any) -> Any:
    """Return the patient after some operations."""
    return apply_json_patch(PATIENT, list(operations))


def hl7_cases() -> Iterator[tuple[str, bool]]:
    """Yield what each case is about, and whether it is passed."""
    for case in json_format.parse(CASES.read_bytes()):
        try:
            passed = apply_json_patch(case["doc"], case["patch"]) == case.get("expected")
        except UnprocessableContent:
            passed = "error" in case
        yield case["comment"], passed


@pytest.mark.skipif(not CASES.exists(), reason="needs ../shared/data/fhir-test-cases")
def test_hl7_cases() -> None:
    """All of https://github.com/FHIR/fhir-test-cases/blob/master/r4/patch/json-patch-tests.json."""
    results = list(hl7_cases())
    assert len(results) == 16
    assert [name for name, passed in results if not passed] == []


@pytest.mark.parametrize(
    ("operation", "place", "expected"),
    [
        ({"op": "add", "path": "/birthDate", "value": "1974-12-25"}, "birthDate", "1974-12-25"),
        ({"op": "add", "path": "/active", "value": False}, "active", False),
        (
            {"op": "add", "path": "/name/0", "value": {"family": "A"}},
            "name",
            [{"family": "A"}, *PATIENT["name"]],
        ),
        (
            {"op": "add", "path": "/name/2", "value": {"family": "A"}},
            "name",
            [*PATIENT["name"], {"family": "A"}],
        ),
        (
            {"op": "add", "path": "/name/-", "value": {"family": "A"}},
            "name",
            [*PATIENT["name"], {"family": "A"}],
        ),
        (
            {"op": "add", "path": "/name/1/family", "value": "B"},
            "name",
            [PATIENT["name"][0], {"given": ["Jim"], "family": "B"}],
        ),
        ({"op": "remove", "path": "/active"}, "active", None),
        ({"op": "remove", "path": "/name/0"}, "name", [{"given": ["Jim"]}]),
        (
            {"op": "remove", "path": "/name/0/given/1"},
            "name",
            [{"family": "Chalmers", "given": ["Peter"]}, {"given": ["Jim"]}],
        ),
        ({"op": "replace", "path": "/active", "value": False}, "active", False),
        (
            {"op": "replace", "path": "/name/1/given/0", "value": "J"},
            "name",
            [PATIENT["name"][0], {"given": ["J"]}],
        ),
        ({"op": "move", "from": "/name/1", "path": "/name/0"}, "name", PATIENT["name"][::-1]),
        ({"op": "move", "from": "/name/0", "path": "/name/1"}, "name", PATIENT["name"][::-1]),
        ({"op": "move", "from": "/name/0", "path": "/name/0"}, "name", PATIENT["name"]),
        ({"op": "move", "from": "", "path": ""}, "active", True),
        ({"op": "copy", "from": "/id", "path": "/language"}, "language", "p1"),
        (
            {"op": "copy", "from": "/name/1", "path": "/name/-"},
            "name",
            [*PATIENT["name"], PATIENT["name"][1]],
        ),
        ({"op": "test", "path": "/multipleBirthInteger", "value": Decimal("1.0")}, "active", True),
        ({"op": "test", "path": "/name/1", "value": {"given": ["Jim"]}}, "active", True),
        ({"op": "test", "path": "", "value": PATIENT}, "active", True),
        ({"op": "replace", "path": "/extension/0/url", "value": "u", "note": "ignored"}, "active", True),
    ],
)
def test_operations(operation: dict[str, Any], place: str, expected: Any) -> None:
    """https://www.rfc-editor.org/rfc/rfc6902#section-4: None where nothing is left."""
    assert patched(operation).get(place) == expected


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "add", "path": "/contact/name", "value": 1},
        {"op": "add", "path": "/name/3", "value": {}},
        {"op": "add", "path": "/name/01", "value": {}},
        {"op": "add", "path": "/name/+1", "value": {}},
        {"op": "add", "path": "/name/family", "value": {}},
        {"op": "add", "path": "/active/x", "value": 1},
        {"op": "remove", "path": "/birthDate"},
        {"op": "remove", "path": "/name/2"},
        {"op": "remove", "path": "/name/-"},
        {"op": "remove", "path": "/id/0"},
        {"op": "remove", "path": ""},
        {"op": "replace", "path": "/birthDate", "value": 1},
        {"op": "replace", "path": "", "value": []},
        {"op": "move", "from": "/birthDate", "path": "/id"},
        {"op": "copy", "from": "/birthDate", "path": "/id"},
        {"op": "test", "path": "/birthDate", "value": None},
        {"op": "test", "path": "/active", "value": 1},
        {"op": "test", "path": "/multipleBirthInteger", "value": True},
        {"op": "test", "path": "/multipleBirthInteger", "value": "1"},
        {"op": "test", "path": "/multipleBirthInteger", "value": 2},
        {"op": "test", "path": "/name", "value": []},
        {"op": "test", "path": "/name/1", "value": {"given": ["Jim"], "family": "x"}},
        {"op": "test", "path": "/name/1", "value": {"family": ["Jim"]}},
    ],
)
def test_what_does_not_apply(operation: dict[str, Any]) -> None:
    """An operation on a place that is not there, or a test that fails, is an error that names no value."""
    with pytest.raises(UnprocessableContent) as caught:
        patched(operation)
    assert "Chalmers" not in str(caught.value)


@pytest.mark.parametrize(
    "patch",
    [
        None,
        {},
        "[]",
        ["add"],
        [{}],
        [{"op": "ADD", "path": "/a", "value": 1}],
        [{"op": ["add"], "path": "/a", "value": 1}],
        [{"op": "add", "value": 1}],
        [{"op": "add", "path": "/a"}],
        [{"op": "test", "path": "/id"}],
        [{"op": "replace", "path": "/id"}],
        [{"op": "move", "path": "/id"}],
        [{"op": "copy", "path": "/id"}],
        [{"op": "remove", "path": 1}],
        [{"op": "move", "path": "/id", "from": None}],
        [{"op": "remove", "path": "id"}],
        [{"op": "remove", "path": "/a~2"}],
        [{"op": "remove", "path": "/a~"}],
        [{"op": "remove", "path": "/a" * 201}],
        [{"op": "move", "from": "/name", "path": "/name/0/x"}],
        [{"op": "move", "from": "", "path": "/x"}],
    ],
)
def test_what_is_no_patch(patch: Any) -> None:
    """https://www.rfc-editor.org/rfc/rfc6902#section-3: what is malformed is refused before it is applied."""
    with pytest.raises(InvalidContent):
        apply_json_patch(PATIENT, patch)


def test_escapes() -> None:
    """https://www.rfc-editor.org/rfc/rfc6901#section-3: `~1` is a slash and `~0` a tilde, in this order."""
    document = {"a/b": 1, "m~n": 2, "~1": 3, "": 4}
    for path, value in (("/a~1b", 1), ("/m~0n", 2), ("/~01", 3), ("/", 4)):
        assert apply_json_patch(document, [{"op": "test", "path": path, "value": value}]) == document


def test_all_or_nothing() -> None:
    """The resource stays as it was, whether a patch applies or fails on the way."""
    before = copy.deepcopy(PATIENT)
    patched(
        {"op": "remove", "path": "/name/0/given/0"}, {"op": "add", "path": "/name/0/given/-", "value": "x"}
    )
    with pytest.raises(UnprocessableContent):
        patched({"op": "remove", "path": "/name/0"}, {"op": "test", "path": "/active", "value": False})
    assert before == PATIENT


def test_decimals_keep_their_digits() -> None:
    """https://hl7.org/fhir/R4/json.html#decimal: what is patched, and what is not, has its digits."""
    patch = json_format.parse(
        b'[{"op": "add", "path": "/extension/-", "value": {"url": "u", "valueDecimal": 2.0}}]'
    )
    extensions = patched(*patch)["extension"]
    assert [str(extension["valueDecimal"]) for extension in extensions] == ["1.50", "2.0"]


def test_nothing_empty_is_left() -> None:
    """https://hl7.org/fhir/R4/json.html: no empty arrays and objects, as far as removals made them."""
    removals = [{"op": "remove", "path": f"/name/0/{place}"} for place in ("given/1", "given/0", "family")]
    assert patched(*removals)["name"] == [{"given": ["Jim"]}]
    assert "extension" not in patched({"op": "remove", "path": "/extension/0"})
    refilled = patched(
        {"op": "remove", "path": "/extension/0"},
        {"op": "add", "path": "/extension/-", "value": {"url": "u"}},
    )
    assert refilled["extension"] == [{"url": "u"}]
    assert (
        patched({"op": "move", "from": "/extension/0", "path": "/modifierExtension"}).get("extension") is None
    )
    assert patched({"op": "add", "path": "/contact", "value": []})["contact"] == []
    gone = patched({"op": "remove", "path": "/name/1/given/0"}, {"op": "remove", "path": "/name"})
    assert "name" not in gone


def test_copies_are_bounded() -> None:
    """A document that copies itself into itself doubles each time; it is stopped long before it is large."""
    begin = time.process_time()
    with pytest.raises(ContentTooLarge):
        patched(*[{"op": "copy", "from": "", "path": f"/a{number}"} for number in range(100)])
    assert time.process_time() - begin < 5
    with pytest.raises(ContentTooLarge):
        patched(*[{"op": "remove", "path": "/x"}] * 1001)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text("ab~/", max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("ab~/0-", max_size=2), inner, max_size=3)
    ),
    max_leaves=10,
)
POINTERS = st.lists(st.sampled_from(["a", "b", "0", "1", "-", "~0", "~1"]), max_size=3).map(
    lambda tokens: "".join(f"/{token}" for token in tokens)
)
OPERATIONS = st.fixed_dictionaries(
    {
        "op": st.sampled_from(["add", "remove", "replace", "move", "copy", "test"]),
        "path": POINTERS,
        "from": POINTERS,
        "value": JSON,
    }
)


@given(st.dictionaries(st.sampled_from("ab~/"), JSON, max_size=4), st.lists(OPERATIONS, max_size=5))
def test_any_patch_applies_or_is_refused(document: dict[str, Any], operations: list[Any]) -> None:
    """Any patch gives a new document or a FhirError, and the old document stays as it was."""
    before = json.dumps(document)
    try:
        assert isinstance(apply_json_patch(document, operations), dict)
    except FhirError as failure:
        assert type(failure) in (InvalidContent, UnprocessableContent)  # noqa: PT017 - either an error or a result
    assert json.dumps(document) == before


@given(JSON, st.sampled_from(["/a", "/b/0", "/b/1", "/b/-", "/b"]))
def test_what_is_added_is_there(value: Any, path: str) -> None:
    """A value that was added passes the test for it, and its removal undoes the addition."""
    document = {"b": [1]}
    place = "/b/1" if path == "/b/-" else path
    added = apply_json_patch(document, [{"op": "add", "path": path, "value": value}])
    assert apply_json_patch(added, [{"op": "test", "path": place, "value": value}]) == added
    if path != "/b":
        assert apply_json_patch(added, [{"op": "remove", "path": place}]) == document
