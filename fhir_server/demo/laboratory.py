"""From the order to the result: a specimen, an Observation for each analyte, and the report.

https://hl7.org/fhir/R4/observation.html, https://hl7.org/fhir/R4/specimen.html
"""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from fhir_server.demo.chart import Chart, Visit
from fhir_server.demo.clinical import Analyte, Panel, analyte, find_panel
from fhir_server.demo.datatypes import Resource, concept, hl7, identifier, quantity, refer, snomed, stamp
from fhir_server.demo.hospital import Hospital
from fhir_server.demo.orders import WAIT, assign, order, report, running_number
from fhir_server.demo.staff import LABORATORY
from fhir_server.demo.tables import by_key

_LABORATORY = hl7("observation-category", "laboratory", "Laboratory")
_LABORATORY_TEST = snomed("15220000", "Laboratory test")
_IMAGING = snomed("363679005", "Imaging")
_ACCESSION = hl7("v2-0203", "ACSN", "Accession ID")
_INTERPRETATIONS = {
    "LL": "Critical low",
    "HH": "Critical high",
    "L": "Low",
    "H": "High",
    "N": "Normal",
}
_ADULT = 18


def measure(
    chart: Chart, hospital: Hospital, visit: Visit, key: str, moment: datetime, severity: float = 1.0
) -> None:
    """Order the panel `key` at `moment`, and write its results, which are there an hour and a half later.

    `severity` is how far a value is still from what it should be: 1 as the illness makes it, 0 healthy.
    """
    panel = find_panel(key)
    request = order(chart, visit, concept(panel.code, text=panel.name), _LABORATORY_TEST, moment, done=True)
    specimen = _collect(chart, visit, panel, request, moment + WAIT)
    issued = moment + timedelta(minutes=90)
    technician = chart.random.choice(hospital.staff.of("laboratory", LABORATORY)).practitioner
    common = {
        "basedOn": [refer(request)],
        "status": "final",
        "category": [concept(_LABORATORY)],
        "subject": chart.patient,
        "encounter": visit.reference,
        "effectiveDateTime": specimen["collection"]["collectedDateTime"],
        "issued": stamp(issued),
        "performer": [technician],
        "specimen": refer(specimen),
    }
    results = [
        chart.add("Observation", common | _finding(analyte(name), value))
        for name, value in _values(chart, panel, moment, severity).items()
    ]
    findings = {
        "specimen": [refer(specimen)],
        "result": [refer(result, result["code"]["text"]) for result in results],
        "conclusion": _conclusion(results),
    }
    report(chart, hospital, request, panel.category, issued, findings)


def measure_all(chart: Chart, hospital: Hospital, visit: Visit, moment: datetime) -> None:
    """Order all panels and pictures of the chart's pathway at `moment`, with the values of the illness."""
    for key in chart.pathway.panels:
        measure(chart, hospital, visit, key, moment)
    for key, conclusion in chart.pathway.imaging.items():
        _take_picture(chart, hospital, visit, key, conclusion, moment)


def leave_open(chart: Chart, hospital: Hospital, visit: Visit, key: str, moment: datetime) -> None:
    """Order the panel `key`, which the laboratory has received but not yet measured."""
    panel = find_panel(key)
    request = order(chart, visit, concept(panel.code, text=panel.name), _LABORATORY_TEST, moment, done=False)
    assign(chart, hospital, visit, request)


def _take_picture(
    chart: Chart, hospital: Hospital, visit: Visit, key: str, conclusion: str, moment: datetime
) -> None:
    row = by_key("imaging")[key]
    code = concept(snomed(row["snomed"], row["display"]))
    request = order(chart, visit, code, _IMAGING, moment, done=True)
    section = hl7("v2-0074", row["section"], row["section_display"])
    report(chart, hospital, request, section, moment + timedelta(minutes=100), {"conclusion": conclusion})


def _collect(chart: Chart, visit: Visit, panel: Panel, request: Resource, moment: datetime) -> Resource:
    elements = {
        "accessionIdentifier": identifier(_ACCESSION, "accession", f"A-{running_number(chart)}"),
        "status": "available",
        "type": concept(panel.specimen),
        "subject": chart.patient,
        "receivedTime": stamp(moment + timedelta(minutes=20)),
        "request": [refer(request)],
        "collection": {"collector": visit.nurse.practitioner, "collectedDateTime": stamp(moment)},
    }
    return chart.add("Specimen", elements)


def _values(chart: Chart, panel: Panel, moment: datetime, severity: float) -> dict[str, Decimal]:
    """Return the measured values, those that follow from others computed from them."""
    values: dict[str, Decimal] = {}
    for key in panel.analytes:
        value = _healthy(chart, analyte(key))
        if key in chart.pathway.values:
            ill = chart.random.uniform(*chart.pathway.values[key])
            value += (ill - value) * severity
        values[key] = analyte(key).rounded(value)
    return _derived(chart, values, moment)


def _healthy(chart: Chart, one: Analyte) -> float:
    low = float(one.low) if one.low is not None else float(one.high or 0) * 0.3
    high = float(one.high) if one.high is not None else low * 1.6
    value = chart.random.gauss((low + high) / 2, (high - low) / 5)
    return min(max(value, low * 0.94), high * 1.05)


def _derived(chart: Chart, values: dict[str, Decimal], moment: datetime) -> dict[str, Decimal]:
    """Compute what laboratories compute: red cells, LDL cholesterol (Friedewald), filtration rate (MDRD)."""
    if "hematocrit" in values:
        hematocrit = float(values["hemoglobin"]) * 2.95
        values["hematocrit"] = analyte("hematocrit").rounded(hematocrit)
        values["erythrocytes"] = analyte("erythrocytes").rounded(hematocrit * 10 / float(values["mcv"]))
    if "ldl" in values:
        values["ldl"] = analyte("ldl").rounded(
            values["cholesterol"] - values["hdl"] - values["triglyceride"] / 5
        )
    if "egfr" in values:
        age = chart.age_at(moment)
        if age < _ADULT:
            del values["egfr"]  # the formula is for adults only
        else:
            rate = 175 * float(values["creatinine"]) ** -1.154 * age**-0.203
            values["egfr"] = analyte("egfr").rounded(rate * (0.742 if chart.sex == "female" else 1))
    return values


def _finding(one: Analyte, value: Decimal) -> dict[str, Any]:
    """Return what is said of one analyte: its value, its meaning, and what is normal."""
    meaning = one.interpretation(value)
    limits = {"low": one.low, "high": one.high}
    return {
        "code": concept(one.code, text=one.name),
        "valueQuantity": quantity(value, one.shown_unit, one.unit),
        "interpretation": [concept(hl7("v3-ObservationInterpretation", meaning, _INTERPRETATIONS[meaning]))],
        "referenceRange": [
            {
                name: quantity(one.rounded(limit), one.shown_unit, one.unit)
                for name, limit in limits.items()
                if limit is not None
            }
        ],
    }


def _conclusion(results: list[Resource]) -> str:
    found: dict[str, list[str]] = {meaning: [] for meaning in _INTERPRETATIONS}
    for result in results:
        meaning = result["interpretation"][0]["coding"][0]["code"]
        found[meaning].append(result["code"]["text"])
    del found["N"]
    said = [f"{_INTERPRETATIONS[meaning]}: {', '.join(names)}." for meaning, names in found.items() if names]
    return " ".join(said) or "All values normal."
