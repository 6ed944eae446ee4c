"""Whether a visit by video is paid, which it has to be before anybody joins it."""

from collections.abc import Mapping
from typing import Any

from fhir_server.workflows.billing.events import is_virtual
from fhir_server.workflows.billing.invoicing import invoice_of
from fhir_server.workflows.billing.rules import UNPAID
from fhir_server.workflows.made import key_id
from fhir_server.workflows.pattern import Violation
from fhir_server.workflows.records import Records


async def unpaid(appointment: Mapping[str, Any], records: Records) -> Violation | None:
    """Return that nobody may join the visit of an Appointment yet; None if it is paid, or costs nothing."""
    if not is_virtual(appointment):
        return None
    charge_id = key_id("charge", f"Appointment/{appointment['id']}")
    reference = f"ChargeItem/{charge_id}"
    charge = await records.read(reference)
    if charge is None or charge.get("status") not in ("planned", "billable", "billed"):
        return None
    invoice = await invoice_of(reference, records)
    if invoice is not None and invoice.get("status") == "balanced":
        return None
    return UNPAID.broken("The visit is not paid yet; Invoice/$pay pays it", "Appointment")
