"""Required bindings: a code must be in the value set of its element.

Some value sets cannot be listed from the specification alone, since others keep them (MIME types, languages,
currencies, units). Of those codes only the grammar is checked.

Source: https://hl7.org/fhir/R4/terminologies.html#required
"""

from functools import cache
from typing import Any

from resources.definitions import Binding, value_set_codes
from resources.validation.findings import Check, Findings, Scope, joined, one
from resources.validation.primitives import text_check

_VALUE_SETS = "http://hl7.org/fhir/ValueSet/"
_MIME_NAME = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"
_MIME_TYPE = (
    # RFC 2045 section 5.1, parameters unread; xml, json and ttl: https://hl7.org/fhir/R4/http.html#mime-type
    rf"{_MIME_NAME}/{_MIME_NAME}(?:\s*;.*)?|xml|json|ttl",
    "a MIME type, as text/plain",
)
_GRAMMARS = {
    f"{_VALUE_SETS}mimetypes": _MIME_TYPE,
    "http://www.rfc-editor.org/bcp/bcp13.txt": _MIME_TYPE,
    # RFC 5646 section 2.1, without telling the kinds of subtags apart
    f"{_VALUE_SETS}all-languages": ("[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*", "a language tag, as en or en-US"),
    # ISO 4217
    f"{_VALUE_SETS}currencies": ("[A-Z]{3}", "a currency of ISO 4217, as EUR"),
}
"""Per value set that the definitions cannot list: the pattern of its codes, and the pattern in words."""


def enforced_value_set(binding: Binding | None) -> str | None:
    """Return the value set that codes may not leave: that of a required binding, or a maximum value set."""
    if binding is None:
        return None
    return binding.value_set if binding.strength == "required" else binding.maximum


@cache
def code_check(value_set: str, unbound: Check) -> Check:
    """Return the check of a `code` element bound to a value set; `unbound` is the check of any code."""
    pairs = value_set_codes(value_set)
    if pairs is None:
        grammar = _GRAMMARS.get(value_set)
        return text_check(*grammar) if grammar else unbound
    codes = frozenset(code for _, code in pairs)

    def check(value: Any, parent: dict[str, Any], scope: Scope) -> Findings | None:
        if type(value) is str and value in codes:
            return None
        return unbound(value, parent, scope) or one("code-invalid", _outside(value_set))

    return check


@cache
def concept_check(value_set: str, unbound: Check) -> Check:
    """Return the check of a CodeableConcept bound to a value set; `unbound` is the check of any one.

    One of the codings must be in the value set. Text alone does not do, unless an extension such as
    data-absent-reason says why there is no coding.
    """
    codes = value_set_codes(value_set)
    if codes is None:
        return unbound

    def check(value: Any, parent: dict[str, Any], scope: Scope) -> Findings | None:
        found = unbound(value, parent, scope)
        if type(value) is not dict or not value or _has_coding_in(value, codes):
            return found
        if "coding" not in value and "extension" in value:
            return found
        return joined(found, one("code-invalid", _outside(value_set)))

    return check


def _has_coding_in(concept: dict[str, Any], codes: frozenset[tuple[str, str]]) -> bool:
    codings = concept.get("coding")
    return type(codings) is list and any(_is_in(coding, codes) for coding in codings)


def _is_in(coding: Any, codes: frozenset[tuple[str, str]]) -> bool:
    if type(coding) is not dict:
        return False
    system, code = coding.get("system"), coding.get("code")
    return type(system) is str and type(code) is str and (system, code) in codes


def _outside(value_set: str) -> str:
    return f"The code must be from the value set {value_set}"
