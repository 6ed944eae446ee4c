"""The demo hospital's beds agree with its encounters, and its patients can be moved and sent home.

docs/demo.md
"""

from datetime import date
from typing import Any

import httpx

from fhir_server.demo.generation import hospital_parts
from fhir_server.demo.loading import load_demo
from fhir_server.loader.loading import Report
from fhir_server.loader.submission import Failure
from tests.fhir_server.workflows.encounters.ward import Ward


class _Watch:
    def failed(self, failure: Failure) -> None:
        """Fail with it."""
        raise AssertionError(failure)

    def advanced(self, report: Report) -> None:
        """Nothing to show."""


def _beds(client: httpx.Client) -> list[dict[str, Any]]:
    answer = client.get("/Location/$bed-board").raise_for_status().json()
    return [
        {part["name"]: next(value for key, value in part.items() if key != "name") for part in one["part"]}
        for ward in answer["parameter"]
        for one in ward["part"]
        if one["name"] == "bed"
    ]


def test_the_demo_has_its_beds(client: httpx.Client, base_url: str) -> None:
    """Who lies in a bed is moved to a free one, and goes home from there."""
    load_demo(base_url, hospital_parts(date.today(), patients=60), Report(), _Watch())
    beds = _beds(client)
    assert all((one["state"] == "O") == (one.get("use") == "active") for one in beds)
    taken = [one for one in beds if one.get("use") == "active"]
    free = [one for one in beds if one["state"] == "U" and "use" not in one]
    stays = [client.get(f"/{one['encounter']['reference']}").json() for one in taken]
    inpatients = [one for one in stays if one["class"]["code"] == "IMP"]
    assert inpatients
    assert free
    ward = Ward(client)
    encounter = f"Encounter/{inpatients[0]['id']}"
    moved = ward.call(f"{encounter}/$transfer", bed=free[0]["location"]["reference"])
    assert moved.status_code == 200, moved.text
    attender = inpatients[0]["participant"][0]["individual"]["reference"]
    gone = ward.call(
        f"{encounter}/$discharge",
        author=attender,
        hospital_course="Better",
        instructions="Rest",
        follow_up="2030-01-31",
        orders_reviewed=True,
        sign=True,
    )
    assert gone.status_code == 200, gone.text
    queue = client.get("/Encounter/$er-queue").json()
    assert queue["resourceType"] == "List"
