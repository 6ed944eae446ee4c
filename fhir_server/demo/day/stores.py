"""The stores: what is used leaves the stock in the same moment, and what is low is ordered once."""

from typing import Any

from fhir_server.demo.day.trace import Trace

_ITEM_TYPE = "http://terminology.hl7.org/CodeSystem/supply-item-type"
_MOVEMENT = "urn:fhir-hospital-server:stock-movement"
_RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"


def run_low(day: Trace) -> None:
    """Receive a lot, use it until it is low, and find one warning and one order for it."""
    place = day.search("PH", "Location?_count=1&name=pharmacy") or day.search("PH", "Location?_count=1")
    pharmacy = f"Location/{place[0]['id']}"
    lot = day.create(
        "PH",
        {
            "resourceType": "Medication",
            "status": "active",
            "code": {"coding": [{"system": _RXNORM, "code": "313782", "display": "Acetaminophen 325 MG"}]},
            "batch": {"lotNumber": "DAY-1", "expirationDate": "2031-01-01"},
        },
    )
    item = {"reference": f"Medication/{lot['id']}"}
    day.create(
        "AD",
        {
            "resourceType": "ObservationDefinition",
            "category": [{"coding": [{"system": "urn:fhir-hospital-server:stock", "code": "on-hand"}]}],
            "code": lot["code"],
            "qualifiedInterval": [{"range": {"low": {"value": 40, "unit": "tablet"}}}],
        },
    )
    day.create("PH", _movement("receipt", item, 100, pharmacy))
    day.tell("PH", "receives 100 tablets", f"lot DAY-1 into {pharmacy}")
    day.create("PH", _movement("use", item, 70, pharmacy))
    stock = day.send("PH", "GET", f"/{pharmacy}/$stock?lot=DAY-1", status=200)
    left = [entry["resource"]["valueQuantity"]["value"] for entry in stock.get("entry", ())]
    day.check([int(value) for value in left] == [30], f"there are {left} and not 30 tablets")
    day.tell("PH", "uses 70 of them", "30 are on hand")
    flags = day.search("PH", f"Flag?status=active&subject=Medication/{lot['id']}")
    tasks = day.search("PH", "Task?code=urn:fhir-hospital-server:supply-task|buy&status=requested")
    day.check(len(flags) == 1, f"there are {len(flags)} warnings and not one")
    day.check(len(tasks) >= 1, "nobody is asked to buy")
    day.tell("PH", "is warned", f"Flag/{flags[0]['id']}, and a task to buy")
    too_much = _movement("use", item, 31, pharmacy)
    day.refused("PH", "POST", "/SupplyDelivery", too_much, 422)
    day.tell("PH", "takes 31 more", "refused: there are 30")


def _movement(kind: str, item: dict[str, Any], count: int, place: str) -> dict[str, Any]:
    kinds = [{"system": _ITEM_TYPE, "code": "medication"}, {"system": _MOVEMENT, "code": kind}]
    return {
        "resourceType": "SupplyDelivery",
        "status": "completed",
        "type": {"coding": kinds},
        "suppliedItem": {"quantity": {"value": count, "unit": "tablet"}, "itemReference": item},
        "destination": {"reference": place},
    }
