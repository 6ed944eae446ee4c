"""FT1 of a payment (FT1-6 PY): what was paid elsewhere of an invoice of ours. HL7 v2.5.1 §6.5.1

It names the invoice (FT1-23), as payments are counted by invoices, and its own number (FT1-2), by which it is
counted once.
"""

from typing import Any

from adapters.to_fhir.datatypes.codes import codings
from adapters.to_fhir.datatypes.identifiers import cx, ei, identities_of
from adapters.to_fhir.datatypes.quantities import money
from adapters.to_fhir.datatypes.times import date, date_time
from adapters.to_fhir.drafts import Draft, Identity, Payment
from adapters.to_fhir.messages.common import filled, missing
from adapters.to_fhir.rules import Convert, Rule, SegmentMap
from adapters.to_fhir.scope import Scope
from adapters.to_fhir.value import Value
from hl7.errors import DATA_TYPE
from hl7.message import Segment

PAYMENT = "PY"  # table 0017
_NUMBER = "urn:fhir-hospital-server:invoice-number"
_TYPE = {"system": "http://terminology.hl7.org/CodeSystem/payment-type", "code": "payment"}


def first(convert: Convert) -> Convert:
    """Return the converter of the first component: of a DR, which FT1-4 is, from when it goes."""

    def converted(value: Value, scope: Scope) -> Any:
        return convert(value.part(1) if len(value.parts) > 1 else value, scope)

    return converted


FT1_PAYMENT = SegmentMap(
    "FT1[PaymentReconciliation]",
    "PaymentReconciliation",
    (
        Rule("FT1-2", "identifier[]", ei, "ours"),
        Rule("FT1-4", "paymentDate", first(date), "ours"),
        Rule("FT1-4", "created", first(date_time), "ours"),
        Rule("FT1-5", "created", date_time, "ours"),
        Rule("FT1-11", "paymentAmount", money, "ours"),
        Rule("FT1-12", "paymentAmount", money, "ours", lambda segment, _: not segment[11], "FT1-11 is empty"),
    ),
)


def payment(scope: Scope, segment: Segment) -> None:
    """Add a payment, and the invoice that it is of; raise HL7Error for one that does not say all of it."""
    draft = Draft(f"payment:{segment.sequence}", {"resourceType": "PaymentReconciliation"})
    filled(scope, draft, FT1_PAYMENT, segment)
    resource = draft.resource
    draft.identities = identities_of(resource.get("identifier", []))
    for field, is_there in (
        (2, draft.identities), (4, "paymentDate" in resource), (11, "paymentAmount" in resource)
    ):  # fmt: skip
        if not is_there:
            raise missing("FT1", segment.sequence, field)
    if resource["paymentAmount"]["value"] <= 0:
        scope.place.segment, scope.place.sequence, scope.place.field = "FT1", segment.sequence, 11
        raise scope.error("a payment is of more than nothing; refunds are given here", DATA_TYPE)
    invoice = _invoice(scope, segment)
    kinds = codings(Value(segment[7].repetition(1).raw, scope.reader), "", "0132") if segment[7] else []
    resource |= {"status": "active", "outcome": "complete"}
    resource["detail"] = [
        {
            "identifier": resource["identifier"][0],
            "type": {"coding": [_TYPE, *kinds]},
            "request": invoice.reference,
            "date": resource["paymentDate"],
            "amount": resource["paymentAmount"],
        }
    ]
    scope.drafts[draft.key] = draft
    scope.effects.append(Payment(draft.key, invoice.key))


def _invoice(scope: Scope, segment: Segment) -> Draft:
    """Return the invoice of FT1-23; a number without authority is one that was given here."""
    raw = segment[23].repetition(1).raw if segment[23] else ""
    value = Value(raw, scope.reader)
    scope.place.segment, scope.place.sequence, scope.place.field = "FT1", segment.sequence, 23
    number = cx(value, scope) if raw else None
    if number is None:
        raise missing("FT1", segment.sequence, 23)
    identity = Identity(number["system"] if value.has(4) else _NUMBER, number["value"])
    key = f"invoice:{identity.system}|{identity.value}"
    return scope.add(key, {"resourceType": "Invoice"}, identities=(identity,), presence="known")
