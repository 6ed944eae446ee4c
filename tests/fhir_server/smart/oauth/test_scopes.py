"""Scopes as SMART writes them, in both syntaxes, and how they are compared and cut down.

https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.smart.oauth.scopes import NAMED_SCOPES, Scope, covers, is_scope, narrow, parse_scope
from resources.definitions import resource_types

_CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category|laboratory"


def _scope(context: str, resource_type: str, actions: str, *query: tuple[str, str]) -> Scope:
    return Scope(context, resource_type, frozenset(actions), query)  # type: ignore[arg-type]


@pytest.mark.requirement("smart-128", "smart-369")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("patient/Observation.rs", _scope("patient", "Observation", "rs")),
        ("patient/*.cruds", _scope("patient", "*", "cruds")),
        ("user/Appointment.c", _scope("user", "Appointment", "c")),
        ("system/Encounter.cud", _scope("system", "Encounter", "cud")),
        ("user/*.s", _scope("user", "*", "s")),
        (
            f"patient/Observation.rs?category={_CATEGORY}",
            _scope("patient", "Observation", "rs", ("category", _CATEGORY)),
        ),
        (
            "patient/Observation.rs?category=http%3A%2F%2Fterminology.hl7.org%2FCodeSystem"
            "%2Fobservation-category%7Claboratory",
            _scope("patient", "Observation", "rs", ("category", _CATEGORY)),
        ),
        (
            "user/Observation.r?status=final&category=vital-signs",
            _scope("user", "Observation", "r", ("category", "vital-signs"), ("status", "final")),
        ),
        ("user/Condition.r?code:in=urn:x", _scope("user", "Condition", "r", ("code:in", "urn:x"))),
        ("patient/Observation.read", _scope("patient", "Observation", "rs")),
        ("patient/Observation.write", _scope("patient", "Observation", "cud")),
        ("user/*.*", _scope("user", "*", "cruds")),
        ("system/*.read", _scope("system", "*", "rs")),
    ],
)
def test_scopes_about_resources_are_read(text: str, expected: Scope) -> None:
    """Both syntaxes give the same value; queries are decoded."""
    assert parse_scope(text) == expected
    assert is_scope(text)


@pytest.mark.requirement("smart-129")
@pytest.mark.parametrize(
    "text",
    [
        "",
        "patient",
        "patient/",
        "patient/Observation",
        "patient/Observation.",
        "patient/Observation.sr",  # the letters out of order
        "patient/Observation.rr",
        "patient/Observation.rsx",
        "patient/Observation.Read",
        "patient/Observation.read.write",
        "patient/observation.rs",
        "patient/Observations.rs",
        "patient/Observation.rs ",
        "patient/Observation.rs\n",
        "Patient/Observation.rs",
        "group/Observation.rs",
        "patient/**.rs",
        "patient/Observation.rs?",
        "patient/Observation.rs?category",
        "patient/Observation.rs?category=",
        "patient/Observation.rs?=x",
        "patient/Observation.rs?category=a&&b=c",
        "patient/Observation.rs?category=a b",
        'patient/Observation.rs?category="a"',
        "patient/Observation.rs?category=%00",
        "patient/Observation.rs?category=%ff",
        "patient/Observation.rs?_include=Observation:subject",
        "patient/Observation.rs?_count=1",
        "patient/Observation.rs?_has:Patient:x:y=1",
        "patient/Observation.rs?subject.name=a",
        "patient/Observation.rs?$where=1",
        "patient/Observation.read?category=laboratory",  # v1 has no queries
        "patient/*.rs?category=laboratory",
        "patient/Observation.rs?" + "&".join(f"a{number}=1" for number in range(11)),
        "launch/",
        "launch/Patient",
        "openid ",
        "OpenID",
    ],
)
def test_what_is_malformed_is_no_scope(text: str) -> None:
    """A scope that is not understood wholly is not understood at all."""
    assert parse_scope(text) is None
    assert not is_scope(text)
    assert not covers([text, "patient/*.cruds"], text)
    assert narrow([text], [text, "patient/*.cruds"]) == ()


@pytest.mark.parametrize("name", sorted(NAMED_SCOPES))
def test_named_scopes_are_compared_as_they_are(name: str) -> None:
    """`launch/patient` is not `launch`, and no name is covered by access to resources."""
    others = sorted(NAMED_SCOPES - {name})
    assert parse_scope(name) is None
    assert covers([name], name)
    assert not covers([*others, "patient/*.cruds", "user/*.*", "system/*.*"], name)


@pytest.mark.parametrize(
    ("granted", "requested", "expected"),
    [
        ("patient/*.rs", "patient/Observation.rs", True),
        ("patient/*.read", "patient/Observation.rs", True),
        ("patient/Observation.rs", "patient/Observation.read", True),
        ("patient/Observation.r patient/Observation.s", "patient/Observation.rs", True),
        ("patient/*.cruds", "patient/*.*", True),
        ("patient/Observation.rs", "patient/Observation.rs?category=a", True),
        ("patient/Observation.rs?category=a", "patient/Observation.r?status=final&category=a", True),
        ("patient/Observation.rs?category=a", "patient/Observation.rs", False),
        ("patient/Observation.rs?category=a", "patient/Observation.rs?category=b", False),
        ("patient/Observation.rs?category=a", "patient/Observation.rs?category=a,b", False),
        ("patient/Observation.rs", "patient/*.rs", False),
        ("patient/Observation.rs", "patient/Observation.cruds", False),
        ("patient/Observation.rs", "patient/Patient.r", False),
        ("user/*.cruds", "patient/Observation.r", False),
        ("system/*.cruds", "user/Observation.r", False),
        ("", "patient/Observation.r", False),
    ],
)
def test_a_granted_set_covers(granted: str, requested: str, *, expected: bool) -> None:
    """More is never covered by less."""
    assert covers(granted.split(), requested) is expected


@pytest.mark.requirement("smart-144")
@pytest.mark.parametrize("context", ["patient", "user", "system"])
def test_a_wildcard_is_for_all_types(context: str) -> None:
    """Those that the server knows."""
    assert all(covers([f"{context}/*.rs"], f"{context}/{name}.rs") for name in resource_types())


@pytest.mark.parametrize(
    ("requested", "allowed", "expected"),
    [
        ("patient/*.read openid", "patient/*.cruds openid", "patient/*.read openid"),
        (
            "patient/*.rs",
            "patient/Patient.r patient/Observation.cruds",
            "patient/Patient.r patient/Observation.rs",
        ),
        ("patient/Observation.cruds", "patient/*.rs", "patient/Observation.rs"),
        ("patient/Observation.rs", "patient/Observation.rs?category=a", "patient/Observation.rs?category=a"),
        (
            "patient/Observation.rs?status=final",
            "patient/Observation.rs?category=a",
            "patient/Observation.rs?category=a&status=final",
        ),
        ("user/*.cruds system/*.rs", "patient/*.cruds", ""),
        ("openid openid launch/patient nonsense", "openid nonsense", "openid"),
    ],
)
def test_scopes_are_cut_down_to_what_is_allowed(requested: str, allowed: str, expected: str) -> None:
    """What is wholly allowed stays as written; else the shared part remains."""
    assert " ".join(narrow(requested.split(), allowed.split())) == expected


_SCOPES = st.builds(
    Scope,
    st.sampled_from(["patient", "user", "system"]),
    st.sampled_from(["Observation", "Patient", "Encounter"]),
    st.frozensets(st.sampled_from("cruds"), min_size=1),
    st.lists(
        st.tuples(st.sampled_from(["category", "status"]), st.sampled_from(["a", "b|c", "ä&="])), unique=True
    ).map(lambda pairs: tuple(sorted(pairs))),
)


@given(_SCOPES)
def test_a_scope_that_is_written_is_read_as_the_same(scope: Scope) -> None:
    """Parsing is the inverse of writing."""
    assert parse_scope(str(scope)) == scope


@given(st.lists(_SCOPES.map(str)), st.lists(_SCOPES.map(str)))
def test_nothing_comes_out_that_was_not_in_both(requested: list[str], allowed: list[str]) -> None:
    """Each scope that remains is covered by the request and by what is allowed, and does not shrink again."""
    remaining = narrow(requested, allowed)
    assert all(covers(allowed, scope) and covers(requested, scope) for scope in remaining)
    assert narrow(remaining, allowed) == remaining
