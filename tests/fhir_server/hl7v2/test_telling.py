"""What is told in the transaction of a change, and what is not.

Large documents, imports, what cannot be made.
"""

import base64
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.adapters.receiver import Receiver
from tests.fhir_server.hl7v2.told import destination, hospital_number, telling

Resource = dict[str, Any]


def test_a_large_document_is_told_whole(mongo_url: str, tmp_path: Path) -> None:
    """A document of nine mebibytes, which is kept in several pieces, arrives as it is."""
    there = Receiver()
    content = base64.b64encode(os.urandom(9 * 2**20)).decode()
    file = destination("adt", there.port, messages='["MDM"]', answer_seconds="20")
    with telling(mongo_url, tmp_path, {"adt": there}, file) as told:
        told.patient("p1")
        told.put(
            {
                "resourceType": "DocumentReference",
                "id": "d1",
                "status": "current",
                "type": {"coding": [{"system": "http://loinc.org", "code": "18842-5"}]},
                "subject": {"reference": "Patient/p1"},
                "content": [{"attachment": {"contentType": "application/pdf", "data": content}}],
            }
        )
        [sent] = told.wait("sent", 1, seconds=60)
        assert sent["pieces"] >= 2
        obx = there.received[0].first("OBX")
        assert obx is not None
        assert obx.get(5, 5) == content


def test_an_import_is_told_to_nobody(mongo_url: str, tmp_path: Path) -> None:
    """Records of the past, and what a hospital switches off, go to no other system."""
    there = Receiver()
    with telling(mongo_url, tmp_path, {"adt": there}) as told:
        told.http.headers["x-import"] = "records"
        told.patient("old")
        del told.http.headers["x-import"]
        told.patient("new")
        told.wait("sent", 1)
        assert [hospital_number(one) for one in there.received] == ["new"]


def test_a_pattern_that_is_off_tells_nothing(mongo_url: str, tmp_path: Path) -> None:
    """`FHIR_WORKFLOWS_OFF=W19` stops the telling, and nothing else."""
    there = Receiver()
    with telling(mongo_url, tmp_path, {"adt": there}, workflows_off="W19") as told:
        told.patient("p1")
        assert told.outbox() == []


def test_what_cannot_be_made_waits_for_a_person(
    mongo_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mistake in the making of messages never refuses the hospital's own change."""

    def broken(_telling: object) -> tuple[bytes, bool]:
        raise ZeroDivisionError

    monkeypatch.setattr("fhir_server.workflows.hl7v2.telling.message", broken)
    with telling(mongo_url, tmp_path, {"adt": Receiver()}) as told:
        told.patient("p1")
        [parked] = told.wait("parked", 1)
        assert parked["problem"] == "the message could not be made: ZeroDivisionError"
        body = {"resourceType": "Parameters", "parameter": [{"name": "id", "valueString": parked["_id"]}]}
        assert told.http.post("/$hl7v2-outbox-resend", json=body).status_code == 409


def test_a_stay_is_told_from_admission_to_discharge(mongo_url: str, tmp_path: Path) -> None:
    """A01 with the bed, A02 with the one before, A08 of the patient, A03 with the end.

    Beds from the real places.
    """
    there = Receiver()
    with telling(mongo_url, tmp_path, {"adt": there}, workflows_off="W4,W5,W12") as told:
        told.patient("p1")
        for name, kind, within in (
            ("W3", "wa", ""),
            ("R1", "ro", "W3"),
            ("B1", "bd", "R1"),
            ("B2", "bd", "R1"),
        ):
            told.put(_place(name, kind, within))
        told.put(_stay("in-progress", "B1"))
        told.put(_stay("in-progress", "B2", "B1"))
        told.patient("p1", gender="male")
        told.put(_stay("finished", "", "B1", "B2"))
        there.wait_for(5)
        assert there.events == ["ADT^A28", "ADT^A01", "ADT^A02", "ADT^A08", "ADT^A03"]
        places = []
        for one in there.received[1:]:
            pv1 = one.first("PV1")
            assert pv1 is not None
            places.append((pv1.get(3), pv1.get(3, 3), pv1.get(6, 3)))
        assert places == [("W3", "B1", ""), ("W3", "B2", "B1"), ("W3", "B2", ""), ("W3", "B2", "")]


def _place(name: str, kind: str, within: str) -> Resource:
    system = "http://terminology.hl7.org/CodeSystem/location-physical-type"
    place = {
        "resourceType": "Location",
        "id": name,
        "name": name,
        "physicalType": {"coding": [{"system": system, "code": kind}]},
    }
    return place | ({"partOf": {"reference": f"Location/{within}"}} if within else {})


def _stay(status: str, bed: str, *before: str) -> Resource:
    places: list[Mapping[str, Any]] = [
        {"location": {"reference": f"Location/{one}"}, "status": "completed"} for one in before
    ]
    if bed:
        places.append({"location": {"reference": f"Location/{bed}"}, "status": "active"})
    period = {"start": "2026-03-01T08:00:00Z"} | ({"end": "2026-03-03T08:00:00Z"} if not bed else {})
    return {
        "resourceType": "Encounter",
        "id": "e1",
        "status": status,
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"},
        "subject": {"reference": "Patient/p1"},
        "period": period,
        "location": places,
    }


def test_who_pays_is_told_when_it_changes(mongo_url: str, tmp_path: Path) -> None:
    """An insurance, or who vouches, is told by A31 of the patient, which is later than all before."""
    there = Receiver()
    with telling(mongo_url, tmp_path, {"adt": there}) as told:
        patient = told.patient("p1")
        reference = {"reference": "Patient/p1"}
        told.put({"resourceType": "Organization", "id": "o1", "active": True, "name": "Invented Insurance"})
        account: Resource = {
            "resourceType": "Account",
            "id": "a1",
            "status": "active",
            "subject": [reference],
        }
        told.put(account)
        coverage = {
            "resourceType": "Coverage",
            "id": "c1",
            "status": "active",
            "beneficiary": reference,
            "subscriberId": "S1",
            "payor": [{"reference": "Organization/o1"}],
        }
        told.put(coverage)
        told.put({**account, "guarantor": [{"party": reference}]})
        told.put({**account, "guarantor": [{"party": reference}], "description": "Something else"})
        told.put({**coverage, "status": "cancelled"})
        told.wait("sent", 4)
        assert there.events == ["ADT^A28", "ADT^A31", "ADT^A31", "ADT^A31"]
        payers = [(len(one.all("IN1")), len(one.all("GT1"))) for one in there.received]
        assert payers == [(0, 0), (1, 0), (1, 1), (0, 1)]
        times = [one.all("EVN")[0].get(2) for one in there.received]
        assert times == sorted(times)
        assert patient["meta"]["versionId"] == told.http.get("/Patient/p1").json()["meta"]["versionId"]
