"""A hospital in which doctors prescribe: somebody of each role, and a folder for its e-mails."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from pymongo import MongoClient

from fhir_server.settings import Settings
from fhir_server.smart.principal import Principal
from tests.fhir_server.conftest import FHIR_JSON, running_server
from tests.fhir_server.workflows.medication.ward import Ward
from tests.fhir_server.workflows.orders.laboratory import ROLES, coded, treated

Resource = dict[str, Any]


async def _authenticate(token: str) -> Principal | None:
    """Know somebody of each role by its code, and a backend service as SY."""
    if token == "SY":
        return Principal("app", ("system/*.cruds",))
    if token not in ROLES:
        return None
    person = "Patient/p" if token == "PT" else f"Practitioner/{token.lower()}"
    scopes = ("patient/*.cruds",) if token == "PT" else ("user/*.cruds",)
    return Principal("app", scopes, token, person, frozenset({token}), patient="p" if token == "PT" else None)


@pytest.fixture(scope="module")
def outbox(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the e-mails go."""
    return tmp_path_factory.mktemp("mails")


@pytest.fixture(scope="module")
def settings(settings: Settings, outbox: Path) -> Settings:
    """Settings of a hospital in which all rules of medication hold, and nights are not quiet."""
    off = "W1.incomplete,W1.duplicate-patient,W1.record-number,W10"
    return settings.model_copy(update={"workflows_off": off, "mail_dir": outbox, "quiet_hours": None})


@pytest.fixture(scope="module")
def ward(settings: Settings, outbox: Path) -> Iterator[Ward]:
    """A running server, and a client for each role."""
    assert settings.mongo_url is not None
    with ExitStack() as opened:
        url = opened.enter_context(running_server(settings, _authenticate))
        clients = {
            role: opened.enter_context(
                httpx.Client(
                    base_url=url,
                    headers={"content-type": FHIR_JSON, "authorization": f"Bearer {role}"},
                    timeout=60,
                )
            )
            for role in (*ROLES, "SY")
        }
        database = opened.enter_context(MongoClient[dict[str, Any]](settings.mongo_url))[settings.database]
        made = Ward(clients, database, settings, outbox)
        for resource in treated():
            made.put("SY", resource)
        made.admit(40)
        yield made


@pytest.fixture
def patient(ward: Ward) -> str:
    """A patient of the doctor, of whom nothing is known yet, as a reference."""
    return ward.patient()


@pytest.fixture
def allergic(ward: Ward, patient: str) -> Callable[[str], str]:
    """Writes that the patient is allergic to something."""

    def write(name: str) -> str:
        allergy = {
            "resourceType": "AllergyIntolerance",
            "patient": {"reference": patient},
            "code": {"text": name},
        }
        system = "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical"
        made = ward.made("SY", {**allergy, "clinicalStatus": coded(system, "active")})
        return f"AllergyIntolerance/{made['id']}"

    return write
