"""Who answers a request for an appointment, as the rule alone sees it: the access guard may refuse first."""

from datetime import UTC, datetime

import pytest

from fhir_server.identifiers import new_id
from fhir_server.settings import Settings
from fhir_server.smart.principal import Principal
from fhir_server.workflows.pattern import Change
from fhir_server.workflows.scheduling.answers import Facts, check
from fhir_server.workflows.situation import Situation

_ASKED = "Practitioner/asked"
_APPOINTMENT = {
    "resourceType": "Appointment",
    "id": "a",
    "status": "pending",
    "participant": [{"actor": {"reference": _ASKED}, "status": "needs-action"}],
}
_ANSWER = {
    "resourceType": "AppointmentResponse",
    "id": "r",
    "appointment": {"reference": "Appointment/a"},
    "actor": {"reference": _ASKED},
    "participantStatus": "accepted",
}


@pytest.mark.parametrize(
    ("role", "person", "is_refused"),
    [
        ("DR", _ASKED, False),
        ("DR", "Practitioner/other", True),
        ("RN", "Practitioner/nurse", True),
        ("AD", "Practitioner/administrator", False),
    ],
)
def test_people_answer_for_themselves(role: str, person: str, is_refused: bool) -> None:
    """Nobody answers for another doctor but an administrator (W3.own-answer)."""
    principal = Principal("app", (), account_id="1", fhir_user=person, roles=frozenset({role}))
    settings = Settings(auth="off")
    situation = Situation(datetime.now(UTC), "http://server/fhir", settings, new_id, principal)
    change = Change("AppointmentResponse", "r", None, _ANSWER)
    broken = {one.rule.id for one in check(change, Facts(_APPOINTMENT, (_ASKED,), None), situation)}
    assert ("W3.own-answer" in broken) == is_refused
