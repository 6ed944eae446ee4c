"""The primitive types: which JSON value and which text each of them takes.

Source: https://hl7.org/fhir/R4/datatypes.html#primitive (regular expressions, ranges and calendar rules),
https://hl7.org/fhir/R4/json.html#primitive (JSON types)
"""

import re
from decimal import Decimal
from typing import Any

from resources.validation import narrative
from resources.validation.findings import Check, Findings, Scope, one
from resources.validation.json_values import wrong_json_type, wrong_text

LONGEST_STRING = 1024 * 1024
"""https://hl7.org/fhir/R4/datatypes.html#string: 1 MB, counted in characters."""

_YEAR = "(?!0000)[0-9]{4}"
_LEAP_YEAR = "(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)"
_MONTH = "(?:0[1-9]|1[0-2])"
_DAY_OF_YEAR = (
    "(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])"
    "|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
    "|02-(?:0[1-9]|1[0-9]|2[0-8]))"
)
_DAY = f"(?:{_YEAR}-{_DAY_OF_YEAR}|(?!0000){_LEAP_YEAR}-02-29)"
_TIME = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)(?:\.[0-9]+)?"
_ZONE = "(?:Z|[+-](?:(?:0[0-9]|1[0-3]):[0-5][0-9]|14:00))"
_STRING = rf"[^\x00-\x08\x0b\x0c\x0e-\x1f]{{1,{LONGEST_STRING}}}"

_TEXT_FORMATS = {
    "code": (r"[^\s]+(?:\s[^\s]+)*", "a code: no spaces at its ends, none doubled within"),
    "date": (f"{_DAY}|{_YEAR}(?:-{_MONTH})?", "a date that exists, as YYYY, YYYY-MM or YYYY-MM-DD"),
    "dateTime": (
        f"{_DAY}(?:T{_TIME}{_ZONE})?|{_YEAR}(?:-{_MONTH})?",
        "a date that exists, as YYYY, YYYY-MM, YYYY-MM-DD or YYYY-MM-DDThh:mm:ss+zz:zz",
    ),
    "id": (r"[A-Za-z0-9\-.]{1,64}", "1 to 64 characters out of A-Z, a-z, 0-9, '-' and '.'"),
    "instant": (f"{_DAY}T{_TIME}{_ZONE}", "an instant that exists, as YYYY-MM-DDThh:mm:ss.sss+zz:zz"),
    "markdown": (_STRING, f"at most {LONGEST_STRING} characters and no control characters"),
    "oid": (r"urn:oid:[0-2](?:\.(?:0|[1-9][0-9]*))+", "an OID, as urn:oid:1.2.3"),
    "string": (_STRING, f"at most {LONGEST_STRING} characters and no control characters"),
    "time": (_TIME, "a time of day, as hh:mm:ss"),
    "uri": (r"\S+", "a URI without spaces"),
    "url": (r"\S+", "a URL without spaces"),
    "canonical": (r"\S+", "a canonical URL without spaces"),
    "uuid": (
        "urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
        "a UUID in lower case, as urn:uuid:c757873d-ec9a-4326-a141-556f43239520",
    ),
}
"""Per primitive that is a JSON string: the pattern of its whole text, and the pattern in words."""

_INTEGERS = {
    "integer": range(-(2**31), 2**31),
    "unsignedInt": range(2**31),
    "positiveInt": range(1, 2**31),
}


def text_check(pattern: str, expected: str) -> Check:
    """Return the check of a JSON string whose whole text matches `pattern`; `expected` says so in words."""
    # re.ASCII: the specification's \s means XML white space, so that a no-break space is as good as a letter.
    matches = re.compile(pattern, re.ASCII).fullmatch

    def check(value: Any, _parent: dict[str, Any], _scope: Scope) -> Findings | None:
        if type(value) is str and matches(value):
            return None
        return wrong_text(value, expected)

    return check


def _integer_check(allowed: range) -> Check:
    lowest, highest = allowed[0], allowed[-1]
    expected = f"This must be an integer from {lowest} to {highest}, without a decimal point"

    def check(value: Any, _parent: dict[str, Any], _scope: Scope) -> Findings | None:
        if type(value) is int and lowest <= value <= highest:
            return None
        if type(value) in (int, Decimal):
            return one("value", expected)
        return wrong_json_type(value, "a JSON number")

    return check


def _decimal(value: Any, _parent: dict[str, Any], _scope: Scope) -> Findings | None:
    if type(value) is int or (type(value) is Decimal and value.is_finite()):
        return None
    return wrong_json_type(value, "a JSON number")


def _boolean(value: Any, _parent: dict[str, Any], _scope: Scope) -> Findings | None:
    if value is True or value is False:
        return None
    return wrong_json_type(value, "a JSON boolean, true or false")


_base64_alphabet = re.compile(r"[A-Za-z0-9+/]+={0,2}").fullmatch
_white_space = re.compile(r"\s+", re.ASCII)


def _base64_binary(value: Any, _parent: dict[str, Any], _scope: Scope) -> Findings | None:
    if type(value) is str and _is_base64(value):
        return None
    return wrong_text(value, "base64 (RFC 4648)")


def _is_base64(text: str) -> bool:
    if len(text) % 4 == 0 and _base64_alphabet(text):
        return True
    bare = _white_space.sub("", text)
    return len(bare) % 4 == 0 and _base64_alphabet(bare) is not None


def _xhtml(value: Any, _parent: dict[str, Any], _scope: Scope) -> Findings | None:
    if type(value) is str and value:
        return narrative.check(value)
    return wrong_text(value, "XHTML")


def primitive_checks() -> dict[str, Check]:
    """Return the check of each primitive type by its name."""
    checks = {name: text_check(pattern, expected) for name, (pattern, expected) in _TEXT_FORMATS.items()}
    checks |= {name: _integer_check(allowed) for name, allowed in _INTEGERS.items()}
    return checks | {
        "base64Binary": _base64_binary,
        "boolean": _boolean,
        "decimal": _decimal,
        "xhtml": _xhtml,
    }
