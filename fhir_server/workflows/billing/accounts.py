"""The account that a charge goes to: that of the visit, found or opened. https://hl7.org/fhir/R4/account.html"""

from typing import Any

from fhir_server.workflows.billing.references import short
from fhir_server.workflows.made import concept, key_id, made
from fhir_server.workflows.records import Records

Resource = dict[str, Any]
_TYPE = concept("http://terminology.hl7.org/CodeSystem/v3-ActCode", "PBILLACCT", "patient billing account")
_INACTIVE = ("inactive", "entered-in-error", "on-hold", "unknown")


async def account_for(patient: str, visit: Resource | None, records: Records) -> tuple[str, Resource | None]:
    """Return the reference of the account for a patient's visit, and the account if it is to be opened.

    An account that was closed is left alone: the next one is opened.
    """
    for reference in (visit or {}).get("account", ()):
        account = await records.read(reference)
        if account is not None and account.get("status") == "active":
            return f"Account/{account['id']}", None
    about = patient if visit is None else f"Encounter/{visit['id']}"
    for number in range(100):
        account_id = key_id("account", about, *([str(number)] if number else []))
        there = await records.read(f"Account/{account_id}")
        if there is None:
            return f"Account/{account_id}", await _opened(account_id, patient, visit, records)
        if there.get("status") not in _INACTIVE:
            return f"Account/{account_id}", None
    return f"Account/{account_id}", None


async def _opened(account_id: str, patient: str, visit: Resource | None, records: Records) -> Resource:
    found = await records.search("Coverage", ("beneficiary", patient), ("status", "active"))
    listed = sorted(found, key=lambda one: (one.get("order", 1), one["id"]))
    coverage = [
        {"coverage": {"reference": f"Coverage/{one['id']}"}, "priority": rank}
        for rank, one in enumerate(listed, start=1)
    ]
    start = (visit or {}).get("period", {}).get("start")
    return made(
        "Account",
        id=account_id,
        status="active",
        type=_TYPE,
        subject=[{"reference": patient}],
        servicePeriod={"start": start} if start else None,
        coverage=coverage or None,
        owner=(visit or {}).get("serviceProvider"),
    )


def is_self_pay(coverages: list[Resource], base_url: str) -> bool:
    """Tell whether nobody but people pays by any of the coverages."""
    payors = [short(payor, base_url) or "" for one in coverages for payor in one.get("payor", ())]
    return not any(payor.startswith("Organization/") for payor in payors)
