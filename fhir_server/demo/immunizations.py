"""Vaccinations: those of childhood at their ages, and those of adults. https://hl7.org/fhir/R4/immunization.html"""

from datetime import datetime, time, timedelta

from fhir_server.demo.chart import Chart
from fhir_server.demo.datatypes import CVX, Code, concept, snomed, stamp
from fhir_server.demo.tables import rows
from fhir_server.demo.timeline import ZONE

_INTRAMUSCULAR = snomed("78421000", "Intramuscular route")
_DAYS_OF_A_MONTH = 30.4
_CHILDHOOD_ENDS = 16
# The hospital's records go back so far.
_YEARS_ON_RECORD = 10


def vaccinate(chart: Chart, nurse: dict[str, str]) -> None:
    """Write all vaccinations that a patient of this age has had, given by `nurse`."""
    for row in rows("vaccines"):
        code = Code(CVX, row["cvx"], row["display"])
        if row["key"] == "influenza":
            _against_influenza(chart, code, nurse)
        elif row["adults"]:
            _adult(chart, code, int(row["adults"]), nurse)
        elif chart.age < _CHILDHOOD_ENDS:
            _childhood(chart, code, [int(months) for months in row["months"].split()], nurse)


def _childhood(chart: Chart, code: Code, months: list[int], nurse: dict[str, str]) -> None:
    due = [int(month * _DAYS_OF_A_MONTH) + chart.random.randint(1, 9) for month in months]
    for dose, days in enumerate((days for days in due if days < chart.age_days), start=1):
        given = datetime.combine(chart.birth + timedelta(days=days), time(10, 40), ZONE)
        _write(chart, code, given, dose, nurse)


def _adult(chart: Chart, code: Code, from_age: int, nurse: dict[str, str]) -> None:
    years_since = int(chart.age - from_age)
    if years_since < 1 or not chart.chance(0.3):
        return
    days_ago = chart.random.randint(60, min(years_since, _YEARS_ON_RECORD) * 365)
    _write(chart, code, chart.timeline.at(-days_ago, 11, 10), 1, nurse)


def _against_influenza(chart: Chart, code: Code, nurse: dict[str, str]) -> None:
    for years_before in range(2):
        # Old enough even in the earlier October, whichever day today is.
        if chart.age > 2 + years_before + 1 and chart.chance(0.3) and chart.died is None:
            _write(chart, code, chart.timeline.last_october(years_before), 1, nurse)


def _write(chart: Chart, code: Code, moment: datetime, dose: int, nurse: dict[str, str]) -> None:
    elements = {
        "status": "completed",
        "vaccineCode": concept(code),
        "patient": chart.patient,
        "occurrenceDateTime": stamp(moment),
        "primarySource": True,
        "lotNumber": f"V{chart.random.randint(1000, 9999)}",
        "route": concept(_INTRAMUSCULAR),
        "performer": [{"actor": nurse}],
        "protocolApplied": [{"doseNumberPositiveInt": dose}],
    }
    chart.add("Immunization", elements)
