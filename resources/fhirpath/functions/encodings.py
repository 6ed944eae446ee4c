"""Strings in the encodings that encode(), decode(), escape() and unescape() know.

Source: http://hl7.org/fhirpath/#additional-string-functions
"""

import base64
import binascii
import html
import json
import re

from resources.fhirpath.errors import FhirPathEvaluationError

_ESCAPE = re.compile(r'\\(?:u([0-9a-fA-F]{4})|(["\\/bfnrt]))')
_ESCAPED = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


def encoded(text: str, format_: str) -> str:
    """Return a text in `hex`, `base64` or `urlbase64`; its characters are bytes of UTF-8 first."""
    data = text.encode()
    match format_:
        case "hex":
            return data.hex()
        case "base64":
            return base64.b64encode(data).decode()
        case "urlbase64":
            return base64.urlsafe_b64encode(data).decode()
    raise _unknown("encoding", format_)


def decoded(text: str, format_: str) -> str | None:
    """Return the text that was encoded in a format of `encoded`; None if it is no such encoding of a text."""
    try:
        match format_:
            case "hex":
                return bytes.fromhex(text).decode()
            case "base64":
                return base64.b64decode(text, validate=True).decode()
            case "urlbase64":
                return base64.b64decode(text, b"-_", validate="/" not in text).decode()
    except (ValueError, binascii.Error):
        return None
    raise _unknown("encoding", format_)


def escaped(text: str, target: str) -> str:
    """Return a text as it stands in `html` or between the quotes of a `json` string."""
    match target:
        case "html":
            return html.escape(text)
        case "json":
            return json.dumps(text, ensure_ascii=False)[1:-1]
    raise _unknown("target of escapes", target)


def unescaped(text: str, target: str) -> str:
    """Return the text that was escaped for a target of `escaped`."""
    match target:
        case "html":
            return html.unescape(text)
        case "json":
            return _ESCAPE.sub(lambda found: chr(int(found[1], 16)) if found[1] else _ESCAPED[found[2]], text)
    raise _unknown("target of escapes", target)


def _unknown(what: str, name: str) -> FhirPathEvaluationError:
    return FhirPathEvaluationError(f"'{name[:40]}' is no {what} that is known here")
