"""The file of roles: what the server's own says, and what is refused in that of a hospital."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from fhir_server.settings import Settings
from fhir_server.smart.access.roles import load_matrix
from fhir_server.smart.principal import ROLES

# Lines of the hospital's table: a role, a type, what it may do there ("" for nothing), and with whose.
TABLE = [
    ("PT", "Patient", "rsu", {"own"}),
    ("PT", "Practitioner", "rs", {"any"}),
    ("PT", "Appointment", "crsu", {"own"}),
    ("PT", "Encounter", "rs", {"own"}),
    ("PT", "DiagnosticReport", "rs", {"own"}),
    ("PT", "SupplyRequest", "", set()),
    ("PT", "MeasureReport", "", set()),
    ("PT", "AuditEvent", "rs", {"own"}),
    ("PT", "Consent", "crsu", {"own"}),
    ("DR", "Patient", "rsu", {"treated"}),
    ("DR", "MedicationRequest", "crsu", {"treated"}),
    ("DR", "Observation", "crs", {"treated"}),
    ("DR", "ChargeItem", "c", {"treated"}),
    ("DR", "AuditEvent", "", set()),
    ("RN", "MedicationRequest", "rs", {"any"}),
    ("RN", "Invoice", "", set()),
    ("LB", "Specimen", "crsu", {"any"}),
    ("LB", "Condition", "", set()),
    ("PH", "AllergyIntolerance", "rs", {"any"}),
    ("PH", "Condition", "", set()),
    ("BC", "Invoice", "crsu", {"any"}),
    ("BC", "Condition", "", set()),
    ("AD", "Location", "crsud", {"any"}),
    ("AD", "MedicationRequest", "crsu", {"any"}),
    ("AD", "Patient", "crsu", {"any"}),
    ("AU", "AuditEvent", "rs", {"any"}),
    ("AU", "Patient", "rs", {"any"}),
]


@pytest.mark.workflow("1-03", "2-05", "3-49", "4-01")
@pytest.mark.parametrize(("role", "resource_type", "actions", "whose"), TABLE)
def test_the_matrix(role: str, resource_type: str, actions: str, whose: set[str]) -> None:
    """The matrix that comes with the server says what the hospital's table says."""
    rules = load_matrix(None).rules([role], resource_type)
    assert {action for rule in rules for action in rule.actions} == set(actions)
    specific = [rule for rule in rules if rule.whose != {"any"} or whose == {"any"}]
    assert {one for rule in specific for one in rule.whose} == whose


def test_nobody_changes_what_is_on_record() -> None:
    """No role writes AuditEvents or Provenance, and only administrators delete anything.

    A doctor takes back free slots of their own, as the rules of scheduling say.
    """
    matrix = load_matrix(None)
    for role in ROLES:
        for resource_type, rules in matrix.roles[role].items():
            actions = {action for rule in rules for action in rule.actions}
            if resource_type in ("AuditEvent", "Provenance"):
                assert actions <= set("rs"), role
            may_delete = role == "AD" or (role, resource_type) == ("DR", "Slot")
            assert "d" not in actions or may_delete, (role, resource_type)


WRONG = [
    ('[[roles.XX]]\ntypes = ["Patient"]\nactions = "r"', "XX"),
    ('[[roles.PT]]\ntypes = ["Patiant"]\nactions = "r"', "Patiant"),
    ('[[roles.PT]]\ntypes = ["Patient"]\nactions = "rx"', "cruds"),
    ('[[roles.PT]]\ntypes = ["Patient"]\nactions = "r"\nof = "mine"', "own"),
    ('[[roles.PT]]\ntypes = ["Patient"]\nactions = "r"\nwhere = "colour=red"', "colour"),
    ('[[roles.PT]]\ntypes = ["Patient"]\nactions = "r"\nelements = ["colour"]', "colour"),
    ('[[roles.PT]]\ntypes = ["Patient"]\nactions = "r"\nmay = "r"', "may"),
    ('[operations]\nreindex = ["KING"]', "reindex"),
    ('[operations]\n"Patiant/merge" = ["AD"]', "Patiant"),
    ('[[treatment]]\ntype = "Location"\nwhere = "name={practitioner}"', "Location"),
    ('[[treatment]]\ntype = "Encounter"\nwhere = "status=planned"', "{practitioner}"),
    ("[[roles.PT", "TOML"),
]


@pytest.mark.parametrize(("text", "told"), WRONG)
def test_what_is_wrong_is_refused_at_the_start(tmp_path: Path, text: str, told: str) -> None:
    """A file that is not understood stops the server at its start, and the reason names the place."""
    path = tmp_path / "roles.toml"
    path.write_text(text)
    with pytest.raises(ValidationError, match=told):
        Settings(roles=path)


def test_a_role_that_a_hospital_leaves_out_may_nothing(tmp_path: Path) -> None:
    """What a hospital's own file does not say is not allowed."""
    path = tmp_path / "roles.toml"
    path.write_text('[[roles.DR]]\ntypes = ["Patient"]\nactions = "r"')
    matrix = load_matrix(path)
    assert matrix.rules(["DR"], "Patient")
    assert not matrix.rules(["DR"], "Observation")
    assert not matrix.rules(["AD", "PT"], "Patient")


def test_operations_of_one_code_have_callers_by_type(tmp_path: Path) -> None:
    """What is said of a type counts for it alone; else what is said of the code."""
    path = tmp_path / "roles.toml"
    path.write_text('[operations]\napply = ["BC"]\n"PlanDefinition/apply" = ["DR"]\n"Patient/merge" = ["AD"]')
    matrix = load_matrix(path)
    assert matrix.callers("apply", "PlanDefinition") == frozenset({"DR"})
    for resource_type in ("ChargeItemDefinition", None):
        assert matrix.callers("apply", resource_type) == frozenset({"BC"})
    assert matrix.callers("merge", "Patient") == frozenset({"AD"})
    for resource_type in ("Encounter", None):
        assert matrix.callers("merge", resource_type) is None
