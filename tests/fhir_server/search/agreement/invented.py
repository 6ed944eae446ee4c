"""Invented resources that are linked with one another in many ways, of few enough words that they meet.

Numbers are written as they are, `5.40` with its last digit. https://hl7.org/fhir/R4/references.html
"""

import re
from collections.abc import Callable, Mapping
from random import Random
from typing import Any

import httpx
import orjson

from tests.fhir_server.search.agreement.elements import Resource
from tests.fhir_server.search.drawn import MOMENTS, NUMBERS, WORDS

UCUM = "http://unitsofmeasure.org"
COUNTS: Mapping[str, int] = {
    "Organization": 5,
    "Location": 4,
    "Practitioner": 4,
    "PractitionerRole": 4,
    "Patient": 8,
    "RelatedPerson": 3,
    "Device": 2,
    "Group": 2,
    "Medication": 3,
    "Encounter": 8,
    "Condition": 8,
    "Observation": 16,
    "DiagnosticReport": 6,
    "MedicationRequest": 6,
    "RiskAssessment": 5,
    "CareTeam": 3,
    "Task": 5,
    "Provenance": 5,
    "List": 4,
    "ValueSet": 4,
}
"""How many resources there are of each type; their ids are 0, 1 and so on, so that types share them."""

TREE = "http://acme.example/CodeSystem/tree"
SETS = "http://acme.example/ValueSet"
PARENTS = {(TREE, "trunk"): "root", (TREE, "leaf"): "trunk", (TREE, "twig"): "trunk", (TREE, "moss"): "stone"}
"""The code above each code that has one."""
VALUE_SETS = {
    f"{SETS}/listed": frozenset({(TREE, "leaf"), (TREE, "moss")}),
    f"{SETS}/below": frozenset({(TREE, "trunk"), (TREE, "leaf"), (TREE, "twig")}),
}
"""The codes of each value set that can be asked for."""

_SYSTEMS = ("http://acme.example/a", "http://acme.example/b", "urn:oid:1.2.3")
_CODES = ("a", "A", "b", "c", "x|y", "p,q", "c$d", "e\\f")
_UNITS = (("g", "g"), ("mg", "mg"), ("mg", "milligram"), ("mmol/L", "mmol/L"), (None, "mg"), (None, None))
_OF_THE_TREE = 0.3
_NUMBERS = tuple(number for number in NUMBERS if "e" not in number)


class _Making:
    """Draws the elements of one resource; `base_url` is the server's address, for absolute references."""

    def __init__(self, random: Random, base_url: str) -> None:
        self.random = random
        self.base_url = base_url

    def perhaps(self, **elements: Callable[[], Any]) -> Resource:
        """Return some of the elements."""
        return {name: make() for name, make in elements.items() if self.random.random() < 0.7}

    def some(self, make: Callable[[], Any]) -> list[Any]:
        """Return one or two of a kind."""
        return [make() for _ in range(self.random.choice((1, 1, 2)))]

    def word(self) -> str:
        """Draw a word."""
        return self.random.choice(WORDS)

    def moment(self) -> str:
        """Draw a date with or without a time."""
        return self.random.choice(MOMENTS)

    def day(self) -> str:
        """Draw a date without a time."""
        return self.random.choice([moment for moment in MOMENTS if "T" not in moment])

    def coding(self) -> Resource:
        """Draw a Coding."""
        if self.random.random() < _OF_THE_TREE:
            return {"system": TREE, "code": self.random.choice(("root", "trunk", "leaf", "moss", "stone"))}
        return {
            **self.perhaps(system=lambda: self.random.choice(_SYSTEMS), display=self.word),
            "code": self.random.choice(_CODES),
        }

    def concept(self) -> Resource:
        """Draw a CodeableConcept."""
        return self.perhaps(coding=lambda: self.some(self.coding)) | {"text": self.word()}

    def identifier(self) -> Resource:
        """Draw an Identifier."""
        return {
            **self.perhaps(system=lambda: self.random.choice(_SYSTEMS), type=self.concept),
            "value": self.random.choice(_CODES),
        }

    def decimal(self) -> orjson.Fragment:
        """Draw a number, written as it is."""
        return orjson.Fragment(self.random.choice(_NUMBERS))

    def quantity(self) -> Resource:
        """Draw an amount."""
        code, unit = self.random.choice(_UNITS)
        coded = {"system": UCUM, "code": code} if code else {}
        return {"value": self.decimal(), **({"unit": unit} if unit else {}), **coded}

    def period(self) -> Resource:
        """Draw a Period that ends after it starts; either end may be open."""
        start, end = sorted((self.moment(), self.moment()), key=lambda moment: moment[:10])
        if start[:10] == end[:10] or end.startswith(start[:10]):
            return {"start": start}
        return self.random.choice(({"start": start, "end": end}, {"start": start}, {"end": end}))

    def to(self, *types: str) -> Resource:
        """Draw a reference to a resource of one of the types, in one of its written forms."""
        name = self.random.choice(types)
        local = f"{name}/{self.random.randrange(COUNTS[name])}"
        written = self.random.choice(
            (
                local,
                local,
                local,
                local,
                f"{local}/_history/1",
                f"{self.base_url}{local}",
                "elsewhere",
                "by id",
            )
        )
        if written == "elsewhere":
            return {"reference": f"http://there.example/fhir/{local}"}
        if written == "by id":
            return {"identifier": self.identifier(), "display": "x"}
        return {"reference": written}

    def name(self) -> Resource:
        """Draw a HumanName."""
        return {"family": self.word()} | self.perhaps(given=lambda: self.some(self.word), text=self.word)

    def address(self) -> Resource:
        """Draw an Address."""
        return {"city": self.word()} | self.perhaps(line=lambda: self.some(self.word), country=self.word)

    def telecom(self) -> Resource:
        """Draw a ContactPoint."""
        system = self.random.choice(("email", "phone"))
        return {"system": system, "value": self.random.choice(_CODES)}

    def value(self) -> Resource:
        """Draw the value of an observation."""
        return self.random.choice(
            (
                lambda: {"valueQuantity": self.quantity()},
                lambda: {"valueQuantity": self.quantity()},
                lambda: {"valueCodeableConcept": self.concept()},
                lambda: {"valueString": self.word()},
                lambda: {"valueDateTime": self.moment()},
                lambda: {"valuePeriod": self.period()},
                dict,
            )
        )()


def _organization(m: _Making) -> Resource:
    return {"name": m.word()} | m.perhaps(
        identifier=lambda: m.some(m.identifier),
        partOf=lambda: m.to("Organization"),
        type=lambda: m.some(m.concept),
        address=lambda: m.some(m.address),
    )


def _location(m: _Making) -> Resource:
    return m.perhaps(
        name=m.word, partOf=lambda: m.to("Location"), managingOrganization=lambda: m.to("Organization")
    )


def _practitioner(m: _Making) -> Resource:
    return m.perhaps(name=lambda: m.some(m.name), identifier=lambda: m.some(m.identifier))


def _practitioner_role(m: _Making) -> Resource:
    return m.perhaps(
        practitioner=lambda: m.to("Practitioner"),
        organization=lambda: m.to("Organization"),
        location=lambda: m.some(lambda: m.to("Location")),
        specialty=lambda: m.some(m.concept),
        period=m.period,
    )


def _patient(m: _Making) -> Resource:
    return m.perhaps(
        active=lambda: m.random.choice((True, False)),
        address=lambda: m.some(m.address),
        birthDate=m.day,
        communication=lambda: [{"language": m.concept()}],
        gender=lambda: m.random.choice(("male", "female")),
        generalPractitioner=lambda: m.some(lambda: m.to("Practitioner", "Organization", "PractitionerRole")),
        identifier=lambda: m.some(m.identifier),
        link=lambda: [{"other": m.to("Patient", "RelatedPerson"), "type": "seealso"}],
        managingOrganization=lambda: m.to("Organization"),
        name=lambda: m.some(m.name),
        telecom=lambda: m.some(m.telecom),
    ) | m.random.choice(({}, {"deceasedDateTime": m.moment()}, {"deceasedBoolean": False}))


def _related_person(m: _Making) -> Resource:
    return {"patient": m.to("Patient")} | m.perhaps(name=lambda: m.some(m.name), birthDate=m.day)


def _device(m: _Making) -> Resource:
    return m.perhaps(
        patient=lambda: m.to("Patient"), owner=lambda: m.to("Organization"), url=lambda: "http://d.example/a"
    )


def _group(m: _Making) -> Resource:
    members = m.some(lambda: {"entity": m.to("Patient", "Device")})
    return {"type": "person", "actual": True, "member": members} | m.perhaps(code=m.concept)


def _medication(m: _Making) -> Resource:
    return m.perhaps(code=m.concept, manufacturer=lambda: m.to("Organization"))


def _encounter(m: _Making) -> Resource:
    return {"status": m.random.choice(("planned", "finished")), "class": m.coding()} | m.perhaps(
        subject=lambda: m.to("Patient", "Group"),
        period=m.period,
        length=m.quantity,
        partOf=lambda: m.to("Encounter"),
        location=lambda: m.some(lambda: {"location": m.to("Location")} | m.perhaps(period=m.period)),
        participant=lambda: [{"individual": m.to("Practitioner", "PractitionerRole")}],
        serviceProvider=lambda: m.to("Organization"),
    )


def _condition(m: _Making) -> Resource:
    onset = m.random.choice(({}, {"onsetDateTime": m.moment()}, {"onsetString": m.word()}))
    return {"subject": m.to("Patient", "Group"), **onset} | m.perhaps(
        code=m.concept, encounter=lambda: m.to("Encounter"), asserter=lambda: m.to("Practitioner", "Patient")
    )


def _observation(m: _Making) -> Resource:
    effective = m.random.choice(({}, {"effectiveDateTime": m.moment()}, {"effectivePeriod": m.period()}))
    return {"status": m.random.choice(("final", "amended")), "code": m.concept(), **m.value()} | (
        effective
        | m.perhaps(
            category=lambda: m.some(m.concept),
            subject=lambda: m.to("Patient", "Group", "Device", "Location"),
            encounter=lambda: m.to("Encounter"),
            performer=lambda: m.some(lambda: m.to("Practitioner", "Organization", "Patient")),
            hasMember=lambda: m.some(lambda: m.to("Observation")),
            derivedFrom=lambda: [m.to("Observation")],
            component=lambda: m.some(lambda: {"code": m.concept(), "valueQuantity": m.quantity()}),
            identifier=lambda: m.some(m.identifier),
        )
    )


def _diagnostic_report(m: _Making) -> Resource:
    return {"status": "final", "code": m.concept()} | m.perhaps(
        subject=lambda: m.to("Patient", "Group"),
        encounter=lambda: m.to("Encounter"),
        result=lambda: m.some(lambda: m.to("Observation")),
        effectiveDateTime=m.moment,
        performer=lambda: [m.to("Organization", "Practitioner")],
    )


def _medication_request(m: _Making) -> Resource:
    medication = m.random.choice(
        ({"medicationCodeableConcept": m.concept()}, {"medicationReference": m.to("Medication")})
    )
    return {"status": "active", "intent": m.random.choice(("order", "plan")), **medication} | (
        {"subject": m.to("Patient", "Group")}
        | m.perhaps(
            authoredOn=m.moment, encounter=lambda: m.to("Encounter"), requester=lambda: m.to("Practitioner")
        )
    )


def _risk_assessment(m: _Making) -> Resource:
    predictions = m.some(lambda: {"probabilityDecimal": m.decimal()})
    return {"status": "final", "subject": m.to("Patient", "Group"), "prediction": predictions}


def _care_team(m: _Making) -> Resource:
    return m.perhaps(
        subject=lambda: m.to("Patient", "Group"),
        participant=lambda: m.some(lambda: {"member": m.to("Practitioner", "Patient", "CareTeam")}),
        period=m.period,
    )


def _task(m: _Making) -> Resource:
    return {"status": "draft", "intent": m.random.choice(("order", "plan"))} | {
        "for": m.to("Patient"),
        **m.perhaps(
            partOf=lambda: [m.to("Task")],
            focus=lambda: m.to("Observation", "Condition", "MedicationRequest"),
            owner=lambda: m.to("Practitioner", "Organization"),
            code=m.concept,
        ),
    }


def _provenance(m: _Making) -> Resource:
    return {
        "target": m.some(lambda: m.to("Observation", "Condition", "Patient", "Encounter")),
        "recorded": m.random.choice([moment for moment in MOMENTS if moment.endswith("Z")]),
        "agent": [{"who": m.to("Practitioner", "Organization")}],
    }


def _list(m: _Making) -> Resource:
    entries = m.some(lambda: {"item": m.to("Patient", "Observation", "Condition")})
    return {"status": "current", "mode": "working", "entry": entries} | m.perhaps(
        title=m.word, subject=lambda: m.to("Patient")
    )


def _value_set(m: _Making) -> Resource:
    quantity = {"code": m.coding(), "valueQuantity": m.quantity()}
    limits = {"code": m.coding(), "valueRange": {"low": m.quantity()}}
    return {
        "status": "draft",
        "url": m.random.choice(("http://v.example/a", "http://v.example/a/b")),
    } | m.perhaps(
        version=lambda: m.random.choice(("1", "2")), useContext=lambda: [m.random.choice((quantity, limits))]
    )


def _maker(resource_type: str) -> Callable[[_Making], Resource]:
    name = "_" + re.sub(r"(?<!^)(?=[A-Z])", "_", resource_type).lower()
    made: Callable[[_Making], Resource] = globals()[name]
    return made


def _terminology() -> list[Resource]:
    def concept(code: str) -> Resource:
        below = [low for (_, low), high in PARENTS.items() if high == code]
        return {"code": code, **({"concept": [concept(low) for low in below]} if below else {})}

    def value_set(name: str, include: Resource) -> Resource:
        composed = {"include": [{"system": TREE, **include}]}
        one = {"resourceType": "ValueSet", "id": name, "url": f"{SETS}/{name}", "status": "active"}
        return {**one, "compose": composed}

    is_a = {"property": "concept", "op": "is-a", "value": "trunk"}
    tree = {
        "resourceType": "CodeSystem",
        "id": "tree",
        "url": TREE,
        "status": "active",
        "content": "complete",
    }
    return [
        {**tree, "concept": [concept("root"), concept("stone")]},
        value_set("listed", {"concept": [{"code": "leaf"}, {"code": "moss"}]}),
        value_set("below", {"filter": [is_a]}),
    ]


def bundle(random: Random, base_url: str) -> bytes:
    """Draw a transaction that stores all the resources, in the order of their types."""
    making = _Making(random, base_url)
    resources = _terminology() + [
        {"resourceType": name, "id": str(number), **_maker(name)(making)}
        for name, count in COUNTS.items()
        for number in range(count)
    ]
    entries = [
        {"resource": one, "request": {"method": "PUT", "url": f"{one['resourceType']}/{one['id']}"}}
        for one in resources
    ]
    return orjson.dumps({"resourceType": "Bundle", "type": "transaction", "entry": entries})


def store(client: httpx.Client, random: Random) -> list[tuple[str, str]]:
    """Store drawn resources; return type and id of each, in the order of their creation."""
    answer = client.post("", content=bundle(random, f"{client.base_url}"))
    assert answer.status_code == httpx.codes.OK, answer.text
    terminology = [(one["resourceType"], one["id"]) for one in _terminology()]
    return terminology + [(name, str(number)) for name, count in COUNTS.items() for number in range(count)]
