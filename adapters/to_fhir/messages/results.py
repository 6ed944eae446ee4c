"""ORU^R01 and OUL^R22: results. HL7 v2.5.1 §7.3.1, §7.3.4

A report is known by the filler's order number and what was examined (OBR-4); a result in it by OBX-3, OBX-4
and OBX-21. Lines of text with the same of these are one result.
"""

from typing import Any

from adapters.to_fhir.datatypes.quantities import embedded, pointer
from adapters.to_fhir.datatypes.times import date_time
from adapters.to_fhir.drafts import Draft, OrderControl, Withdrawal
from adapters.to_fhir.messages.clinical import told
from adapters.to_fhir.messages.common import filled, missing, persona, subject_parts, visit
from adapters.to_fhir.messages.orders_common import (
    about,
    add_notes,
    filler,
    placer,
    service_request,
    specimen,
)
from adapters.to_fhir.messages.orders_walk import Order, Result, walk
from adapters.to_fhir.scope import Scope
from adapters.to_fhir.segments.orders import OBR_REPORT
from adapters.to_fhir.segments.results import FILES, observation
from adapters.to_fhir.tables.codes import translate
from adapters.to_fhir.value import Value
from hl7.message import Segment

_ENDED = frozenset({"final", "amended", "corrected", "appended", "cancelled", "entered-in-error"})
_NOTE = "http://hl7.org/fhir/5.0/StructureDefinition/extension-DiagnosticReport.note"


def oru(scope: Scope) -> None:
    """Map ORU^R01."""
    _results(scope, specimen_first=False)


def oul(scope: Scope) -> None:
    """Map OUL^R22, in which the specimen comes before the orders."""
    _results(scope, specimen_first=True)


def _results(scope: Scope, *, specimen_first: bool) -> None:
    persona(scope, "minimal")
    visit(scope, "minimal")
    found = walk(scope.message.segments, specimen_first=specimen_first)
    orders = [one for one in found.orders if one.detail is not None and one.detail.name == "OBR"]
    if not orders:
        raise missing("OBR")
    for place, order in enumerate(orders, 1):
        _report(scope, order, place)


def _report(scope: Scope, order: Order, place: int) -> None:
    obr = order.detail
    assert obr is not None  # noqa: S101 - see _results
    key = f"report:{place}"
    draft = Draft(key, {"resourceType": "DiagnosticReport"})
    filled(scope, draft, OBR_REPORT, obr)
    report = draft.resource
    if not report.get("code"):
        raise missing("OBR", obr.sequence, 4)
    report.setdefault("status", "unknown")
    report |= about(scope)
    draft.parts = _report_parts(scope, order, obr, report)
    draft.order = report.get("issued", "")
    request = service_request(scope, order, place, "minimal")
    if request is not None:
        request.resource["status"] = "completed" if report["status"] in _ENDED else "active"
        report["basedOn"] = [request.reference]
        if order.orc is not None and order.orc.get(1):
            control = OrderControl(request.key, order.orc.get(1), order.orc[2].text, order.orc[3].text)
            scope.effects.append(control)
    samples = [specimen(scope, one, request) for one in order.samples]
    if samples:
        report["specimen"] = [one.reference for one in samples]
    if order.notes:
        _report_notes(scope, draft, order.notes)
    results = _observations(scope, order, draft, report)
    if results:
        report["result"] = [one.reference for one in results]
        if scope.channel.snapshot:
            scope.effects.append(Withdrawal(draft.key))
    files = [made for one in order.results if (made := _file(scope, one.obx, key)) is not None]
    if files:
        report["presentedForm"] = files
        draft.listed = draft.listed | {"presentedForm"}
    scope.drafts[key] = draft


def _report_parts(scope: Scope, order: Order, obr: Segment, report: dict[str, Any]) -> tuple[str, ...]:
    """Return what makes it the same report another time."""
    known = filler(scope, order) or placer(scope, order)
    parent = [obr[26].raw, obr[29].raw]
    what = [*told(report["code"]), *(parent if any(parent) else ())]
    if known is not None:
        parts: tuple[str, ...] = ("report", known.system, known.value, *what)
    else:
        when = report.get("effectiveDateTime") or report.get("effectivePeriod", {}).get("start", "")
        if not when:
            raise missing("OBR", obr.sequence, 3)
        parts = ("report", *subject_parts(scope), when, *what)
    same = sum(
        one.parts[: len(parts)] == parts for one in scope.drafts.values() if one.type == "DiagnosticReport"
    )
    if same:
        scope.place.segment, scope.place.sequence, scope.place.field = "OBR", obr.sequence, 3
        scope.warn("a second report of the same order and examination", "205")
        return (*parts, str(same + 1))
    return parts


def _report_notes(scope: Scope, draft: Draft, notes: list[Segment]) -> None:
    """Add the NTEs behind an OBR as notes of the report, which R4 has as an extension (ours)."""
    add_notes(scope, draft, "note", notes)
    listed = draft.resource.pop("note", [])
    extensions = [{"url": _NOTE, "valueAnnotation": one} for one in listed]
    if extensions:
        draft.resource.setdefault("extension", []).extend(extensions)


def _observations(scope: Scope, order: Order, draft: Draft, report: dict[str, Any]) -> list[Draft]:
    obr = order.detail
    assert obr is not None  # noqa: S101 - see _results
    category = _category(obr)
    raw = obr.raw_fields[7] if len(obr.raw_fields) > 7 else ""
    taken = date_time(Value(raw, scope.reader), scope) if raw and raw != '""' else None
    shared: dict[str, Any] = {
        name: report[name] for name in ("subject", "encounter", "basedOn", "issued") if name in report
    }
    if len(report.get("specimen", ())) == 1:
        shared["specimen"] = report["specimen"][0]
    found: dict[tuple[str, ...], Draft] = {}
    for result in order.results:
        made = _observation(scope, result, draft, report)
        if made is None:
            continue
        resource = {**made.resource, **shared}
        if category is not None:
            resource["category"] = [category, *resource.get("category", ())]
        if "effectiveDateTime" not in resource and taken is not None:
            resource["effectiveDateTime"] = taken
        made.resource = resource
        _keep(scope, made, found, result)
    return list(found.values())


def _keep(scope: Scope, made: Draft, found: dict[tuple[str, ...], Draft], result: Result) -> None:
    """Add a result, or a further line to the text of one; another one of the same key is counted."""
    before = found.get(made.parts)
    texts = ("valueString" in made.resource, before is not None and "valueString" in before.resource)
    if before is not None and all(texts):
        before.resource["valueString"] += "\n" + made.resource["valueString"]
        before.resource.setdefault("note", []).extend(made.resource.get("note", ()))
        if not before.resource["note"]:
            del before.resource["note"]
        return
    if before is not None:
        number = sum(parts[: len(made.parts)] == made.parts for parts in found) + 1
        scope.place.segment, scope.place.sequence, scope.place.field = "OBX", result.obx.sequence, 4
        scope.warn("a second result of the same kind without a sub-id of its own", "205")
        made.parts = (*made.parts, str(number))
    found[made.parts] = made
    scope.drafts[made.key] = made


def _category(obr: Segment) -> dict[str, Any] | None:
    """Return the category of the results of a section of the laboratory or hospital (OBR-24, ours)."""
    target = translate("Section[ObservationCategory]", obr.get(24))
    if target is None:
        return None
    return {"coding": [{"system": target.system, "code": target.code}]}


def _observation(scope: Scope, result: Result, draft: Draft, report: dict[str, Any]) -> Draft | None:
    obx = result.obx
    key = f"{draft.key}:result:{obx.sequence}"
    with scope.within(key):
        resource = observation(obx, scope)
    if resource is None:
        return None
    if "status" not in resource:
        scope.place.segment, scope.place.sequence, scope.place.field = "OBX", obx.sequence, 11
        scope.warn("a result without a status: that of its report was taken", "101")
        resource["status"] = {"partial": "preliminary", "appended": "amended"}.get(
            report["status"], report["status"]
        )
    found = Draft(key, resource)
    if result.notes:
        add_notes(scope, found, "note", result.notes)
    own = obx[21].raw
    what = (*told(resource["code"]), obx[4].text, *((own,) if own else ()))
    found.parts = ("result", *draft.parts, *what)
    found.order = report.get("issued", "")
    return found


def _file(scope: Scope, obx: Segment, key: str) -> dict[str, Any] | None:
    """Return the Attachment of an OBX that is a file; it goes with the report (ours)."""
    kind = obx.get(2).upper()
    if kind not in FILES:
        return None
    scope.place.segment, scope.place.sequence, scope.place.field = "OBX", obx.sequence, 5
    raw = obx[5].repetition(1).raw
    made = (embedded if kind == "ED" else pointer)(Value(raw, scope.reader), scope) if raw else None
    if made is None:
        return None
    title = obx.get(3, 2)
    with scope.within(key):
        scope.note("presentedForm", "OBX[DocumentReference] 5")
    return made | ({"title": title} if title else {})
