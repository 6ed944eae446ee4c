"""What is the same for all patients: they are registered when they come, and billed when they have gone."""

from fhir_server.demo import charges
from fhir_server.demo.chart import ADULT, Chart, Visit
from fhir_server.demo.coverage import insure
from fhir_server.demo.hospital import Hospital
from fhir_server.demo.immunizations import vaccinate
from fhir_server.demo.patients import register
from fhir_server.demo.staff import DOCTOR, NURSE

# Of so many patients, one has bills in the books as well.
_BILLED = 3


def welcome(chart: Chart, hospital: Hospital) -> None:
    """Write who the patient is, and which vaccinations they have had."""
    department = "paediatrics" if chart.age < ADULT else "general-practice"
    register(chart, hospital.staff.of(department, DOCTOR))
    vaccinate(chart, chart.random.choice(hospital.staff.of(department, NURSE)).practitioner)


def settle(chart: Chart, hospital: Hospital, visits: list[Visit]) -> None:
    """Write how the patient is insured, and for some of them the bills of `visits`."""
    policy = insure(chart)
    if chart.number % _BILLED == 0:
        for visit in visits:
            charges.bill(chart, hospital, visit, policy)
