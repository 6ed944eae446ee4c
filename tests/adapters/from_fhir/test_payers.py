"""GT1 and IN1 of messages that go out: who vouches, and which insurances pay, in their order."""

from collections.abc import Sequence
from typing import Any

import pytest

from hl7.message import Message
from tests.adapters.from_fhir.invented import (
    ACCOUNT,
    COVERAGE,
    DESTINATION,
    FOUND,
    PATIENT,
    PAYING,
    encounter,
    told,
)
from tests.adapters.to_fhir.mapped import mapped, resources

Resource = dict[str, Any]
_ON_ACCOUNT = encounter(account=[{"reference": "Account/acc-1"}])
_MOVED = encounter(beds=(("B2", "active"),), account=_ON_ACCOUNT["account"])
_NAMES = (("a", 1, "active"), ("b", 2, "active"), ("c", 3, "active"), ("d", 1, "cancelled"))


def _sent(
    before: Resource | None,
    after: Resource | None,
    coverages: Sequence[Resource] = (),
    account: Resource = ACCOUNT,
) -> Message:
    found = {**FOUND, **PAYING, "Account/acc-1": account}
    message = told(before, after, DESTINATION, found, {"coverages": coverages})
    assert message is not None
    return message


def test_an_insurance() -> None:
    """IN1 has plan, insurer, group, times, kind, who is insured and how they are related, and the number."""
    (in1,) = _sent(None, _ON_ACCOUNT, [COVERAGE]).all("IN1")
    found = [in1.get(number) for number in (1, 2, 3, 4, 8, 12, 13, 15, 16, 17, 22, 36)]
    assert found == [
        *("1", "GOLD", "K9", "Invented Insurance", "G1", "20260101", "20261231"),
        *("PUBLICPOL", "Müller", "SPO", "2", "S-77"),
    ]
    assert in1.get(2, 2) == "Gold | plan"


def test_guarantors() -> None:
    """A person with relationship, birth date, sex and telephone; an organization; the patient themselves."""
    person, organization, patient = _sent(None, _ON_ACCOUNT).all("GT1")
    found = [person.get(number) for number in (1, 3, 6, 8, 9, 11, 13)]
    assert found == ["1", "Müller", "030 55", "19580506", "M", "SPO", "20260201"]
    assert (organization.get(21), organization.get(21, 10)) == ("Invented Works", "employer-1")
    assert (patient.get(2), patient.get(3), patient.get(11)) == ("4711", "Müller & Söhne", "SEL")


@pytest.mark.parametrize(
    ("event", "before", "after", "is_there"),
    [
        ("A01", None, _ON_ACCOUNT, True),
        ("A08", _ON_ACCOUNT, {**_ON_ACCOUNT, "serviceType": {"text": "X"}}, True),
        (
            "A02",
            _ON_ACCOUNT,
            {**_ON_ACCOUNT, "location": encounter(beds=[("B2", "active")])["location"]},
            False,
        ),
        ("A11", _ON_ACCOUNT, {**_ON_ACCOUNT, "status": "cancelled"}, False),
        ("A28", None, PATIENT, True),
    ],
)
def test_events_that_tell_who_pays(
    event: str, before: Resource | None, after: Resource, *, is_there: bool
) -> None:
    """They stand where the structure of the event has room for them."""
    message = _sent(before, after, [COVERAGE])
    assert message.header.trigger_event == event
    assert bool(message.all("IN1")) == is_there


def test_the_order_of_insurances() -> None:
    """The account's priorities go first, then Coverage.order; what is not in force is left out."""
    coverages = [
        {**COVERAGE, "id": name, "subscriberId": name, "order": order, "status": status}
        for name, order, status in _NAMES
    ]
    account = {**ACCOUNT, "coverage": [{"coverage": {"reference": "Coverage/c"}, "priority": 1}]}
    message = _sent(None, _ON_ACCOUNT, coverages, account)
    assert [one.get(36) for one in message.all("IN1")] == ["c", "a", "b"]


def test_what_is_sent_comes_back_as_it_was() -> None:
    """Our own reader makes of GT1 and IN1 the guarantors and the insurance that they were made of."""
    message = _sent(None, _ON_ACCOUNT, [COVERAGE])
    lines = message.data.decode().rstrip("\r").split("\r")
    lines[2] = lines[2] + "|" * (18 - lines[2].count("|")) + "A1^^^GENHOSP"
    back = resources(mapped(*lines))
    (coverage,) = back["Coverage"]
    assert coverage["subscriberId"] == "S-77"
    assert {one["value"] for one in coverage["class"]} == {"GOLD", "G1"}
    (person,) = back["RelatedPerson"]
    assert (person["name"][0]["family"], person["birthDate"]) == ("Müller", "1958-05-06")
    assert {"Invented Insurance", "Invented Works"} <= {one.get("name") for one in back["Organization"]}
