"""What tests of charges, invoices and payments do at the billing office, over HTTP."""

import itertools
import json
import re
from decimal import Decimal
from typing import Any

import httpx

Resource = dict[str, Any]
_MARK = "decimal:"
_NUMBERS = itertools.count(1)
_HOUSE = "https://saguaro-valley.example/fhir/CodeSystem/charge"


def rule_of(answer: httpx.Response) -> str:
    """Return the id of the rule that an answer refuses by."""
    assert answer.status_code >= 400, answer.text
    found = answer.json()["issue"][0].get("details", {}).get("coding", [{}])[0].get("code", "")
    return str(found)


def number() -> str:
    """Return a number that no other test has."""
    return str(next(_NUMBERS))


def money(value: str) -> Resource:
    """Return dollars."""
    return {"value": Decimal(value), "currency": "USD"}


def price(kind: str, **told: Any) -> Resource:
    """Return a price component."""
    return {"type": kind, **told}


def definition(code: str, *parts: Resource, system: str = _HOUSE, **more: Any) -> Resource:
    """Return a definition of what something costs."""
    return {
        "resourceType": "ChargeItemDefinition",
        "id": f"price-{code}",
        "url": f"http://house.example/price-{code}",
        "status": "active",
        "code": {"coding": [{"system": system, "code": code}]},
        "propertyGroup": [{"priceComponent": list(parts)}],
        **more,
    }


def body(resource: Any) -> bytes:
    """Return a resource as JSON, its decimals with the digits that they have."""
    text = json.dumps(resource, default=_marked)
    return re.sub(f'"{_MARK}([^"]*)"', r"\1", text).encode()


def _marked(value: Any) -> str:
    assert isinstance(value, Decimal)
    return f"{_MARK}{value}"


def decimals(answer: httpx.Response) -> Resource:
    """Return the resource of an answer, its numbers as decimals."""
    found: Resource = json.loads(answer.content, parse_float=Decimal)
    return found


class Desk:
    """The billing office, which may do everything."""

    def __init__(self, client: httpx.Client) -> None:
        """Work by `client`."""
        self.client = client

    def put(self, resource: Resource) -> httpx.Response:
        """Store a resource under its id."""
        return self.client.put(f"/{resource['resourceType']}/{resource['id']}", content=body(resource))

    def stored(self, resource: Resource) -> Resource:
        """Store a resource, and return it."""
        answer = self.put(resource)
        assert answer.status_code in (200, 201), answer.text
        return decimals(answer)

    def read(self, reference: str) -> Resource:
        """Return a resource."""
        answer = self.client.get(f"/{reference}")
        assert answer.status_code == 200, answer.text
        return decimals(answer)

    def status(self, reference: str) -> str:
        """Return the state of a resource."""
        return str(self.read(reference)["status"])

    def search(self, question: str) -> list[Resource]:
        """Return what a search finds."""
        answer = self.client.get(f"/{question}")
        assert answer.status_code == 200, answer.text
        return [one["resource"] for one in decimals(answer).get("entry", ())]

    def patient(self) -> str:
        """Register a patient; return the reference."""
        patient = {"resourceType": "Patient", "name": [{"family": "Billing"}], "birthDate": "1980-01-01"}
        answer = self.client.post("/Patient", content=body(patient))
        assert answer.status_code == 201, answer.text
        return f"Patient/{answer.json()['id']}"

    def event(self, resource_type: str, patient: str, **more: Any) -> Resource:
        """Return something that was done for a patient, not stored yet."""
        subject = {"patient" if resource_type == "SupplyDelivery" else "subject": {"reference": patient}}
        return {"resourceType": resource_type, "id": f"e{number()}", **subject, **more}

    def charge(self, patient: str, value: str, **more: Any) -> Resource:
        """Write a charge by hand on an account of the patient, and return it."""
        account = more.pop("on", None) or self.account(patient)
        charge = {
            "resourceType": "ChargeItem",
            "id": f"c{number()}",
            "status": "billable",
            "code": {"text": "something"},
            "subject": {"reference": patient},
            "priceOverride": money(value),
            "account": [{"reference": account}],
            **more,
        }
        return self.stored(charge)

    def account(self, patient: str) -> str:
        """Open an account; return the reference."""
        account = {"resourceType": "Account", "id": f"a{number()}", "status": "active"}
        self.stored({**account, "subject": [{"reference": patient}]})
        return f"Account/{account['id']}"

    def call(self, path: str, **given: Any) -> httpx.Response:
        """Call an operation with parameters."""
        listed = [
            {"name": name.removesuffix("_"), _kind(one): one}
            for name, value in given.items()
            for one in (value if isinstance(value, list) else [value])
        ]
        parameters: Resource = {"resourceType": "Parameters"}
        if listed:
            parameters["parameter"] = listed
        return self.client.post(f"/{path}", content=body(parameters))

    def invoice(self, account: str, **given: Any) -> Resource:
        """Write the invoice of an account, and return it."""
        answer = self.call(f"{account}/$invoice", **given)
        assert answer.status_code == 201, answer.text
        return decimals(answer)

    def bill(self, value: str) -> Resource:
        """Return an invoice of a new patient that is issued."""
        patient = self.patient()
        account = self.account(patient)
        self.charge(patient, value, on=account)
        return self.invoice(account)

    def pay(
        self, invoice: Resource, value: str | None = None, method: str = "cash", **given: Any
    ) -> httpx.Response:
        """Pay an invoice, or a part of it."""
        if value is not None:
            given["amount"] = money(value)
        given.setdefault("key", f"k{number()}")
        return self.call(f"Invoice/{invoice['id']}/$pay", method=method, **given)

    def paid(self, invoice: Resource, value: str | None = None, **given: Any) -> Resource:
        """Pay an invoice, and return the payment."""
        answer = self.pay(invoice, value, **given)
        assert answer.status_code == 200, answer.text
        found: Resource = part(answer, "payment")
        return found

    def balance(self, invoice: Resource) -> dict[str, Decimal]:
        """Return what is owed of an invoice."""
        answer = self.client.get(f"/Invoice/{invoice['id']}/$balance")
        assert answer.status_code == 200, answer.text
        return {one["name"]: one["valueMoney"]["value"] for one in decimals(answer)["parameter"]}

    def transaction(self, *entries: tuple[str, str, Resource]) -> httpx.Response:
        """Send changes as one transaction: method, address and resource of each."""
        listed = [
            {"request": {"method": method, "url": url}, "resource": resource}
            for method, url, resource in entries
        ]
        return self.client.post(
            "", content=body({"resourceType": "Bundle", "type": "transaction", "entry": listed})
        )

    def patch(self, reference: str, *steps: Resource) -> httpx.Response:
        """Send a JSON Patch."""
        return self.client.patch(
            f"/{reference}",
            content=body(list(steps)),
            headers={"content-type": "application/json-patch+json"},
        )


def part(answer: httpx.Response, name: str) -> Any:
    """Return the value of a parameter of an answer."""
    for one in decimals(answer)["parameter"]:
        if one["name"] == name:
            found: Any = next(one[key] for key in one if key.startswith("value") or key == "resource")
            return found
    raise AssertionError(answer.text)


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "valueBoolean"
    if isinstance(value, int):
        return "valuePositiveInt"
    if isinstance(value, dict):
        return "valueReference" if "reference" in value else "valueMoney"
    return "valueString"
