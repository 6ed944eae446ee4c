"""What insurers answer, as resources. https://hl7.org/fhir/R4/claimresponse.html"""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from fhir_server.store.ruling import Entry
from fhir_server.workflows.billing.references import short
from fhir_server.workflows.consequences import Consequence, Later
from fhir_server.workflows.insurance import rules
from fhir_server.workflows.notices import NoticeKind, notice
from fhir_server.workflows.pattern import Change, Violation, Watch
from fhir_server.workflows.records import Records
from fhir_server.workflows.situation import Situation

Resource = Mapping[str, Any]
_AGAIN = timedelta(minutes=1)

ANSWERED = NoticeKind(
    "W9.answered",
    "Your insurer has answered",
    "Your insurer has answered. What is left for you to pay, if anything, is in the portal.",
    "Your insurer has answered; see the portal.",
    category="billing",
)


async def gather(change: Change, records: Records) -> Resource | None:
    """Look up the claim that is answered."""
    return None if change.after is None else await records.read(change.after.get("request"))


def check(change: Change, facts: Resource | None, situation: Situation) -> Iterable[Violation]:
    """Yield what an answer says of another claim than its own."""
    after = change.after
    if after is None or facts is None or facts.get("resourceType") != "Claim":
        return
    patients = {short(one.get("patient"), situation.base_url) for one in (after, facts)}
    if len(patients) > 1:
        yield rules.RESPONSE.broken("The claim is of another patient", "ClaimResponse.patient")
    known = {one.get("sequence") for one in facts.get("item", ())}
    if any(one.get("itemSequence") not in known for one in after.get("item", ())):
        yield rules.RESPONSE.broken("The claim has no such item", "ClaimResponse.item.itemSequence")


def follows(change: Change, _facts: Resource | None, situation: Situation) -> Iterable[Consequence]:
    """Ask again later if the insurer was not to be reached; tell the patient of an answer."""
    after = change.after
    claim = None if after is None else short(after.get("request"), situation.base_url)
    if after is None or claim is None:
        return
    if change.became("queued", "outcome"):
        yield Later(Entry(f"adjudicate/{claim}", situation.now + _AGAIN, "W9.adjudicate", claim))
    patient = short(after.get("patient"), situation.base_url)
    is_answer = any(change.became(one, "outcome") for one in ("complete", "partial"))
    if is_answer and after.get("use") == "claim" and patient is not None:
        yield notice(ANSWERED, change.reference, patient, situation.now)


RESPONSES = Watch(types=frozenset({"ClaimResponse"}), gather=gather, check=check, follows=follows)
