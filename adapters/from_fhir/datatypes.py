"""Data types of FHIR as those of HL7 v2: nested lists of components and subcomponents, not escaped yet.

HL7 v2.5.1 §2.A; https://hl7.org/fhir/R4/datatypes.html
"""

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from adapters.destinations import Destination
from adapters.from_fhir.tables import code as mapped
from adapters.from_fhir.times import timestamp
from hl7.building import Component, FieldValue, Leaf, Repetition, Repetitions

Resource = Mapping[str, Any]
_OID, _UUID = "urn:oid:", "urn:uuid:"
_TYPES = "http://terminology.hl7.org/CodeSystem/v2-0203"
_V2_SYSTEM = "http://terminology.hl7.org/CodeSystem/v2-"
_V3_SYSTEM = "http://terminology.hl7.org/CodeSystem/v3-"
_HIDDEN = ("old",)


def repeated(values: Iterable[Repetition]) -> FieldValue:
    """Return a field of several values, "" if there are none."""
    found = [one for one in values if one]
    return Repetitions(*found) if found else ""


def hd(system: str | None, destination: Destination) -> list[Leaf]:
    """Return who gives identifiers of a FHIR system: the namespace that the destination knows, and the id.

    HL7 v2.5.1 §2.A.33
    """
    if not system:
        return []
    names = [name for name, uri in destination.authorities.items() if uri == system]
    namespace = next((name for name in names if not _is_oid(name)), "")
    return [namespace, *_universal(system, next((name for name in names if _is_oid(name)), ""))]


def _universal(system: str, oid: str) -> tuple[str, str]:
    if oid or system.startswith(_OID):
        return oid or system.removeprefix(_OID), "ISO"
    if system.startswith(_UUID):
        return system.removeprefix(_UUID).upper(), "UUID"
    return system, "URI"


def _is_oid(name: str) -> bool:
    return name.replace(".", "").isdigit()


def active_identifiers(resource: Resource) -> list[Resource]:
    """Return the identifiers that are in use: with a value, and neither old nor over."""
    return [
        one for one in resource.get("identifier", ()) if one.get("value") and one.get("use") not in _HIDDEN
    ]


def cx(identifier: Resource, destination: Destination) -> list[Component]:
    """Return an identifier with its authority, type and period. HL7 v2.5.1 §2.A.14"""
    period = identifier.get("period", {})
    kind = coded(identifier.get("type"), _TYPES)
    start, end = timestamp(period.get("start"))[:8], timestamp(period.get("end"))[:8]
    authority = hd(identifier.get("system"), destination)
    return [identifier["value"], "", "", authority, mapped("identifier_type", kind), "", start, end]


def own_cx(resource: Resource, destination: Destination, kind: str) -> list[Component]:
    """Return the id that a resource has here, as an identifier of ours."""
    return [resource["id"], "", "", [destination.sending_application], kind]


def ei(value: str, destination: Destination) -> list[Component]:
    """Return an identifier of ours as an entity identifier. HL7 v2.5.1 §2.A.28"""
    return [value, destination.sending_application]


def ei_of(identifier: Resource, destination: Destination) -> list[Component]:
    """Return an identifier as an entity identifier: the namespace and the universal id are components."""
    return [identifier["value"], *hd(identifier.get("system"), destination)]


def coded(concept: Any, system: str) -> str:
    """Return the code that a CodeableConcept has in a code system, "" if it has none."""
    for coding in (concept or {}).get("coding", ()):
        if coding.get("system") == system and coding.get("code"):
            return str(coding["code"])
    return ""


def any_code(concept: Any) -> str:
    """Return the first code of a CodeableConcept, "" if it has none."""
    return next((str(one["code"]) for one in (concept or {}).get("coding", ()) if one.get("code")), "")


def cwe(concept: Any) -> list[Component]:
    """Return a CodeableConcept: two codings at most, and its text. HL7 v2.5.1 §2.A.13

    Without any coding the text stands in the second component, where the earlier type CE has it as well.
    """
    if not concept:
        return []
    codings = [one for one in concept.get("coding", ()) if one.get("code")][:2]
    text = concept.get("text", "")
    if not codings:
        return ["", text or next((one.get("display", "") for one in concept.get("coding", ())), "")]
    parts: list[Component] = []
    for one in codings:
        parts += [one["code"], one.get("display") or ("" if parts else text), system_name(one.get("system"))]
    parts += [""] * (8 - len(parts))
    parts[6] = codings[0].get("version", "")
    return [*parts, text if text != parts[1] else ""]


def user_coded(concept: Any, destination: Destination) -> FieldValue:
    """Return a CodeableConcept for a field that is IS (a code alone) up to version 2.6, and CWE since."""
    if not destination.is_before("2.7"):
        return cwe(concept)
    codings = (concept or {}).get("coding", ())
    shown = (concept or {}).get("text") or next((one["display"] for one in codings if one.get("display")), "")
    return any_code(concept) or str(shown)


def system_name(system: str | None) -> str:
    """Return the name of a code system: that of table 0396, or its address. HL7 v2.5.1 §2.A.13.3"""
    if not system:
        return ""
    if system.startswith(_V2_SYSTEM):
        return f"HL7{system.removeprefix(_V2_SYSTEM)}"
    if system.startswith(_V3_SYSTEM):
        return system.removeprefix(_V3_SYSTEM)
    return mapped("code_system", system) or system.removeprefix(_OID)


def xpn(name: Resource) -> list[Component]:
    """Return a HumanName. HL7 v2.5.1 §2.A.88"""
    given = list(name.get("given", ()))
    family = name.get("family", "")
    if not family and not given:
        family = name.get("text", "")
    prefix, suffix = " ".join(name.get("prefix", ())), " ".join(name.get("suffix", ()))
    use = mapped("name_use", name.get("use", "official"))
    return [family, given[0] if given else "", " ".join(given[1:]), suffix, prefix, "", use]


def names(resource: Resource, *, old: bool = False) -> list[list[Component]]:
    """Return the names of somebody, the official one first; the others with `old`.

    Old ones, and maiden names.
    """
    order = ("official", "usual", None, "temp", "anonymous", "nickname")
    found = [one for one in resource.get("name", ()) if (one.get("use") in ("old", "maiden")) == old]
    return [xpn(one) for one in sorted(found, key=lambda one: _place(order, one.get("use")))]


def _place(order: tuple[str | None, ...], use: str | None) -> int:
    return order.index(use) if use in order else len(order)


def xad(address: Resource) -> list[Component]:
    """Return an Address. HL7 v2.5.1 §2.A.86"""
    lines = list(address.get("line", ()))
    first = lines[0] if lines else ("" if address.get("city") else address.get("text", ""))
    use = "M" if address.get("type") == "postal" else mapped("address_use", address.get("use"))
    return [
        [first], ", ".join(lines[1:]), address.get("city", ""), address.get("state", ""),
        address.get("postalCode", ""), address.get("country", ""), use, "", address.get("district", ""),
    ]  # fmt: skip


def xtn(contact: Resource) -> list[Component]:
    """Return a ContactPoint: an e-mail address in the fourth component, a number in the first and twelfth.

    HL7 v2.5.1 §2.A.89
    """
    system, use = contact.get("system", "phone"), contact.get("use", "home")
    equipment = "CP" if use == "mobile" and system == "phone" else mapped("telecom_equipment", system)
    if system in ("email", "url"):
        return ["", "NET", equipment, contact["value"]]
    return [contact["value"], mapped("telecom_use", use), equipment, *([""] * 8), contact["value"]]


def telecoms(resource: Resource, *uses: str | None) -> list[list[Component]]:
    """Return the contact points of certain uses that are in use and have a value."""
    return [
        xtn(one)
        for one in resource.get("telecom", ())
        if one.get("value") and one.get("use") in uses and one.get("use") not in _HIDDEN
    ]


def xcn(person: Resource | None, display: str, destination: Destination) -> list[Component]:
    """Return a person with an identifier; only the name where nothing more is known. HL7 v2.5.1 §2.A.87"""
    if person is None:
        return ["", display] if display else []
    name = (names(person) or [[""]])[0]
    given = [*name[1:5], *([""] * 4)][:4]
    identifiers = active_identifiers(person)
    if identifiers:
        first = identifiers[0]
        kind = coded(first.get("type"), _TYPES)
        value, authority = first["value"], hd(first.get("system"), destination)
    else:
        kind, value, authority = "", person["id"], [destination.sending_application]
    return [value, name[0] or display, *given, "", "", authority, "L", "", "", kind]


def quantity_number(value: Any) -> str:
    """Return a decimal as NM: as it was written, without an exponent. HL7 v2.5.1 §2.A.47"""
    if isinstance(value, float):
        value = Decimal(str(value))
    return format(value, "f") if isinstance(value, Decimal) else str(value)


def units(quantity: Resource) -> list[Component]:
    """Return the unit of a Quantity."""
    unit, unit_code = quantity.get("unit", ""), quantity.get("code", "")
    if not unit_code:
        return [unit] if unit else []
    return [unit_code, unit if unit != unit_code else "", system_name(quantity.get("system"))]


def money(amount: Resource | None) -> list[Component]:
    """Return Money as a composite price. HL7 v2.5.1 §2.A.12"""
    if not amount or "value" not in amount:
        return []
    return [[quantity_number(amount["value"]), amount.get("currency", "")]]


def texts(notes: Iterable[Resource]) -> Iterator[str]:
    """Yield the texts of Annotations."""
    for one in notes:
        if one.get("text"):
            yield one["text"]
