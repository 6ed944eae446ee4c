"""Looking codes up in the tables. https://hl7.org/fhir/uv/v2mappings/coding_system_maps.html"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from adapters.to_fhir.tables.ours import OURS

V2 = "http://terminology.hl7.org/CodeSystem/v2-"

OWN_CODES = "urn:x-hl7v2:coding-system:"
"""Before the name of a coding system that nobody knows: two senders may mean different ones by it."""

SYSTEMS: Mapping[str, str] = {
    "LN": "http://loinc.org",
    "LOINC": "http://loinc.org",
    "SCT": "http://snomed.info/sct",
    "SNM": "http://snomed.info/sct",
    "SNOMED": "http://snomed.info/sct",
    "SNOMED-CT": "http://snomed.info/sct",
    "UCUM": "http://unitsofmeasure.org",
    "I9C": "http://hl7.org/fhir/sid/icd-9-cm",
    "I9CDX": "http://hl7.org/fhir/sid/icd-9-cm",
    "I9": "http://hl7.org/fhir/sid/icd-9-cm",
    "I10": "http://hl7.org/fhir/sid/icd-10",
    "I10C": "http://hl7.org/fhir/sid/icd-10-cm",
    "ICD10": "http://hl7.org/fhir/sid/icd-10",
    "ICD-10": "http://hl7.org/fhir/sid/icd-10",
    "NDC": "http://hl7.org/fhir/sid/ndc",
    "CVX": "http://hl7.org/fhir/sid/cvx",
    "MVX": "http://hl7.org/fhir/sid/mvx",
    "RXNORM": "http://www.nlm.nih.gov/research/umls/rxnorm",
    "ATC": "http://www.whocc.no/atc",
    "C4": "http://www.ama-assn.org/go/cpt",
    "CPT": "http://www.ama-assn.org/go/cpt",
    "CPTM": "http://www.ama-assn.org/go/cpt",
    "CDCREC": "urn:oid:2.16.840.1.113883.6.238",
    "ISO639": "urn:ietf:bcp:47",
    "BCP47": "urn:ietf:bcp:47",
}
"""FHIR's names of coding systems, by table 0396, with spellings that senders are known to use."""


@dataclass(frozen=True, slots=True)
class Target:
    """What a code becomes."""

    code: str
    system: str
    display: str = ""


@cache
def table(name: str) -> tuple[str, Mapping[str, Target]]:
    """Return a concept map by its name: the number of its v2 table ("" if it has none), and its rows."""
    guide = _guide().get(name, {"table": "", "codes": {}})
    number, own = OURS.get(name, (guide["table"], {}))
    rows = {code: Target(*row) for code, row in guide["codes"].items()}
    return number, rows | {code: Target(*row) for code, row in own.items()}


@cache
def _guide() -> Mapping[str, dict]:  # type: ignore[type-arg]
    found: Mapping[str, dict] = json.loads(  # type: ignore[type-arg]
        files("adapters.to_fhir.tables").joinpath("guide.json").read_bytes()
    )
    return found


def translate(name: str, code: str) -> Target | None:
    """Return what `code` becomes by the map `name`; None if the map has no row for it."""
    return table(name)[1].get(code)


def system_of(name: str) -> str:
    """Return the FHIR system of a coding system that is named as in CWE-3; "" for none.

    `HL70001` is table 0001 of HL7 v2; a name that nobody knows is a namespace of the sender's own.
    """
    if not name:
        return ""
    known = SYSTEMS.get(name) or SYSTEMS.get(name.upper())
    if known:
        return known
    upper = name.upper()
    if upper.startswith("HL7") and len(name) == 7 and name[3:].isdigit():
        return V2 + name[3:]
    if name.startswith(("http://", "https://", "urn:")) and " " not in name:
        return name
    if name[0].isdigit() and name.replace(".", "").isdigit() and "." in name:
        return f"urn:oid:{name}"
    return OWN_CODES + _as_uri(name)


def _as_uri(name: str) -> str:
    from urllib.parse import quote

    return quote(name, safe="-._~")
