"""MDM: documents, their addenda, editions and replacements. HL7 v2.5.1 chapter 9"""

import base64
from typing import Any

from adapters.to_fhir.datatypes.actors import practitioner
from adapters.to_fhir.datatypes.codes import concept
from adapters.to_fhir.datatypes.identifiers import ei, identities_of
from adapters.to_fhir.datatypes.quantities import embedded, pointer
from adapters.to_fhir.datatypes.times import instant
from adapters.to_fhir.drafts import Draft, Identity
from adapters.to_fhir.messages.common import filled, missing, persona, visit
from adapters.to_fhir.messages.orders_common import number
from adapters.to_fhir.rules import Rule, SegmentMap, text
from adapters.to_fhir.scope import Scope
from adapters.to_fhir.value import Value
from hl7.message import Segment

# Table 0271: how far a document is, by the steps of https://hl7.org/fhir/R4/valueset-composition-status.html
_COMPLETION = {"DI": "preliminary", "DO": "preliminary", "IN": "preliminary", "IP": "preliminary",
               "PA": "preliminary", "AU": "final", "LA": "final"}  # fmt: skip
# Table 0273: what may be shown.
_AVAILABILITY = {"AV": "current", "UN": "current", "CA": "entered-in-error", "OB": "superseded"}


def _doc_status(value: Value, _scope: Scope) -> str | None:
    return _COMPLETION.get(value[1])


def _status(value: Value, _scope: Scope) -> str | None:
    return _AVAILABILITY.get(value[1])


def _label(value: Value, scope: Scope) -> dict[str, Any] | None:
    made: dict[str, Any] | None = concept("DocumentConfidentialityStatus", "0272")(value, scope)
    return made


TXA = SegmentMap(
    "TXA[DocumentReference]",
    "DocumentReference",
    (
        Rule("TXA-2", "type", concept("", "0270"), "TXA[DocumentReference] 2"),
        Rule("TXA-6", "date", instant, "TXA[DocumentReference] 6"),
        Rule("TXA-9", "author[]", practitioner, "TXA[DocumentReference] 9"),
        Rule("TXA-10", "authenticator", practitioner, "TXA[DocumentReference] 10"),
        Rule("TXA-12", "masterIdentifier", ei, "TXA[DocumentReference] 12"),
        Rule("TXA-16", "identifier[]", lambda value, _: {"value": value.text} if value.text else None,
             "TXA[DocumentReference] 16"),
        Rule("TXA-17", "docStatus", _doc_status, "TXA[DocumentReference] 17"),
        Rule("TXA-18", "securityLabel[]", _label, "TXA[DocumentReference] 18"),
        Rule("TXA-19", "status", _status, "TXA[DocumentReference] 19"),
        Rule("TXA-25", "description", text, "TXA[DocumentReference] 25"),
    ),
)  # fmt: skip


def mdm(scope: Scope) -> None:
    """Map MDM^T02, T04, T06, T08, T10 and T11."""
    txa = scope.message.first("TXA")
    if txa is None:
        raise missing("TXA")
    persona(scope, "minimal")
    visit(scope, "minimal")
    event = scope.message.header.trigger_event
    draft = Draft("document", {"resourceType": "DocumentReference"})
    filled(scope, draft, TXA, txa)
    resource = draft.resource
    master = resource.get("masterIdentifier")
    if master is None:
        raise missing("TXA", 1, 12)
    # Found by `identifier`, which is a list: the search takes both.
    draft.identities = (Identity(master["system"], master["value"]),)
    resource["status"] = "entered-in-error" if event == "T11" else resource.get("status", "current")
    resource["subject"] = scope.drafts[scope.subject].reference
    if "encounter" in scope.drafts:
        resource["context"] = {"encounter": [scope.drafts["encounter"].reference]}
    contents = _contents(scope)
    if contents:
        resource["content"] = contents
        draft.listed = frozenset({"content"})
    elif event == "T11":
        draft.presence = "known"
    else:
        first = scope.message.first("OBX")
        raise missing("OBX") if first is None else missing("OBX", first.sequence, 5)
    _relate(scope, txa, event, resource)
    scope.drafts[draft.key] = draft


def _contents(scope: Scope) -> list[dict[str, Any]]:
    """Return what a document says: its text, its files, and where others are."""
    lines: list[str] = []
    found: list[dict[str, Any]] = []
    for segment in scope.message.all("OBX"):
        kind = segment.get(2).upper()
        scope.place.segment, scope.place.sequence, scope.place.field = "OBX", segment.sequence, 5
        raw = segment[5].repetition(1).raw
        if kind in ("ED", "RP"):
            made = (embedded if kind == "ED" else pointer)(Value(raw, scope.reader), scope) if raw else None
            if made is not None:
                found.append({"attachment": made})
                _noted(scope, f"content.{len(found) - 1}", "OBX[DocumentReference] 5")
        elif kind in ("TX", "FT", "ST", ""):
            lines += [scope.reader.text(one.raw) for one in segment[5].repetitions]
    if any(lines):
        data = base64.b64encode("\n".join(lines).encode()).decode()
        found.insert(0, {"attachment": {"contentType": "text/plain; charset=utf-8", "data": data}})
        _noted(scope, "content.0", "OBX[DocumentReference] 5")
    return found


def _noted(scope: Scope, path: str, row: str) -> None:
    with scope.within("document"):
        scope.note(path, row)


def _relate(scope: Scope, txa: Segment, event: str, resource: dict[str, Any]) -> None:
    """Refer from an addendum (T06) or a replacement (T10) to the document of before (TXA-13)."""
    parent = number(scope, txa, 13)
    if event not in ("T06", "T10"):
        return
    if parent is None:
        raise missing("TXA", 1, 13)
    before: dict[str, Any] = {"resourceType": "DocumentReference", "status": "current"}
    if event == "T10":
        before["status"] = "superseded"
    before["masterIdentifier"] = {"system": parent.system, "value": parent.value}
    draft = Draft("parent", before, (parent,), presence="known")
    scope.drafts[draft.key] = draft
    code = "appends" if event == "T06" else "replaces"
    target: dict[str, Any] = {"reference": draft.reference["reference"]}
    target["identifier"] = before["masterIdentifier"]
    resource["relatesTo"] = [{"code": code, "target": target}]


__all__ = ["identities_of", "mdm"]
