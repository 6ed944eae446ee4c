"""A report as a paper, for the record and for the patient to take along.

https://hl7.org/fhir/R4/diagnosticreport.html
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fhir_server.papers.paper import Column, Facts, Paper, Paragraph, Section, Table
from fhir_server.papers.words import listed_name_of, record_number_of, text_of

Resource = Mapping[str, Any]

_COLUMNS = (
    Column("Test", 3),
    Column("Result", 1.6, "right"),
    Column("Unit", 1.2),
    Column("Reference", 2),
    Column("", 0.8),
)
_CORRECTED = frozenset({"amended", "corrected", "appended"})
_COMPARED = {"low": "from", "high": "up to"}


def sheet(
    report: Resource,
    results: Sequence[Resource],
    patient: Resource,
    *,
    issuer: Sequence[str] = (),
    signature: str = "",
) -> Paper:
    """Return the paper of a report: the patient, a row for each result, and what the doctor says."""
    told = [
        ("Patient", listed_name_of(patient)),
        ("Born", patient.get("birthDate", "")),
        ("Number", record_number_of(patient)),
        ("Examined", report.get("effectiveDateTime", "")[:16].replace("T", " ")),
        ("Status", report["status"]),
    ]
    sections = [Section("", [Facts([pair for pair in told if pair[1]])])]
    if report["status"] in _CORRECTED:
        sections.append(Section("", [Paragraph("This report takes the place of the one before it.")]))
    rows = [row for one in results for row in _rows(one)]
    if rows:
        sections.append(Section("Results", [Table(_COLUMNS, rows)]))
    if report.get("conclusion"):
        sections.append(Section("Conclusion", [Paragraph(report["conclusion"])]))
    known = (one["value"] for one in report.get("identifier", ()) if "value" in one)
    return Paper(
        title=text_of(report.get("code")) or "Report",
        issuer=list(issuer) or ["Laboratory"],
        number=str(next(known, report.get("id", ""))),
        sections=sections,
        version=report.get("meta", {}).get("versionId", ""),
        date=report.get("issued", "")[:10],
        signature=signature,
    )


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
