"""Vital signs: what is normal at an age, what an illness changes, and the Observations that say so.

https://hl7.org/fhir/R4/observation-vitalsigns.html
"""

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from fhir_server.demo.chart import Chart, Visit, during
from fhir_server.demo.datatypes import Code, Resource, concept, hl7, loinc, quantity, stamp

VITAL_SIGNS = hl7("observation-category", "vital-signs", "Vital Signs")
_SURVEY = hl7("observation-category", "survey", "Survey")
_SOCIAL = hl7("observation-category", "social-history", "Social History")

BLOOD_PRESSURE = loinc("85354-9", "Blood pressure panel with all children optional")
SYSTOLIC = loinc("8480-6", "Systolic blood pressure")
DIASTOLIC = loinc("8462-4", "Diastolic blood pressure")
TRIAGE = loinc("75636-1", "Emergency severity index [ESI]")
FULL_SET = ("pressure", "heart", "breathing", "temperature", "oxygen")
PAIN = loinc("72514-3", "Pain severity - 0-10 verbal numeric rating [Score] - Reported")
SMOKING = loinc("72166-2", "Tobacco smoking status NHIS")
_SMOKING = (("266919005", "Never smoker"), ("8517006", "Former smoker"), ("77176002", "Smoker"))


@dataclass(frozen=True, slots=True)
class Sign:
    """One vital sign: its code, its profile in R4, and its unit."""

    code: Code
    profile: str
    unit: str
    ucum: str
    decimals: int = 0


_SIGNS = {
    "heart": Sign(loinc("8867-4", "Heart rate"), "heartrate", "beats/minute", "/min"),
    "breathing": Sign(loinc("9279-1", "Respiratory rate"), "resprate", "breaths/minute", "/min"),
    "temperature": Sign(loinc("8310-5", "Body temperature"), "bodytemp", "°C", "Cel", 1),
    "oxygen": Sign(loinc("2708-6", "Oxygen saturation in Arterial blood"), "oxygensat", "%", "%"),
    "height": Sign(loinc("8302-2", "Body height"), "bodyheight", "cm", "cm"),
    "weight": Sign(loinc("29463-7", "Body weight"), "bodyweight", "kg", "kg", 1),
    "bmi": Sign(loinc("39156-5", "Body mass index (BMI) [Ratio]"), "bmi", "kg/m2", "kg/m2", 1),
}
# Age from which each row holds: systolic, diastolic, heart rate, breaths a minute.
_AGES = (0, 1, 3, 6, 12, 18)
_NORMAL = (
    (85, 50, 130, 34),
    (92, 55, 110, 27),
    (96, 58, 100, 23),
    (104, 64, 86, 20),
    (114, 70, 76, 17),
    (118, 76, 72, 15),
)
# Height (cm) and weight (kg) of children at each year of age, as growth charts have it.
_GROWTH = (
    (55.0, 4.6), (75.0, 9.8), (87.0, 12.3), (95.0, 14.3), (102.0, 16.3), (109.0, 18.4), (115.0, 20.6),
    (121.0, 23.0), (127.0, 25.6), (132.0, 28.6), (138.0, 32.0), (143.0, 36.0), (149.0, 40.5), (156.0, 45.0),
    (162.0, 50.0), (166.0, 54.0), (169.0, 58.0), (171.0, 61.0),
)  # fmt: skip


def measure(chart: Chart, visit: Visit, moment: datetime, signs: tuple[str, ...], severity: float) -> None:
    """Write the vital `signs` ("pressure" for blood pressure) measured at `moment`.

    `severity` tells how much of what the illness changes is still there: 1 all of it, 0 nothing.
    """
    normal = _normal(chart, moment)
    for sign in signs:
        if sign == "pressure":
            _blood_pressure(chart, visit, moment, normal, severity)
        else:
            change = chart.pathway.vitals.get(sign, 0.0) * severity if sign in normal else 0.0
            value = normal[sign] + change if sign in normal else _size(chart, sign, moment)
            _observe(chart, visit, moment, _SIGNS[sign], min(value, 100) if sign == "oxygen" else value)


def _normal(chart: Chart, moment: datetime) -> dict[str, float]:
    """Return what is normal for this patient, a little different every time."""
    age = chart.age_at(moment)
    systolic, diastolic, heart, breathing = _NORMAL[bisect_right(_AGES, age) - 1]
    vary: Callable[[float, float], float] = chart.random.gauss
    return {
        "systolic": vary(systolic + max(age - 40, 0) * 0.25, 5),
        "diastolic": vary(diastolic, 4),
        "heart": vary(heart, 5),
        "breathing": vary(breathing, 1),
        "temperature": vary(36.7, 0.15),
        "oxygen": vary(97.8, 0.6),
    }


def _size(chart: Chart, sign: str, moment: datetime) -> float:
    """Return height (cm), weight (kg) or body mass index; each patient keeps their own build."""
    age = chart.age_at(moment)
    build = ((chart.number * 37) % 21 - 10) / 10  # -1 to 1
    if age < len(_GROWTH):
        height, weight = _GROWTH[int(age)]
        height, weight = height * (1 + build * 0.04), weight * (1 + build * 0.1)
    else:
        height = (162.0 if chart.sex == "female" else 176.0) + build * 11
        index = 25.5 - build * 3 + chart.pathway.vitals.get("bmi", 0)
        weight = index * (height / 100) ** 2
    return {"height": height, "weight": weight, "bmi": weight / (height / 100) ** 2}[sign]


def _observe(chart: Chart, visit: Visit, moment: datetime, sign: Sign, value: float) -> None:
    digits = round(Decimal(value), sign.decimals) if sign.decimals else Decimal(round(value))
    elements = _elements(chart, visit, moment, VITAL_SIGNS, sign.code)
    elements["valueQuantity"] = quantity(digits, sign.unit, sign.ucum)
    chart.add("Observation", elements, profile=sign.profile)


def _blood_pressure(
    chart: Chart, visit: Visit, moment: datetime, normal: dict[str, float], severity: float
) -> None:
    components = []
    for key, code in (("systolic", SYSTOLIC), ("diastolic", DIASTOLIC)):
        value = round(normal[key] + chart.pathway.vitals.get(key, 0.0) * severity)
        components.append({"code": concept(code), "valueQuantity": quantity(value, "mmHg", "mm[Hg]")})
    elements = _elements(chart, visit, moment, VITAL_SIGNS, BLOOD_PRESSURE) | {"component": components}
    chart.add("Observation", elements, profile="bp")


def _elements(chart: Chart, visit: Visit, moment: datetime, category: Code, code: Code) -> dict[str, Any]:
    return {
        "status": "final",
        "category": [concept(category)],
        "code": concept(code),
        "subject": chart.patient,
        "encounter": visit.reference,
        "effectiveDateTime": during(visit, moment),
        "performer": [visit.nurse.practitioner],
    }


def triage(chart: Chart, visit: Visit, moment: datetime, urgency: int) -> Resource:
    """Write the Emergency Severity Index, from 1 (dying) to 5 (can wait)."""
    elements = _elements(chart, visit, moment, _SURVEY, TRIAGE)
    return chart.add("Observation", elements | {"valueInteger": urgency})


def ask_for_pain(chart: Chart, visit: Visit, moment: datetime, score: int) -> None:
    """Write how much it hurts, from 0 to 10."""
    elements = _elements(chart, visit, moment, _SURVEY, PAIN)
    chart.add("Observation", elements | {"valueQuantity": quantity(score, "{score}")})


def ask_for_smoking(chart: Chart, visit: Visit, moment: datetime) -> None:
    """Write whether the patient smokes."""
    code, display = chart.random.choices(_SMOKING, (62, 24, 14))[0]
    elements = _elements(chart, visit, moment, _SOCIAL, SMOKING)
    answer = concept(Code("http://snomed.info/sct", code, display))
    chart.add("Observation", elements | {"valueCodeableConcept": answer, "issued": stamp(moment)})
