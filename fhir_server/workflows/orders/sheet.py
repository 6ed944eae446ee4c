"""A report as a PDF, for the record and for the patient to take along.

https://hl7.org/fhir/R4/diagnosticreport.html
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any
from xml.sax.saxutils import escape

from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import getSampleStyleSheet
from reportlab.lib.units import mm
from reportlab.platypus import Paragraph, SimpleDocTemplate, Spacer, Table, TableStyle

Resource = Mapping[str, Any]

_STYLES = getSampleStyleSheet()
_WIDTHS = [58 * mm, 34 * mm, 26 * mm, 36 * mm, 20 * mm]
_GRID = TableStyle(
    [
        ("LINEBELOW", (0, 0), (-1, 0), 0.5, colors.black),
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("LEFTPADDING", (0, 0), (-1, -1), 0),
    ]
)
_HEAD = ("Test", "Result", "Unit", "Reference", "")
_CORRECTED = frozenset({"amended", "corrected", "appended"})
_COMPARED = {"low": "from", "high": "up to"}


@dataclass(frozen=True, slots=True)
class Sheet:
    """What goes onto the paper: lines above, a row for each result, and what the doctor says."""

    title: str
    above: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    conclusion: str = ""


def sheet(report: Resource, results: Sequence[Resource], patient: Resource) -> Sheet:
    """Return the paper of a report."""
    numbers = (one["value"] for one in patient.get("identifier", ()) if "value" in one and _is_record(one))
    told = [
        ("Patient", name_of(patient)),
        ("Born", patient.get("birthDate", "")),
        ("Number", next(numbers, "")),
        ("Examined", report.get("effectiveDateTime", "")[:16].replace("T", " ")),
        ("Reported", report.get("issued", "")[:16].replace("T", " ")),
        (
            "Status",
            f"{report['status']} - replaces the report of before" if _is_new(report) else report["status"],
        ),
    ]
    title = text_of(report.get("code")) or "Report"
    above = tuple(f"{label}: {text}" for label, text in told if text)
    return Sheet(
        title, above, tuple(row for one in results for row in _rows(one)), report.get("conclusion", "")
    )


def _is_record(identifier: Resource) -> bool:
    return any(coding.get("code") == "MR" for coding in identifier.get("type", {}).get("coding", ()))


def _is_new(report: Resource) -> bool:
    return report["status"] in _CORRECTED


def _rows(result: Resource) -> Iterable[tuple[str, ...]]:
    meaning = " ".join(
        coding.get("code", "") for one in result.get("interpretation", ()) for coding in one.get("coding", ())
    )
    limits = "; ".join(_limits(one) for one in result.get("referenceRange", ()))
    value, unit = _value(result)
    yield text_of(result.get("code")), value, unit, limits, meaning
    for part in result.get("component", ()):
        value, unit = _value(part)
        limits = "; ".join(_limits(one) for one in part.get("referenceRange", ()))
        yield f"- {text_of(part.get('code'))}", value, unit, limits, ""


def _value(result: Resource) -> tuple[str, str]:
    if "valueQuantity" in result:
        quantity = result["valueQuantity"]
        number = f"{quantity.get('comparator', '')}{quantity.get('value', '')}"
        return number, quantity.get("unit", quantity.get("code", ""))
    if "valueCodeableConcept" in result:
        return text_of(result["valueCodeableConcept"]), ""
    plain = ("valueString", "valueInteger", "valueBoolean", "valueDateTime", "valueTime")
    return next((str(result[name]) for name in plain if name in result), ""), ""


def _limits(range_: Resource) -> str:
    if "text" in range_:
        return str(range_["text"])
    parts = (f"{word} {range_[name].get('value', '')}" for name, word in _COMPARED.items() if name in range_)
    return " ".join(parts)


def pdf(told: Sheet) -> bytes:
    """Return a sheet as PDF; the same sheet gives the same bytes."""
    file = BytesIO()
    document = SimpleDocTemplate(
        file, pagesize=A4, title="Report", invariant=1, leftMargin=18 * mm, rightMargin=18 * mm
    )
    parts: list[Any] = [Paragraph(escape(told.title), _STYLES["Heading1"])]
    parts += [Paragraph(escape(line), _STYLES["Normal"]) for line in told.above]
    if told.rows:
        cells = [
            [Paragraph(escape(text), _STYLES["BodyText"]) for text in row] for row in (_HEAD, *told.rows)
        ]
        parts += [Spacer(1, 6 * mm), Table(cells, colWidths=_WIDTHS, style=_GRID, repeatRows=1)]
    if told.conclusion:
        parts += [Spacer(1, 6 * mm), Paragraph("Conclusion", _STYLES["Heading3"])]
        parts.append(Paragraph(escape(told.conclusion), _STYLES["BodyText"]))
    document.build(parts)
    return file.getvalue()


def name_of(patient: Resource) -> str:
    """Return the name of a patient as it stands on papers."""
    name: Resource = next(iter(patient.get("name", ())), {})
    whole = ", ".join(part for part in (name.get("family", ""), " ".join(name.get("given", ()))) if part)
    return str(name.get("text") or whole)


def text_of(concept: Any) -> str:
    """Return what a CodeableConcept says to people."""
    codings = (concept or {}).get("coding", ())
    told = [(concept or {}).get("text"), *(one.get("display") for one in codings)]
    return next((str(one) for one in (*told, *(one.get("code") for one in codings)) if one), "")
