"""Who takes part (ROL, PRT), who pays (GT1, IN1), and segments of which nothing is made."""

from typing import Any

import pytest

from tests.adapters.to_fhir.mapped import mapped, problems, resources

_HEAD = ("MSH|^~\\&|ADT|GENHOSP|||20240105120000||ADT^A01|1|P|2.8", "EVN|A01|20240105120000")
_PID = "PID|1||4711^^^GENHOSP^MR||Muster^Mara||19800203|F||||||||||ACC1^^^GENHOSP"
_PV1 = "PV1|1|I|W1^1^1||||77^Arzt^Anna^^^^^^GENHOSP||||||||||||V1^^^GENHOSP"
_ROLES = {"ADM", "ATND", "SPRF", "CON", "446050000"}


def _role(code: str, number: str = "88", action: str = "AD", rest: str = "", name: str = "Rolle^Rosa") -> str:
    return f"ROL|1|{action}|{code}^X^HL70443|{number}^{name}^^^^^^GENHOSP|{rest}"


def _participation(code: str, number: str = "88", action: str = "AD") -> str:
    return f"PRT|1|{action}||{code}^X^HL70912|{number}^Rolle^Rosa^^^^^^GENHOSP"


def _participants(*segments: str) -> list[tuple[str, str]]:
    found = mapped(*_HEAD, _PID, _PV1, *segments)
    assert problems(found) == []
    (encounter,) = resources(found)["Encounter"]
    return [
        (one["type"][0]["coding"][0]["code"], one["individual"]["display"])
        for one in encounter["participant"]
    ]


@pytest.mark.parametrize(
    ("segment", "expected"),
    [
        (_role("AD"), [("ATND", "Anna Arzt"), ("ADM", "Rosa Rolle")]),
        (_role("CP"), [("ATND", "Anna Arzt"), ("CON", "Rosa Rolle")]),
        (_role("PP"), [("ATND", "Anna Arzt"), ("446050000", "Rosa Rolle")]),
        (_role("AT"), [("ATND", "Anna Arzt"), ("SPRF", "Rosa Rolle")]),
        (_role("AT", "77", name="Arzt^Anna"), [("ATND", "Anna Arzt")]),
        (_role("MDIR"), [("ATND", "Anna Arzt"), ("MDIR", "Rosa Rolle")]),
        (_participation("AD"), [("ATND", "Anna Arzt"), ("ADM", "Rosa Rolle")]),
        ("ROL|1|AD|AD^X^HL70443", [("ATND", "Anna Arzt")]),
        ("PR1|1||123^Op^L||20240105\r" + _role("AD"), [("ATND", "Anna Arzt")]),
    ],
)
def test_who_takes_part_in_a_visit(segment: str, expected: list[tuple[str, str]]) -> None:
    """ROL and PRT behind PV1 are participants, with the codes of the guide; one person is responsible."""
    assert _participants(*segment.split("\r")) == expected


def test_from_when_to_when_somebody_takes_part() -> None:
    """ROL-5 and ROL-6 are the period; who is taken away took part until then, or until the event."""
    segments = (_role("AD", rest="20240101|20240103"), _role("CP", action="DE"))
    (encounter,) = resources(mapped(*_HEAD, _PID, _PV1, *segments))["Encounter"]
    periods = [one.get("period") for one in encounter["participant"]]
    assert periods == [
        None,
        {"start": "2024-01-01", "end": "2024-01-03"},
        {"end": "2024-01-05T12:00:00+01:00"},
    ]


@pytest.mark.parametrize("segment", [_role("PP"), _participation("PP")])
def test_general_practitioners(segment: str) -> None:
    """Of the role PP behind PID they are those of the patient."""
    (patient,) = resources(mapped(*_HEAD, _PID, segment, _PV1))["Patient"]
    assert [one["display"] for one in patient["generalPractitioner"]] == ["Rosa Rolle"]


def _guarantor(number: str = "", name: str = "Zahlung^Zoe", relation: str = "SPO", rest: str = "") -> str:
    return f"GT1|1|{number}|{name}||Weg 1^^Stadt^^12345|0301^PRN^PH||19790101|F||{relation}{rest}"


def _vouching(*segments: str) -> dict[str, list[dict[str, Any]]]:
    found = mapped(*_HEAD, _PID, _PV1, *segments)
    assert problems(found) == []
    return dict(resources(found))


def test_a_guarantor_is_a_related_person() -> None:
    """GT1 has who vouches: name, address, telephone, relationship; it is told apart from next of kin."""
    (person,) = _vouching(_guarantor("G1^^^GENHOSP"))["RelatedPerson"]
    codes = {one["code"] for kind in person["relationship"] for one in kind["coding"]}
    assert {"GUAR", "SPS"} <= codes
    assert person["name"][0]["family"] == "Zahlung"
    assert (person["birthDate"], person["gender"]) == ("1979-01-01", "female")
    assert (person["address"][0]["city"], person["telecom"][0]["use"]) == ("Stadt", "home")
    assert person["identifier"][0]["value"] == "G1"
    assert person["patient"]["reference"].startswith("Patient/")


def test_the_same_guarantor_is_the_same_person() -> None:
    """By the number, or by name and birth date; of another patient it is another person."""
    ids = [_vouching(_guarantor(rest=more))["RelatedPerson"][0]["id"] for more in ("", "||20240101")]
    assert ids[0] == ids[1]
    other = mapped(*_HEAD, _PID.replace("4711", "4712"), _PV1, _guarantor())
    assert resources(other)["RelatedPerson"][0]["id"] != ids[0]
    by_number = [
        _vouching(_guarantor("G1^^^GENHOSP", name=name))["RelatedPerson"][0]["id"] for name in ("A^B", "C^D")
    ]
    assert by_number[0] == by_number[1] != ids[0]


@pytest.mark.parametrize(
    ("segment", "party"),
    [
        (_guarantor(relation="SEL"), "Patient"),
        (f"GT1|1|||{'|' * 17}Firma^^F1^^^GENHOSP", "Organization"),
        ("GT1|1||", ""),
    ],
)
def test_others_who_vouch(segment: str, party: str) -> None:
    """The patient themselves, or an organization; somebody of whom nothing is said is told of."""
    found = mapped(*_HEAD, _PID, _PV1, segment)
    assert "RelatedPerson" not in resources(found)
    effects = [one for one in found.effects if type(one).__name__ == "Payers"]
    assert bool(effects) == bool(party)
    if party:
        (guarantor,) = effects[0].guarantors  # type: ignore[union-attr]
        assert found.draft(guarantor.party).type == party
    else:
        assert [str(one.location) for one in found.warnings] == ["GT1^1"]


def _notes(*segments: str) -> list[tuple[str, str, str]]:
    found = mapped(*segments)
    return [(one.code, one.severity, str(one.location)) for one in found.warnings if one.code == "0"]


@pytest.mark.parametrize(
    ("segments", "expected"),
    [
        (("ZPD|1|secret", "ZPD|2|secret"), ["ZPD^1"]),
        (("ACC|20240101", "UB1|1", "DB1|1|PT"), ["ACC^1", "UB1^1", "DB1^1"]),
        (("IN1|1|P^Plan|N1^^^GENHOSP|Kasse^^1", "IN2|1", "IN3|1"), ["IN2^1", "IN3^1"]),
        (("AL1|1|DA|X^Nuts^L", _guarantor(), _role("AD")), ["ROL^1"]),
    ],
)
def test_segments_of_which_nothing_is_made(segments: tuple[str, ...], expected: list[str]) -> None:
    """Each kind is told once, with its first place, and nothing of what it says."""
    assert _notes(*_HEAD, _PID, _PV1, *segments) == [("0", "I", place) for place in expected]
    texts = {one.text for one in mapped(*_HEAD, _PID, _PV1, *segments).warnings}
    assert not any("secret" in one for one in texts)


def test_no_more_than_a_reader_reads() -> None:
    """Of very many kinds the first are told; the answer to nonsense stays small."""
    assert len(_notes(*_HEAD, _PID, _PV1, *(f"Z{number:02}|x" for number in range(60)))) == 20


@pytest.mark.parametrize(("kind", "expected"), [("N", []), ("I", [("0", "I", "PV1^1")])])
def test_a_visit_in_a_message_about_a_person(kind: str, expected: list[tuple[str, str, str]]) -> None:
    """A28 has to have PV1, which says by N that there is no visit; any other is told of."""
    head = _HEAD[0].replace("A01", "A28"), "EVN|A28|20240105120000"
    assert _notes(*head, _PID, f"PV1|1|{kind}") == expected


@pytest.mark.parametrize("event", ["A28", "A31"])
def test_who_pays_for_a_person(event: str) -> None:
    """Insurances and guarantors come with the person as well, without a visit."""
    head = _HEAD[0].replace("A01", event), f"EVN|{event}|20240105120000"
    found = mapped(*head, _PID, "PV1|1|N", _guarantor(), "IN1|1|P^Plan|N1^^^GENHOSP|Kasse^^1")
    assert {"RelatedPerson", "Coverage", "Account"} <= resources(found).keys()
    assert _notes(*head, _PID, "PV1|1|N", _guarantor()) == []
