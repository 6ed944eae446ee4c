"""Who the patients are: names, addresses, languages, next of kin, and for children a parent.

https://hl7.org/fhir/R4/patient.html, https://hl7.org/fhir/R4/relatedperson.html
"""

import unicodedata
from datetime import timedelta
from functools import cache
from random import Random
from typing import Any

from faker import Faker

from fhir_server.demo.chart import ADULT, SENIOR, Chart
from fhir_server.demo.datatypes import (
    Code,
    concept,
    hl7,
    identifier,
    resource,
    stamp,
)
from fhir_server.demo.departments import head_office
from fhir_server.demo.staff import StaffMember

# Where people come from, and how many in a hundred; https://hl7.org/fhir/R4/valueset-languages.html
_ORIGINS = (
    ("en_US", Code("urn:ietf:bcp:47", "en-US", "English (United States)"), 58),
    ("es_MX", Code("urn:ietf:bcp:47", "es", "Spanish"), 24),
    ("de_DE", Code("urn:ietf:bcp:47", "de", "German"), 4),
    ("fr_FR", Code("urn:ietf:bcp:47", "fr", "French"), 4),
    ("pl_PL", Code("urn:ietf:bcp:47", "pl", "Polish"), 4),
    ("vi_VN", Code("urn:ietf:bcp:47", "vi", "Vietnamese"), 3),
    ("ja_JP", Code("urn:ietf:bcp:47", "ja", "Japanese"), 3),
)
_FAMILY_NAME_FIRST = frozenset({"ja_JP", "vi_VN"})
_TOWNS = (("Saguaro Valley", "85999"), ("Ocotillo Springs", "85998"), ("Palo Verde Wells", "85997"))
_MARITAL_STATUS = {"M": "Married", "S": "Never Married", "W": "Widowed", "D": "Divorced"}


@cache
def _faker(locale: str) -> Faker:
    return Faker(locale, use_weighting=False)


class Person:
    """Makes up names and addresses for one chart, from the chart's own chance."""

    def __init__(self, random: Random) -> None:
        """Choose where the person's family comes from."""
        weights = [weight for *_, weight in _ORIGINS]
        self.locale, self.language, _ = random.choices(_ORIGINS, weights)[0]
        self._faker = _faker(self.locale)
        self._faker.seed_instance(random.getrandbits(32))
        self.family: str = self._faker.last_name()

    def given(self, sex: str) -> str:
        """Return a first name."""
        return self._faker.first_name_female() if sex == "female" else self._faker.first_name_male()

    def full_name(self, given: str) -> str:
        """Return the name in the order of the person's language."""
        family_first = self.locale in _FAMILY_NAME_FIRST
        return f"{self.family} {given}" if family_first else f"{given} {self.family}"

    def street(self) -> str:
        """Return a street and number of the town."""
        _faker("en_US").seed_instance(self._faker.random.getrandbits(32))
        return str(_faker("en_US").street_address())


def register(chart: Chart, practitioners: list[StaffMember]) -> None:
    """Write the Patient, and for children the parent who came along."""
    person = Person(chart.random)
    given = person.given(chart.sex)
    chart.name = person.full_name(given)
    elements: dict[str, Any] = {
        "identifier": [_record_number(chart)],
        "active": chart.died is None,
        "name": _names(chart, person, given),
        "telecom": _telecom(chart, given, person.family),
        "gender": chart.sex,
        "birthDate": chart.birth.isoformat(),
        "deceasedDateTime": stamp(chart.died) if chart.died else None,
        "address": [_address(chart, person)],
        "maritalStatus": _marital_status(chart),
        "contact": [_next_of_kin(chart, person)],
        "communication": [{"language": concept(person.language), "preferred": True}],
        "generalPractitioner": [chart.random.choice(practitioners).role],
        "managingOrganization": head_office(),
    }
    chart.resources.append(resource("Patient", f"patient-{chart.number:03d}", elements))


def _record_number(chart: Chart) -> dict[str, Any]:
    kind = hl7("v2-0203", "MR", "Medical record number")
    number = identifier(kind, "mrn", f"SVH-{chart.number:06d}")
    return {"use": "official"} | number | {"assigner": head_office()}


def _address(chart: Chart, person: Person) -> dict[str, Any]:
    town, postal_code = chart.random.choice(_TOWNS)
    place = {"city": town, "state": "AZ", "postalCode": postal_code, "country": "US"}
    return {"use": "home", "line": [person.street()]} | place


def _names(chart: Chart, person: Person, given: str) -> list[dict[str, Any]]:
    names: list[dict[str, Any]] = [
        {"use": "official", "text": chart.name, "family": person.family, "given": [given]}
    ]
    if chart.sex == "female" and chart.age > 30 and person.locale == "en_US" and chart.chance(0.3):
        names.append({"use": "maiden", "family": Person(chart.random).family})
    return names


def _telecom(chart: Chart, given: str, family: str) -> list[dict[str, Any]]:
    mailbox = f"{_plain(given)}.{_plain(family)}".strip(".") or f"patient{chart.number}"
    if chart.age < ADULT:
        return []
    return [
        # 555-0100 to 555-0199 belong to nobody, whatever the area.
        {
            "system": "phone",
            "value": f"+1-480-555-{100 + chart.number % 100:04d}",
            "use": "mobile",
            "rank": 1,
        },
        {"system": "email", "value": f"{mailbox}@example.org", "use": "home"},
    ]


def _plain(text: str) -> str:
    """Return `text` in the letters that every mail system takes."""
    folded = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return "".join(character for character in folded.lower() if character.isalnum())


def _marital_status(chart: Chart) -> dict[str, Any] | None:
    if chart.age < ADULT:
        return None
    weights = (50, 30, 5, 15) if chart.age < SENIOR else (50, 8, 30, 12)
    code = chart.random.choices(tuple(_MARITAL_STATUS), weights)[0]
    return concept(hl7("v3-MaritalStatus", code, _MARITAL_STATUS[code]))


def _next_of_kin(chart: Chart, person: Person) -> dict[str, Any]:
    sex = chart.random.choice(("female", "male"))
    given = person.given(sex)
    name = {"text": person.full_name(given), "family": person.family, "given": [given]}
    if chart.age < ADULT:
        _add_parent(chart, sex, name)
    return {
        "relationship": [concept(hl7("v2-0131", "N", "Next-of-Kin"))],
        "name": name,
        "telecom": [{"system": "phone", "value": f"+1-480-555-{100 + (chart.number + 50) % 100:04d}"}],
        "gender": sex,
    }


def _add_parent(chart: Chart, sex: str, name: dict[str, Any]) -> None:
    relation = ("MTH", "mother") if sex == "female" else ("FTH", "father")
    born = chart.birth - timedelta(days=chart.random.randint(8000, 14000))
    elements = {
        "active": True,
        "patient": chart.patient,
        "relationship": [concept(hl7("v3-RoleCode", *relation))],
        "name": [name],
        "telecom": [
            {"system": "phone", "value": f"+1-480-555-{100 + (chart.number + 50) % 100:04d}", "use": "mobile"}
        ],
        "gender": sex,
        "birthDate": born.isoformat(),
    }
    chart.add("RelatedPerson", elements)
