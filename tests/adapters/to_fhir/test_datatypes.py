"""Datatypes of HL7 v2 as elements of FHIR, by tables: what stands in a field, and what is made of it."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from adapters.to_fhir.datatypes.codes import code, concept
from adapters.to_fhir.datatypes.identifiers import cx, dln, ei, eip, strict_cx
from adapters.to_fhir.datatypes.people import official, telecom, xad, xpn
from adapters.to_fhir.datatypes.quantities import cq, embedded, money, pointer
from adapters.to_fhir.datatypes.times import date, date_time, instant, period
from adapters.to_fhir.drafts import key_id
from hl7.errors import HL7Error
from tests.adapters.to_fhir.mapped import CHANNEL, converted

_STRUCTURE = "http://hl7.org/fhir/StructureDefinition/"
_TYPES = "http://terminology.hl7.org/CodeSystem/v2-0203"


@pytest.mark.parametrize(
    ("raw", "made"),
    [
        ("Muster^Max^A^Jr^Dr^MD^L", {"family": "Muster", "given": ["Max", "A"], "suffix": ["Jr", "MD"],
                                     "prefix": ["Dr"], "use": "official"}),
        ("Muster", {"family": "Muster"}),
        ("^Max", {"given": ["Max"]}),
        ("^^^^^^L", None),
        ("O\\T\\Neil^A", {"family": "O&Neil", "given": ["A"]}),
        ("Muster^Max^^^^^^^^^G", {"family": "Muster", "given": ["Max"], "extension": [
            {"url": _STRUCTURE + "humanname-assembly-order", "valueCode": "NL1"}]}),
    ],
)  # fmt: skip
def test_names(raw: str, made: Any) -> None:
    """XPN becomes a HumanName."""
    assert converted(xpn, raw) == made


def test_name_of_pid_is_official() -> None:
    """A name of PID-5 that says of itself nothing else is the official one."""
    assert converted(official, "Muster^Max")["use"] == "official"


@pytest.mark.parametrize(
    ("raw", "made"),
    [
        ("Weg 1&Haus&2^Hof^Berlin^BE^10115^DE^H", {"line": ["Weg 1", "Haus", "2", "Hof"], "city": "Berlin",
                                                   "state": "BE", "postalCode": "10115", "country": "DE",
                                                   "use": "home"}),
        ("^^Berlin^^^^M", {"city": "Berlin", "type": "postal"}),
        ("^^^^^^H", None),
    ],
)  # fmt: skip
def test_addresses(raw: str, made: Any) -> None:
    """XAD becomes an Address."""
    assert converted(xad, raw) == made


@pytest.mark.parametrize(
    ("raw", "made"),
    [
        ("+49 30 1", {"value": "+49 30 1", "system": "phone", "use": "home"}),
        ("^PRN^CP^^49^30^123", {"use": "mobile", "system": "phone", "value": "+49 30 123"}),
        ("^WPN^FX^^^30^123^7", {"use": "work", "system": "fax", "value": "30 123 X7"}),
        ("^NET^Internet^a@example.org", {"system": "email", "value": "a@example.org"}),
        ("^PRN^PH^^^^^^^^^030 5", {"use": "home", "system": "phone", "value": "030 5"}),
        ("^PRN^PH", None),
    ],
)
def test_telephones(raw: str, made: Any) -> None:
    """XTN becomes a ContactPoint; its parts are put together where it is not given as a whole."""
    found = converted(telecom("home"), raw)
    assert (None if found is None else {key: one for key, one in found.items() if key != "extension"}) == made


@pytest.mark.parametrize(
    ("raw", "system"),
    [
        ("1^^^GENHOSP", "urn:oid:1.2.3"),
        ("1^^^X&2.999.7&ISO", "urn:oid:1.2.7"),
        ("1^^^X&2.999.8&ISO", "urn:oid:2.999.8"),
        ("1^^^&9A0E5C5E-7B5A-4B5E-8A34-0F3D5C9B7A11&UUID", "urn:uuid:9a0e5c5e-7b5a-4b5e-8a34-0f3d5c9b7a11"),
        ("1^^^OTHER", "urn:x-hl7v2:GENHOSP:OTHER"),
        ("1", "urn:oid:1.2.3"),
    ],
)
def test_authorities(raw: str, system: str) -> None:
    """Who gave a number is looked up in the channel, or says of itself who it is, or is a sender's own."""
    assert converted(cx, raw)["system"] == system


def test_unknown_authority_is_refused_if_the_channel_wants_so() -> None:
    """A number of nobody knows whom is no number of a person."""
    with pytest.raises(HL7Error) as refused:
        converted(strict_cx, "1^^^OTHER", replace(CHANNEL, unknown_authority="quarantine"))
    assert refused.value.code == "204"


def test_identifiers_of_things() -> None:
    """EI, EIP and DLN are identifiers with their types."""
    assert converted(ei, "A1^GENHOSP") == {"value": "A1", "system": "urn:oid:1.2.3"}
    assert converted(eip(2, "FGN"), "P^X&F1&GENHOSP") is not None
    assert converted(dln, "D1")["type"]["coding"] == [{"system": _TYPES, "code": "DL"}]


@pytest.mark.parametrize(
    ("raw", "made"),
    [
        ("2024", "2024"),
        ("202402", "2024-02"),
        ("20240203", "2024-02-03"),
        ("2024020314", "2024-02-03"),
        ("202402031405", "2024-02-03T14:05:00+01:00"),
        ("20240203140506.1234-0500", "2024-02-03T14:05:06.1234-05:00"),
        ("20240703140506", "2024-07-03T14:05:06+02:00"),
        ("20240203140506+00", "2024-02-03T14:05:06+00:00"),
        ("", None),
    ],
)
@pytest.mark.failure_story("precision-invented", "time-without-zone", "short-offset", "long-fraction")
def test_times_keep_their_precision(raw: str, made: Any) -> None:
    """No precision and no zone is invented (prime-reportstream#12044, LFH#55, MS#401, MS#481)."""
    assert converted(date_time, raw) == made


def test_local_time_that_never_was_is_refused() -> None:
    """The hour that clocks leave out is an error (102)."""
    with pytest.raises(HL7Error) as refused:
        converted(date_time, "20240331023000")
    assert refused.value.code == "102"


def test_instants_are_no_dates() -> None:
    """An instant is not made of a date; a date is made of a time as it was there."""
    assert converted(instant, "20240203") is None
    assert converted(date, "20240203235959+0100") == "2024-02-03"
    assert converted(period, "20240203^20240204") == {"start": "2024-02-03", "end": "2024-02-04"}


@pytest.mark.parametrize(
    ("raw", "codings"),
    [
        ("718-7^Hb^LN^HB^Local^L", [("http://loinc.org", "718-7"), ("urn:x-hl7v2:coding-system:L", "HB")]),
        ("M^Married^HL70002", [("http://terminology.hl7.org/CodeSystem/v3-MaritalStatus", "M"),
                               ("http://terminology.hl7.org/CodeSystem/v2-0002", "M")]),
        ("M", [("http://terminology.hl7.org/CodeSystem/v3-MaritalStatus", "M"),
               ("http://terminology.hl7.org/CodeSystem/v2-0002", "M")]),
        ("X1^Odd^2.999.1", [("urn:oid:2.999.1", "X1")]),
    ],
)  # fmt: skip
def test_concepts(raw: str, codings: list[tuple[str, str]]) -> None:
    """A CWE becomes a CodeableConcept with the code of the map, and as it came."""
    found = converted(concept("MaritalStatus", "0002"), raw)
    assert [(one["system"], one["code"]) for one in found["coding"]] == codings


def test_text_without_a_code() -> None:
    """What has no code is text."""
    assert converted(concept(), "^Rare thing") == {"text": "Rare thing"}


def test_code_that_no_table_has() -> None:
    """It is kept beside, with a warning, or refused, as the channel says."""
    sex = code("AdministrativeSex", "gender")
    kept = converted(sex, "Q")
    assert kept["_gender"]["extension"][0]["valueCodeableConcept"]["coding"][0]["code"] == "Q"
    assert "gender" not in kept
    with pytest.raises(HL7Error) as refused:
        converted(sex, "Q", replace(CHANNEL, unknown_code="refuse"))
    assert refused.value.code == "103"


def test_quantities() -> None:
    """Numbers keep each digit, and units are of UCUM only if they say so."""
    assert converted(cq, "1.50^mg&&UCUM") == {
        "value": Decimal("1.50"), "unit": "mg", "system": "http://unitsofmeasure.org", "code": "mg",
    }  # fmt: skip
    assert converted(cq, "2^Stück") == {"value": Decimal(2), "unit": "Stück"}
    assert converted(money, "100&USD") == {"value": Decimal(100), "currency": "USD"}


def test_files() -> None:
    """ED and RP become attachments; data that is not what it says is refused."""
    assert converted(embedded, "^application^pdf^Base64^JVBERg==") == {
        "contentType": "application/pdf", "data": "JVBERg==",
    }  # fmt: skip
    assert converted(pointer, "https://example.org/a b^^image^PNG") == {
        "url": "https://example.org/a%20b", "contentType": "image/png",
    }  # fmt: skip
    with pytest.raises(HL7Error):
        converted(embedded, "^application^pdf^Base64^%%%")


@pytest.mark.failure_story("equal-keys")
def test_keys_of_different_parts_differ() -> None:
    """`a|b` and `c` are not `a` and `b|c`: parts count with their lengths."""
    assert key_id("a|b", "c") != key_id("a", "b|c")
    assert key_id("ab", "c") != key_id("a", "bc")
