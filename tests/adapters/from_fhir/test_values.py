"""What stands in the fields of messages: identifiers, names, times, places, values, prices."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from adapters.from_fhir.times import date, time, timestamp
from hl7.message import Message, Segment
from tests.adapters.from_fhir.invented import (
    DESTINATION,
    FOUND,
    PATIENT,
    appointment,
    charge,
    concept,
    document,
    encounter,
    observation,
    order,
    prescription,
    report,
    told,
)

Resource = dict[str, Any]


def _first(message: Message | None, name: str) -> Segment:
    assert message is not None
    found = message.first(name)
    assert found is not None, [one.name for one in message.segments]
    return found


@pytest.mark.parametrize(
    ("fhir", "v2"),
    [
        ("2024", "2024"),
        ("2024-03", "202403"),
        ("2024-03-01", "20240301"),
        ("2024-03-01T10:15:00+01:00", "20240301101500+0100"),
        ("2024-03-01T10:15:00Z", "20240301101500+0000"),
        ("2024-03-01T10:15:00.1234567-05:30", "20240301101500.1234-0530"),
        ("2024-03-01T10:15:00.5Z", "20240301101500.5+0000"),
        ("", ""),
        (None, ""),
        ("yesterday", ""),
    ],
)
def test_times_keep_precision_and_offset(fhir: str | None, v2: str) -> None:
    """Nothing is made up, and nothing but digits behind the fourth of a second is lost."""
    assert timestamp(fhir) == v2
    assert date(fhir) == v2[:8]


def test_times_of_day() -> None:
    """Without a date they are digits alone."""
    assert time("12:30:00") == "123000"


def test_all_active_identifiers_have_their_authorities() -> None:
    """Those of a namespace that the destination knows have it, all have the id; old ones are left out."""
    pid = _first(told(None, PATIENT), "PID")
    assert pid[3].raw == r"4711^^^GENHOSP&2.999.1.1&ISO^MR~A\S\1^^^&2.999.7&ISO"


def test_an_authority_may_be_named_by_its_oid() -> None:
    """A destination that lists an OID gets it as the universal id, whatever URI the hospital has."""
    patient = {**PATIENT, "identifier": [{"system": "https://invented.example/mrn", "value": "9"}]}
    where = replace(DESTINATION, authorities={"2.999.5": "https://invented.example/mrn"})
    assert _first(told(None, patient, where), "PID")[3].raw == "9^^^&2.999.5&ISO"
    assert _first(told(None, patient), "PID")[3].raw == "9^^^&https://invented.example/mrn&URI"


def test_a_patient_without_numbers_has_the_id_of_this_server() -> None:
    """PID-3 is required: without any number it is the logical id, as an internal one."""
    pid = _first(told(None, {**PATIENT, "identifier": []}), "PID")
    assert pid[3].raw == "pat-1^^^FHIR^PI"


def test_delimiters_and_line_feeds_are_escaped() -> None:
    """No text can break a message, and all of it comes back."""
    message = told(None, order())
    assert r"\F\ rasch\.br\Zweite" in _first(message, "NTE")[3].raw
    assert _first(message, "NTE")[3].text == "Bitte | rasch\nZweite Zeile"
    assert _first(message, "PID").get(5) == "Müller & Söhne"


def test_the_character_set_is_that_of_the_destination() -> None:
    """MSH-18 names it, and the bytes are in it."""
    message = told(None, PATIENT, replace(DESTINATION, charset="8859/1"))
    assert message is not None
    assert "Söhne".encode("latin-1") in message.data
    assert message.header.charsets == ("8859/1",)


def test_what_a_character_set_lacks_is_replaced() -> None:
    """A letter loses its mark, anything else becomes a question mark: the message goes all the same."""
    patient = {**PATIENT, "name": [{"family": "Łukasz Żółć", "given": ["Ån", "李"]}]}
    pid = _first(told(None, patient, replace(DESTINATION, charset="8859/1")), "PID")
    assert (pid.get(5), pid.get(5, 2), pid.get(5, 3)) == ("?ukasz Zó?c", "Ån", "?")


def test_places_are_chains_from_the_bed_up() -> None:
    """PL has point of care, room, bed, facility and building; before a transfer it stands in PV1-6."""
    moved = encounter(beds=(("B1", "completed"), ("B2", "active")))
    pv1 = _first(told(encounter(), moved), "PV1")
    assert pv1[3].raw == "W3^R12^B2^SITE^^^EAST"
    assert pv1[6].raw == "W3^R12^B1^SITE^^^EAST"
    assert (pv1.get(7), pv1.get(7, 2), pv1.get(2)) == ("D7", "Weiß", "I")
    assert pv1.get(44) == "20260301081500+0100"


def test_a_chain_of_places_that_goes_round_ends() -> None:
    """A mistake in the places of the hospital does not hang the server."""
    found = {**FOUND, "Location/EAST": {**FOUND["Location/EAST"], "partOf": {"reference": "Location/B1"}}}
    assert _first(told(None, encounter(), found=found), "PV1").get(3, 3) == "B1"


@pytest.mark.parametrize(
    ("before", "after", "control"),
    [
        (None, order(), "NW"),
        (order("draft"), order(), "NW"),
        (order(), order("revoked"), "CA"),
        (order("on-hold"), order("entered-in-error"), "CA"),
        (order(), None, "CA"),
        (order(), order("on-hold"), "HD"),
        (order("on-hold"), order(), "RL"),
        (order(), order(priority="routine"), "XO"),
    ],
)
def test_order_controls(before: Resource | None, after: Resource | None, control: str) -> None:
    """ORC-1 says what is asked: new, cancel, hold, release, change (table 0119)."""
    assert _first(told(before, after), "ORC").get(1) == control


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, order("draft")),
        (None, order(intent="plan")),
        (order(), order("completed")),
        (order(), order(identifier=[{"value": "1"}])),
        (order("revoked"), order("entered-in-error")),
        (order("draft"), None),
    ],
)
def test_no_order_is_made_of_what_is_none(before: Resource | None, after: Resource | None) -> None:
    """Drafts, plans, what was done, and what changes nothing for who carries it out are not told."""
    assert told(before, after) is None


@pytest.mark.parametrize(
    ("priority", "v2"), [("stat", "S"), ("asap", "A"), ("urgent", "A"), ("routine", "R")]
)
def test_priorities(priority: str, v2: str) -> None:
    """TQ1-9 has it, and the field of timing in versions that have no TQ1."""
    assert _first(told(None, order(priority=priority)), "TQ1").get(9) == v2
    old = told(None, order(priority=priority), replace(DESTINATION, version="2.3.1"))
    assert _first(old, "OBR").get(27, 6) == v2
    assert old is not None
    assert old.header.message_code == "ORM"


def test_orders_of_other_departments_are_not_told() -> None:
    """A destination that names categories gets orders and reports of these only."""
    radiology = replace(DESTINATION, categories=("363679005",))
    assert told(None, order(), radiology) is None
    assert told(None, order(), replace(DESTINATION, categories=("108252007",))) is not None


@pytest.mark.parametrize(
    ("value", "kind", "text", "unit"),
    [
        ({"valueQuantity": {"value": Decimal("13.50"), "unit": "g/dL"}}, "NM", "13.50", "g/dL"),
        ({"valueQuantity": {"value": 5, "comparator": "<", "code": "mg"}}, "SN", "<^5", "mg"),
        ({"valueString": "clear"}, "ST", "clear", ""),
        ({"valueString": "a\nb"}, "FT", r"a\.br\b", ""),
        ({"valueCodeableConcept": concept("http://snomed.info/sct", "1", "One")}, "CWE", "1^One^SCT", ""),
        ({"valueRange": {"low": {"value": 1}, "high": {"value": 2}}}, "SN", "^1^-^2", ""),
        ({"valueRange": {"low": {"value": 1}}}, "SN", ">=^1", ""),
        ({"valueRatio": {"numerator": {"value": 1}, "denominator": {"value": 128}}}, "SN", "^1^:^128", ""),
        ({"valueDateTime": "2026-03"}, "TS", "202603", ""),
        ({"valueTime": "08:30:00"}, "TM", "083000", ""),
        ({"valueInteger": 3}, "NM", "3", ""),
        ({"valueBoolean": True}, "ID", "Y", ""),
        ({"valuePeriod": {"start": "2026", "end": "2027"}}, "DR", "2026^2027", ""),
    ],
)
def test_values_of_results(value: Resource, kind: str, text: str, unit: str) -> None:
    """OBX-2, OBX-5 and OBX-6 of each type of value; decimals keep their digits."""
    found = {**FOUND, "Observation/o1": observation("o1", **value)}
    obx = _first(told(None, report("o1"), found=found), "OBX")
    assert (obx.get(2), obx[5].raw, obx.get(6)) == (kind, text, unit)
    assert obx.get(14) == "20260301080000.5+0100"


def test_a_result_that_was_never_so_is_not_shown_again() -> None:
    """Entered in error is D, without its value."""
    wrong = observation("o1", status="entered-in-error", valueString="secret")
    obx = _first(told(None, report("o1"), found={**FOUND, "Observation/o1": wrong}), "OBX")
    assert (obx.get(11), obx[5].raw) == ("D", "")


def test_components_and_panels_have_numbers() -> None:
    """OBX-4 tells parts of results, and of panels, from one another."""
    pressure = observation("o1", component=[{"code": {"text": one}, "valueInteger": 1} for one in ("s", "d")])
    panel = observation("o2", hasMember=[{"reference": "Observation/o1"}], valueString="x")
    found = {**FOUND, "Observation/o1": pressure, "Observation/o2": panel}
    message = told(None, report("o2"), found=found)
    assert message is not None
    assert [one.get(4) for one in message.all("OBX")] == ["1", "1.1.1", "1.1.2"]


def test_a_report_names_the_order_that_it_answers() -> None:
    """OBR-2 is what the order had as ORC-2, OBR-22 when it was issued, OBR-25 its state."""
    found = {**FOUND, "ServiceRequest/sr-1": order(), "Observation/o1": observation("o1", valueString="x")}
    obr = _first(told(report("o1"), report("o1", status="corrected"), found=found), "OBR")
    assert (obr[2].raw, obr[3].raw) == ("sr-1^FHIR", "rep-1^FHIR")
    assert (obr.get(22), obr.get(25)) == ("20260301090000.123+0000", "C")


def test_charges_and_what_takes_them_back_have_one_number() -> None:
    """CG and CD have the same FT1-2, amounts are never negative, and prices keep their digits."""
    made, undone = _first(told(None, charge()), "FT1"), _first(told(charge(), charge("aborted")), "FT1")
    assert (made.get(2), made.get(6), undone.get(2), undone.get(6)) == ("chg-1", "CG", "chg-1", "CD")
    assert (made.get(10), made[11].raw, made[12].raw) == ("2", "25.10&EUR", "12.55&EUR")
    credit = charge(
        id="chg-2",
        partOf=[{"reference": "ChargeItem/chg-1"}],
        priceOverride={"value": Decimal("-25.10"), "currency": "EUR"},
    )
    back = _first(told(None, credit), "FT1")
    assert (back.get(2), back.get(6), back[11].raw) == ("chg-1", "CD", "25.10&EUR")


def test_a_charge_that_is_another_now_is_taken_back_and_made() -> None:
    """One message has both, the old one first."""
    message = told(charge(), charge(quantity={"value": 3}))
    assert message is not None
    assert [(one.get(6), one.get(10)) for one in message.all("FT1")] == [("CD", "2"), ("CG", "3")]


def test_an_invoice_tells_of_all_its_charges() -> None:
    """A destination that wants invoices hears of charges when they are issued, and not before."""
    where = replace(DESTINATION, charges="invoices")
    lines = [
        {
            "chargeItemReference": {"reference": "ChargeItem/chg-1"},
            "priceComponent": [
                {"type": "base", "amount": {"value": Decimal("25.10"), "currency": "EUR"}},
                {"type": "discount", "amount": {"value": Decimal("-5.10"), "currency": "EUR"}},
                {"type": "informational", "amount": {"value": Decimal(1), "currency": "EUR"}},
            ],
        }
    ]
    invoice = {
        "resourceType": "Invoice",
        "id": "inv-1",
        "status": "issued",
        "subject": {"reference": "Patient/pat-1"},
        "date": "2026-03-02",
        "lineItem": lines,
    }
    found = {**FOUND, "ChargeItem/chg-1": charge("billed")}
    assert told(None, charge(), where) is None
    ft1 = _first(told({**invoice, "status": "draft"}, invoice, where, found), "FT1")
    number = {"system": "urn:fhir-hospital-server:invoice-number", "value": "2026-0000001"}
    numbered = _first(told(None, {**invoice, "identifier": [number]}, where, found), "FT1")
    assert (ft1.get(23), numbered.get(23)) == ("", "2026-0000001")
    assert (ft1.get(2), ft1.get(6), ft1[11].raw) == ("chg-1", "CG", "20.00&EUR")
    back = _first(told(invoice, {**invoice, "status": "cancelled"}, where, found), "FT1")
    assert (back.get(2), back.get(6)) == ("chg-1", "CD")


def test_appointments_have_their_resources() -> None:
    """SCH says when and why, AIS what for, AIP who, AIL where."""
    message = told(None, appointment())
    sch, aip, ail = (_first(message, name) for name in ("SCH", "AIP", "AIL"))
    assert (sch[1].raw, sch.get(25), sch.get(9)) == ("app-1^FHIR", "Booked", "20")
    assert sch[11].raw == "^^M20^20260305090000+0100^20260305092000+0100"
    assert (aip.get(3, 2), ail.get(3, 2), aip.get(2)) == ("Weiß", "R12", "A")
    assert _first(told(appointment(), appointment("cancelled")), "RGS").get(2) == "D"


def test_prescriptions_say_how_much_and_how_often() -> None:
    """RXE has the medicine and the dose, TQ1 the pattern, RXR the route; no amount is made up."""
    message = told(None, prescription())
    rxe = _first(message, "RXE")
    assert (rxe.get(2, 2), rxe.get(3), rxe.get(5)) == ("Amlodipine", "5", "mg")
    assert (_first(message, "TQ1").get(3), _first(message, "RXR").get(1, 2)) == ("Q8H", "Oral route")
    vague = _first(told(None, prescription(dosageInstruction=[{"text": "as told"}])), "RXE")
    assert (vague.get(3), vague.get(7, 2)) == ("", "as told")


def test_documents_carry_their_content() -> None:
    """The content goes along in Base64, or its address if it is elsewhere."""
    obx = _first(told(None, document()), "OBX")
    assert (obx.get(2), obx[5].raw) == ("ED", "^application^PDF^Base64^JVBERi0=")
    elsewhere = document(
        content=[{"attachment": {"contentType": "text/plain", "url": "https://example.org/x"}}]
    )
    assert _first(told(None, elsewhere), "OBX").get(2) == "RP"
    stored = document(content=[{"attachment": {"contentType": "application/pdf", "url": "Binary/b1"}}])
    binary = {"resourceType": "Binary", "id": "b1", "contentType": "application/pdf", "data": "AAAA"}
    obx = _first(told(None, stored, found={**FOUND, "Binary/b1": binary}), "OBX")
    assert obx.get(5, 5) == "AAAA"


def test_a_change_that_its_own_system_made_is_not_told_to_it() -> None:
    """The laboratory does not hear its own words again; what a person changes later it does."""
    theirs = {**PATIENT, "meta": {"source": "urn:hl7v2:LIS:000123"}}
    assert told(None, theirs) is None
    assert told(theirs, {**theirs, "gender": "male"}) is not None
    assert told(None, theirs, replace(DESTINATION, receiving_application="OTHER")) is not None
    escaped = {**PATIENT, "meta": {"source": "urn:hl7v2:LAB%3A1:000123"}}
    assert told(None, escaped, replace(DESTINATION, receiving_application="LAB:1")) is None


def test_a_message_that_is_not_wanted_is_not_made() -> None:
    """A destination gets what it lists, and nothing else."""
    assert told(None, PATIENT, replace(DESTINATION, messages=("OML^O21", "ADT^A40"))) is None
