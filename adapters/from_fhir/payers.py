"""GT1 and IN1: who vouches for what a patient owes, and which insurances pay. HL7 v2.5.1 §6.5.5, §6.5.6"""

from collections.abc import Iterator

from adapters.from_fhir.datatypes import (
    active_identifiers,
    any_code,
    cwe,
    cx,
    names,
    own_cx,
    repeated,
    telecoms,
    user_coded,
    xad,
)
from adapters.from_fhir.people import AT_HOME, identifiers
from adapters.from_fhir.tables import code
from adapters.from_fhir.telling import Resource, SegmentFields, Telling
from adapters.from_fhir.times import date
from hl7.building import Component, FieldValue

_LAST = 1_000_000  # an insurance without an order comes behind those that have one
_ENTRY = "XX"  # table 0203: an organization's number


def account(telling: Telling, encounter: Resource | None) -> Resource | None:
    """Return the account of a stay; without a stay the one that the patient has, if it is one only."""
    found = [telling.get(one) for one in (encounter or {}).get("account", ())]
    known = [one for one in found if one is not None]
    if known:
        return known[0]
    accounts = telling.related.get("accounts", ())
    return accounts[0] if len(accounts) == 1 else None


def payers(telling: Telling, encounter: Resource | None) -> Iterator[SegmentFields]:
    """Yield who vouches for the account, and the insurances of the patient that are in force."""
    charged = account(telling, encounter) or {}
    for place, guarantor in enumerate(_vouching(telling, charged), 1):
        yield _gt1(telling, place, *guarantor)
    for place, coverage in enumerate(_coverages(telling, charged), 1):
        yield _in1(telling, place, coverage)


def _vouching(telling: Telling, charged: Resource) -> Iterator[tuple[Resource, Resource]]:
    for one in charged.get("guarantor", ()):
        party = telling.get(one.get("party"), charged)
        if party is not None:
            yield one, party


def _gt1(telling: Telling, place: int, guarantor: Resource, party: Resource) -> SegmentFields:
    period = guarantor.get("period", {})
    start, end = date(period.get("start")), date(period.get("end"))
    if party["resourceType"] == "Organization":
        # GT1-3 is required; whoever reads GT1-21 knows that it is no person.
        name = party.get("name", party["id"])
        organization = [name, "", *[""] * 7, _number(party)]
        return ["GT1", place, "", [name], *[""] * 9, start, end, *[""] * 6, organization]
    return [
        "GT1", place, repeated(identifiers(party, telling)) if active_identifiers(party) else "",
        repeated(names(party)) or [party["id"]], "",
        repeated(xad(one) for one in party.get("address", ()) if one.get("use") != "old"),
        repeated(telecoms(party, *AT_HOME)), repeated(telecoms(party, "work")), date(party.get("birthDate")),
        code("administrative_gender", party.get("gender")), "", _relation(party), "", start, end,
    ]  # fmt: skip


def _relation(party: Resource) -> list[Component]:
    """Return who the guarantor is to the patient (table 0063)."""
    if party["resourceType"] == "Patient":
        return ["SEL", "Self", "HL70063"]
    for concept in party.get("relationship", ()):
        mapped = code("guarantor_relationship", any_code(concept))
        if mapped:
            return [mapped, "", "HL70063"]
    return []


def _coverages(telling: Telling, charged: Resource) -> list[Resource]:
    """Return the insurances in force: by the account's priorities, then by their own order."""
    listed = charged.get("coverage", ())
    ranks = {
        one.get("coverage", {}).get("reference", ""): one.get("priority", place)
        for place, one in enumerate(listed, 1)
    }
    known = {f"Coverage/{one['id']}": one for one in telling.related.get("coverages", ())}
    in_force = [one for one in known.items() if one[1].get("status") == "active"]
    in_force.sort(key=lambda one: (ranks.get(one[0], _LAST), one[1].get("order", _LAST), one[0]))
    return [one for _, one in in_force]


def _in1(telling: Telling, place: int, coverage: Resource) -> SegmentFields:
    destination = telling.destination
    payor: Resource = next(iter(coverage.get("payor", ())), {})
    insurer = telling.get(payor, coverage)
    period = coverage.get("period", {})
    values: dict[int, FieldValue] = {
        1: place,
        2: _plan(coverage),
        3: _insurer_number(telling, insurer, payor),
        4: _insurer_name(insurer, payor),
        8: _class(coverage, "group")[0],
        12: date(period.get("start")),
        13: date(period.get("end")),
        15: user_coded(coverage.get("type"), destination),
        16: _insured(telling, coverage),
        17: _insured_relation(coverage),
        22: str(coverage.get("order", "")),
        36: coverage.get("subscriberId", ""),
    }
    return ["IN1", *(values.get(number, "") for number in range(1, max(values) + 1))]


def _class(coverage: Resource, kind: str) -> tuple[str, str]:
    """Return value and name of a class of a coverage, such as its plan."""
    for one in coverage.get("class", ()):
        if any_code(one.get("type")) == kind:
            return one.get("value", ""), one.get("name", "")
    return "", ""


def _plan(coverage: Resource) -> list[Component]:
    """Return the plan, which IN1 has to have: the id of the coverage here if it is not known."""
    value, name = _class(coverage, "plan")
    return [value, name] if value else cwe(coverage.get("type")) or [coverage["id"]]


def _number(organization: Resource) -> str:
    numbers = active_identifiers(organization)
    return str(numbers[0]["value"]) if numbers else str(organization["id"])


def _insurer_number(telling: Telling, insurer: Resource | None, payor: Resource) -> list[Component]:
    if insurer is None:
        return [payor.get("identifier", {}).get("value") or payor.get("display", "unknown")]
    numbers = active_identifiers(insurer)
    return cx(numbers[0], telling.destination) if numbers else own_cx(insurer, telling.destination, _ENTRY)


def _insurer_name(insurer: Resource | None, payor: Resource) -> list[Component]:
    """Return the insurer's name; that of the person, if somebody pays for themselves."""
    if insurer is None or insurer["resourceType"] != "Organization":
        people = names(insurer) if insurer is not None else []
        shown = " ".join(str(one) for one in reversed(people[0][:2])).strip() if people else ""
        return [shown or payor.get("display", "")]
    return [insurer.get("name", "")]


def _insured(telling: Telling, coverage: Resource) -> FieldValue:
    subscriber = telling.get(coverage.get("subscriber"), coverage)
    if subscriber is None and any_code(coverage.get("relationship")) == "self":
        subscriber = telling.patient
    return repeated(names(subscriber)[:1]) if subscriber is not None else ""


def _insured_relation(coverage: Resource) -> list[Component]:
    relationship = coverage.get("relationship")
    mapped = code("insured_relationship", any_code(relationship))
    return [mapped, "", "HL70063"] if mapped else cwe(relationship)
