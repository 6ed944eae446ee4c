"""The demo's illnesses, medicines and analytes as values, read from the tables.

https://hl7.org/fhir/R4/condition.html, https://hl7.org/fhir/R4/medicationrequest.html,
https://hl7.org/fhir/R4/observation.html
"""

from dataclasses import dataclass
from decimal import Decimal
from functools import cache

from fhir_server.demo.datatypes import ATC, ICD10, RXNORM, Code, hl7, loinc, snomed
from fhir_server.demo.tables import by_key


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """An illness in SNOMED CT and ICD-10-CM; a `chronic` one stays on the problem list, others pass."""

    finding: Code
    icd: Code
    chronic: bool


@cache
def find_diagnosis(key: str) -> Diagnosis:
    """Return the illness that the tables know as `key`."""
    row = by_key("diagnoses")[key]
    icd = Code(ICD10, row["icd10"], row["icd10_display"])
    return Diagnosis(snomed(row["snomed"], row["display"]), icd, row["course"] == "chronic")


ROUTES = {
    "oral": snomed("26643006", "Oral route"),
    "intravenous": snomed("47625008", "Intravenous route"),
    "subcutaneous": snomed("34206005", "Subcutaneous route"),
    "inhaled": snomed("447694001", "Respiratory tract route"),
    "topical": snomed("6064005", "Topical route"),
}


@dataclass(frozen=True, slots=True)
class Medicine:
    """A product of the formulary: `amount` of `unit` so many `times_a_day` (0: as needed), `days` a pack."""

    key: str
    name: str
    codes: tuple[Code, ...]
    route: Code
    unit: str
    amount: Decimal
    times_a_day: int
    days: int

    @property
    def pack(self) -> int:
        """How many units are given out at a time."""
        return int(self.amount) * self.times_a_day * self.days or 1


@cache
def find_medicine(key: str) -> Medicine:
    """Return the medicine that the tables know as `key`."""
    row = by_key("medicines")[key]
    product = [Code(RXNORM, row["rxnorm"], row["rxnorm_display"])] if row["rxnorm"] else []
    return Medicine(
        key=key,
        name=row["name"],
        codes=(*product, Code(ATC, row["atc"], row["atc_display"])),
        route=ROUTES[row["route"]],
        unit=row["unit"],
        amount=Decimal(row["amount"]),
        times_a_day=int(row["times_a_day"]),
        days=int(row["days"]),
    )


@dataclass(frozen=True, slots=True)
class Analyte:
    """One measured value: normal from `low` to `high` (None: no limit), alarming beyond the critical ones."""

    name: str
    code: Code
    unit: str
    low: Decimal | None
    high: Decimal | None
    critical_low: Decimal | None
    critical_high: Decimal | None
    decimals: int

    @property
    def shown_unit(self) -> str:
        """The unit as people write it, without the brackets of UCUM around the whole."""
        return self.unit.strip("{}[]")

    def rounded(self, value: float | Decimal) -> Decimal:
        """Return `value` with the digits that the laboratory reports."""
        return round(Decimal(value), self.decimals) if self.decimals else Decimal(round(value))

    def interpretation(self, value: Decimal) -> str:
        """Return LL, L, N, H or HH: https://hl7.org/fhir/R4/v3/ObservationInterpretation/cs.html"""
        if self.critical_low is not None and value < self.critical_low:
            return "LL"
        if self.critical_high is not None and value > self.critical_high:
            return "HH"
        if self.low is not None and value < self.low:
            return "L"
        return "H" if self.high is not None and value > self.high else "N"


@cache
def analyte(key: str) -> Analyte:
    """Return the analyte that the tables know as `key`."""
    row = by_key("analytes")[key]
    limits = {
        name: Decimal(row[name]) if row[name] else None
        for name in ("low", "high", "critical_low", "critical_high")
    }
    code = loinc(row["loinc"], row["display"])
    return Analyte(row["name"], code, row["unit"], **limits, decimals=int(row["decimals"]))


SPECIMENS = {
    "serum": snomed("119364003", "Serum specimen"),
    "plasma": snomed("119361006", "Plasma specimen"),
    "blood": snomed("445295009", "Blood specimen with EDTA"),
    "urine": snomed("122575003", "Urine specimen"),
}


@dataclass(frozen=True, slots=True)
class Panel:
    """What is ordered together, from which specimen; `category` is the laboratory's section."""

    name: str
    code: Code
    analytes: tuple[str, ...]
    specimen: Code
    category: Code


@cache
def find_panel(key: str) -> Panel:
    """Return the panel that the tables know as `key`."""
    row = by_key("panels")[key]
    return Panel(
        row["name"],
        loinc(row["loinc"], row["display"]),
        tuple(row["analytes"].split()),
        SPECIMENS[row["specimen"]],
        hl7("v2-0074", row["category"], row["category_display"]),
    )
