"""Who may do what with supplies: the pharmacy and administrators keep them, nurses and laboratory use them.

https://hl7.org/fhir/R4/supplydelivery.html
"""

from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import pytest

from fhir_server.settings import Settings
from fhir_server.smart.principal import Principal
from tests.fhir_server.conftest import FHIR_JSON, running_server
from tests.fhir_server.workflows.supplies.shelf import Shelf, rules

ROLES = ("PT", "DR", "RN", "LB", "PH", "BC", "AD", "AU")


async def _authenticate(token: str) -> Principal | None:
    """Know somebody of each role by its code."""
    if token not in ROLES:
        return None
    person = "Patient/p" if token == "PT" else f"Practitioner/{token.lower()}"
    scopes = ("patient/*.cruds",) if token == "PT" else ("user/*.cruds",)
    return Principal("app", scopes, token, person, frozenset({token}), patient="p" if token == "PT" else None)


@pytest.fixture(scope="module")
def clients(settings: Settings) -> Iterator[dict[str, httpx.Client]]:
    """A client for each role."""
    with running_server(settings, _authenticate) as url:
        headers = {"content-type": FHIR_JSON}
        with ExitStack() as opened:
            yield {
                role: opened.enter_context(
                    httpx.Client(
                        base_url=url, headers={**headers, "authorization": f"Bearer {role}"}, timeout=30
                    )
                )
                for role in ROLES
            }


@pytest.fixture
def shelf(clients: dict[str, httpx.Client]) -> Shelf:
    """An item and places that the administrator made."""
    return Shelf(clients["AD"])


@pytest.mark.workflow("1-13", "4-36")
def test_the_pharmacy_and_administrators_receive(shelf: Shelf, clients: dict[str, httpx.Client]) -> None:
    """Nobody else does: nurses are told so by a rule, the others by the access rules."""
    lot = shelf.lot()
    for role in ROLES:
        answer = clients[role].post("/SupplyDelivery", json=shelf.delivery(lot, 1))
        assert answer.status_code == (201 if role in ("PH", "AD") else 403), role
        if role in ("RN", "LB"):
            assert rules(answer) == {"W10.only-use"}
    for role in ROLES:
        answer = clients[role].get(f"/{shelf.pharmacy}/$stock")
        assert answer.status_code == (403 if role in ("PT", "BC") else 200), role
        if answer.status_code == 200:
            assert answer.json()["entry"][0]["resource"]["valueQuantity"]["value"] == 2


def test_nurses_and_laboratory_say_what_they_use(shelf: Shelf, clients: dict[str, httpx.Client]) -> None:
    """An adjustment is not theirs."""
    lot = shelf.lot()
    shelf.receive(lot, 10)
    for role in ("RN", "LB"):
        used = clients[role].post("/SupplyDelivery", json=shelf.delivery(lot, 1, "use"))
        assert used.status_code == 201
        counted = clients[role].post("/SupplyDelivery", json=shelf.delivery(lot, 1, "adjustment"))
        assert (counted.status_code, rules(counted)) == (403, {"W10.only-use"})
    assert shelf.on_hand(lot, observed=False) == 8


def test_the_ledger_is_looked_after_by_few(clients: dict[str, httpx.Client]) -> None:
    """Pharmacy, auditors and administrators ask whether it is right; the last book what was imported."""
    for role in ROLES:
        verified = clients[role].get("/$verify-stock").status_code
        assert verified == (200 if role in ("PH", "AD", "AU") else 403), role
        rebuilt = clients[role].post("/$rebuild-stock").status_code
        assert rebuilt == (200 if role == "AD" else 403), role


@pytest.mark.workflow("1-14", "4-38")
def test_the_pharmacy_sees_the_flags_of_supplies_only(clients: dict[str, httpx.Client], shelf: Shelf) -> None:
    """What is flagged about patients is not theirs."""
    lot = shelf.lot(3)
    shelf.receive(lot, 1)
    assert clients["PH"].get("/Flag", params={"subject": lot}).json()["total"] == 1
    about = {
        "resourceType": "Flag",
        "status": "active",
        "code": {"text": "x"},
        "subject": {"reference": "Patient/p"},
    }
    assert clients["RN"].post("/Flag", json=about).status_code == 201
    assert clients["PH"].get("/Flag", params={"subject": "Patient/p"}).json()["total"] == 0
