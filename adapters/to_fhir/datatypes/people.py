"""Names, addresses and telephones: XPN, XAD, XTN.

https://hl7.org/fhir/R4/datatypes.html#HumanName, HL7 v2.5.1 §2.A.91 (XPN)
"""

from typing import Any

from adapters.to_fhir.datatypes.codes import clean, code
from adapters.to_fhir.datatypes.times import date_time, extension, period
from adapters.to_fhir.rules import Convert, DatatypeMap, Part, text
from adapters.to_fhir.scope import Scope
from adapters.to_fhir.tables.codes import V2, translate
from adapters.to_fhir.value import Value

_STRUCTURE = "http://hl7.org/fhir/StructureDefinition/"
_INTERNET = ("INTERNET", "X.400")


def _family_extension(name: str) -> Convert:
    return extension(_STRUCTURE + name, "valueString", text)


def _use_of_name(value: Value, _scope: Scope) -> str | None:
    target = translate("NameType", clean(value.text))
    return None if target is None else target.code


def _assembly(value: Value, _scope: Scope) -> dict[str, Any] | None:
    known = {"G": "NL1", "F": "NL2"}.get(value.text)
    if known is None:
        return None
    return {"url": f"{_STRUCTURE}humanname-assembly-order", "valueCode": known}


def _named(made: dict[str, Any], _value: Value, _scope: Scope) -> dict[str, Any] | None:
    """Return a name if there is one: a use alone is none."""
    return made if made.keys() & {"family", "given", "text", "_family"} else None


def _family(component: str) -> tuple[Part, ...]:
    """Return the parts of an FN, which is a component such as `XPN.1`."""
    return (
        Part(f"{component}.1", "family", text, "FN[HumanName] 1"),
        *(
            Part(
                f"{component}.{number}",
                "_family.extension[]",
                _family_extension(name),
                f"FN[HumanName] {number}",
            )
            for number, name in enumerate(_PARTS_OF_FAMILY, 2)
        ),
    )


_PARTS_OF_FAMILY = (
    "humanname-own-prefix",
    "humanname-own-name",
    "humanname-partner-prefix",
    "humanname-partner-name",
)

xpn = DatatypeMap(
    "XPN[HumanName]",
    (
        *_family("XPN.1"),
        Part("XPN.2", "given[]", text),
        Part("XPN.3", "given[]", text),
        Part("XPN.4", "suffix[]", text),
        Part("XPN.5", "prefix[]", text),
        Part("XPN.6", "suffix[]", text),
        Part("XPN.7", "use", _use_of_name),
        Part("XPN.10", "period", period, when=lambda value: not value.has(12, 13)),
        Part("XPN.11", "extension[]", _assembly),
        Part("XPN.12", "period.start", date_time),
        Part("XPN.13", "period.end", date_time),
        Part("XPN.14", "suffix[]", text),
    ),
    _named,
)

xcn_name = DatatypeMap(
    "XCN[Practitioner]",
    (
        *_family("XCN.2"),
        Part("XCN.3", "given[]", text),
        Part("XCN.4", "given[]", text),
        Part("XCN.5", "suffix[]", text),
        Part("XCN.6", "prefix[]", text),
        Part("XCN.10", "use", _use_of_name),
        Part("XCN.17", "period", period, when=lambda value: not value.has(19, 20)),
        Part("XCN.18", "extension[]", _assembly),
        Part("XCN.19", "period.start", date_time),
        Part("XCN.20", "period.end", date_time),
        Part("XCN.21", "suffix[]", text),
    ),
    _named,
)
"""The name in an XCN; its number and degree are not of the name."""


def official(value: Value, scope: Scope) -> dict[str, Any] | None:
    """Return a name of PID-5: the official one, if it says of itself nothing else (HL7 v2.5.1 §3.4.2.5)."""
    made: dict[str, Any] | None = xpn(value, scope)
    if made is not None and "use" not in made and not value[7]:
        made["use"] = "official"
    return made


def alias(value: Value, scope: Scope) -> dict[str, Any] | None:
    """Return a name of PID-9, by which somebody is called as well."""
    made: dict[str, Any] | None = xpn(value, scope)
    if made is not None and "use" not in made:
        made["use"] = "nickname"
    return made


def name_text(value: Value, scope: Scope) -> str | None:
    """Return a name as text, in the order in which it is said (XPN[string])."""
    made = xpn(value, scope)
    if made is None:
        return None
    return " ".join([*made.get("prefix", ()), *made.get("given", ()), made.get("family", "")]).strip() or None


def _use_of_address(value: Value, _scope: Scope) -> str | None:
    target = translate("AddressType[Use]", value.text)
    return None if target is None else target.code


def _type_of_address(value: Value, _scope: Scope) -> str | None:
    target = translate("AddressType[Type]", value.text)
    return None if target is None else target.code


def _kind_of_address(value: Value, _scope: Scope) -> dict[str, Any] | None:
    """Return the kind of an address that FHIR has no use or type for."""
    kind = value.text
    if not kind or translate("AddressType[Use]", kind) or translate("AddressType[Type]", kind):
        return None
    coded = {"coding": [{"system": V2 + "0190", "code": kind}]}
    return {"url": f"{_STRUCTURE}alternate-codes", "valueCodeableConcept": coded}


xad = DatatypeMap(
    "XAD[Address]",
    (
        Part("XAD.1.1", "line[]", text, "SAD[Address] 1"),
        Part("XAD.1.2", "line[]", text, "SAD[Address] 2"),
        Part("XAD.1.3", "line[]", text, "SAD[Address] 3"),
        Part("XAD.2", "line[]", text),
        Part("XAD.3", "city", text),
        Part("XAD.4", "state", text),
        Part("XAD.5", "postalCode", text),
        Part("XAD.6", "country", text),
        Part("XAD.7", "type", _type_of_address),
        Part("XAD.7", "use", _use_of_address),
        Part("XAD.7", "extension[]", _kind_of_address),
        Part("XAD.9", "district", text),
        Part(
            "XAD.10", "extension[]", extension(f"{_STRUCTURE}iso21090-ADXP-censusTract", "valueString", text)
        ),
        Part("XAD.12", "period", period, when=lambda value: not value.has(13, 14)),
        Part("XAD.13", "period.start", date_time),
        Part("XAD.14", "period.end", date_time),
        Part("XAD.19", "line[]", text),
    ),
    lambda made, _value, _scope: made if made.keys() - {"use", "type", "period", "extension"} else None,
)


def _is_mail(value: Value) -> bool:
    return value[3].upper() in _INTERNET


def _is_number(value: Value) -> bool:
    return not _is_mail(value)


def _system_of_telecom(value: Value, _scope: Scope) -> dict[str, Any] | None:
    target = translate("TelecommunicationEquipmentType", value.text)
    if target is None:
        return {"system": "other"}
    return {"use": "mobile", "system": "phone"} if target.code == "mobile" else {"system": target.code}


def _telecom(made: dict[str, Any], value: Value, _scope: Scope) -> dict[str, Any] | None:
    """Put a number together of its parts if it is not given as a whole, and say what it is (guide: XTN 7)."""
    if "value" not in made and not _is_mail(value) and value[7]:
        country, area, local, extended = (value[number] for number in (5, 6, 7, 8))
        country = country and f"+{country.removeprefix('+')}"
        told = " ".join(filter(None, (country, area, local)))
        made["value"] = f"{told} X{extended}" if extended else told
    if "value" not in made:
        return None
    if "system" not in made:
        made["system"] = "email" if value[4] and made["value"] == value[4] else "phone"
    return made


xtn = DatatypeMap(
    "XTN[ContactPoint]",
    (
        Part("XTN.2", "use", lambda value, _scope: _use_of_telecom(value)),
        Part("XTN.3", "", _system_of_telecom),
        Part("XTN.1", "value", text, when=lambda value: _is_number(value) and not value.has(7, 12)),
        Part("XTN.4", "value", text, when=lambda value: _is_mail(value) or not value.has(1, 7, 12)),
        Part(
            "XTN.5", "extension[]", extension(f"{_STRUCTURE}contactpoint-country", "valueString", text),
            when=_is_number,
        ),
        Part("XTN.6", "extension[]", extension(f"{_STRUCTURE}contactpoint-area", "valueString", text)),
        Part("XTN.7", "extension[]", extension(f"{_STRUCTURE}contactpoint-local", "valueString", text)),
        Part("XTN.8", "extension[]", extension(f"{_STRUCTURE}contactpoint-extension", "valueString", text)),
        Part("XTN.12", "value", text, when=_is_number),
        Part("XTN.13", "period.start", date_time),
        Part("XTN.14", "period.end", date_time),
        Part("XTN.18", "rank", lambda value, _scope: _rank(value.text)),
    ),
    _telecom,
)  # fmt: skip


def _use_of_telecom(value: Value) -> str | None:
    target = translate("TelecommunicationUseCode", value.text)
    return None if target is None else target.code


def _rank(told: str) -> int | None:
    return int(told) if told.isdigit() and int(told) > 0 else None


def telecom(use: str) -> Convert:
    """Return the converter of an XTN that is of a use if it says of itself nothing else (XTN-2)."""

    def convert(value: Value, scope: Scope) -> dict[str, Any] | None:
        made: dict[str, Any] | None = xtn(value, scope)
        if made is not None and "use" not in made and made.get("system") != "email":
            made = {**made, "use": use}
        return made

    return convert


gender = code("AdministrativeSex", "gender")
"""`gender`, by the guide's map: A and N are `other`."""
