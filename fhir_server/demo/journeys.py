"""Which way each patient goes: to a clinic, to a ward, to the emergency department.

The number of a patient decides, so that any number of patients makes a likely hospital.
"""

from random import Random

from fhir_server.demo.chart import Chart
from fhir_server.demo.clinic import clinic_patient
from fhir_server.demo.datatypes import Resource
from fhir_server.demo.emergency import emergency_patient, past_emergency_patient
from fhir_server.demo.hospital import Hospital
from fhir_server.demo.pathways import Pathway, pathways
from fhir_server.demo.ward import past_ward_patient, ward_patient

# Of every twenty patients: four lie on a ward, two did, one is in the emergency department now and one was,
# one will be admitted; the others come to the clinics.
_ON_WARD = (1, 5, 9, 13)
_WAS_ON_WARD = (7, 17)
_IN_EMERGENCY = 3
_WAS_IN_EMERGENCY = 11
_PLANNED = 15
_DIED = 17  # of every forty

# The stays, as often as wards of these sizes see them.
_STAYS = (
    "pneumonia", "heart-failure", "appendicitis", "hip-fracture", "childbirth", "myocardial-infarction",
    "stroke", "bronchiolitis", "gallstones", "sepsis", "kidney-infection", "ankle-fracture", "heart-failure",
    "pneumonia", "childbirth", "appendicitis", "skin-infection", "asthma-attack", "hip-fracture",
    "myocardial-infarction",
)  # fmt: skip
_DEADLY = ("sepsis", "heart-failure", "stroke", "pneumonia")
_ELECTIVE = ("gallstones", "hip-fracture", "childbirth")


def chart_of(hospital: Hospital, number: int) -> list[Resource]:
    """Return all resources of patient `number`, whose journey takes beds and slots of `hospital`."""
    chart = Chart(hospital.timeline, number, hospital.seed, _pathway(hospital.seed, number))
    kind = number % 20
    if kind in _ON_WARD:
        ward_patient(chart, hospital)
    elif kind in _WAS_ON_WARD:
        past_ward_patient(chart, hospital, died=number % 40 == _DIED)
    elif kind == _IN_EMERGENCY:
        emergency_patient(chart, hospital)
    elif kind == _WAS_IN_EMERGENCY:
        past_emergency_patient(chart, hospital)
    else:
        clinic_patient(chart, hospital, planned=kind == _PLANNED)
    return chart.resources


def _pathway(seed: int, number: int) -> Pathway:
    kind = number % 20
    stays = {pathway.key: pathway for pathway in pathways("inpatient")}
    if number % 40 == _DIED:
        return stays[_DEADLY[number // 40 % len(_DEADLY)]]
    if kind == _PLANNED:
        return stays[_ELECTIVE[number // 20 % len(_ELECTIVE)]]
    for group in (_ON_WARD, _WAS_ON_WARD):
        if kind in group:
            stay = number // 20 * len(group) + group.index(kind)
            return stays[_STAYS[stay % len(_STAYS)]]
    some = pathways("emergency" if kind in (_IN_EMERGENCY, _WAS_IN_EMERGENCY) else "chronic")
    return Random(f"{seed}/pathway/{number}").choice(some)  # noqa: S311  (a story, not a secret)
