"""From one parameter of a search, with all the values that it is given, to its condition on documents.

https://hl7.org/fhir/R4/search.html#modifiers, https://hl7.org/fhir/R4/search.html#escaping
"""

import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from fhir_server.search import composite, date, reference, token
from fhir_server.search.allowed import check_allowed
from fhir_server.search.asked import Asked, Condition, Field, both, either, kind
from fhir_server.search.fields import fields, narrowed_fields
from fhir_server.search.types import KINDS
from resources.operation_outcome import InvalidSearch, error
from resources.search_parameters import SearchParameter, search_parameters

_UPDATED = "updated"
# How many modifiers an error message lists; some references may point to all 146 types.
_MOST_LISTED = 20
_ESCAPED_WELL = re.compile(r"(?:[^\\]|\\[\\,$|])*", re.DOTALL)


def condition(
    resource_type: str, name: str, texts: tuple[str, ...], base_url: str, now: datetime
) -> Condition:
    """Return the condition that the parameter `name` (with its modifier) has each of `texts`.

    Raises InvalidSearch if the parameter does not take the modifier, or if a value is malformed.
    """
    code, _, modifier = name.partition(":")
    parameter = search_parameters(resource_type)[code]
    _check_modifier(parameter, modifier)
    whole = Asked(Field("", parameter, is_bare=False), texts, base_url, now, modifier or None, code)
    _check_texts(whole)
    check_allowed(parameter, modifier, texts)
    if parameter.type == "composite":
        return composite.condition(whole)
    asked = [replace(whole, field=found) for found in fields(resource_type)[code]]
    if modifier == "missing":
        return both(_missing(asked, text) for text in texts)
    if modifier in token.NEGATIONS:
        return both({"$nor": [_of_fields(asked, text)]} for text in texts)
    if len(asked) == 1:
        return _of_field(_narrowed(asked[0]))
    return both(_of_fields(asked, text) for text in texts)


def _check_modifier(parameter: SearchParameter, modifier: str) -> None:
    """Raise InvalidSearch unless the parameter takes the modifier.

    "Server SHALL reject any search request that is suffixed by a modifier that the server does not support"
    """
    if not modifier:
        return
    if parameter.type == "composite":
        raise InvalidSearch(error("not-supported", f"{parameter.code} takes no modifiers"))
    allowed = ("missing", *KINDS[kind(parameter)].modifiers(parameter))
    if modifier not in allowed:
        listed = ", ".join(f":{name}" for name in allowed[:_MOST_LISTED])
        more = " and so on" if len(allowed) > _MOST_LISTED else ""
        message = f"{parameter.code} takes these modifiers here: {listed}{more}"
        raise InvalidSearch(error("not-supported", message))


def _check_texts(asked: Asked) -> None:
    for text in asked.texts:
        if not _ESCAPED_WELL.fullmatch(text):
            raise asked.refusal(r"a backslash stands before a comma, $, | or another backslash only")
        if "\x00" in text:
            raise asked.refusal("no value holds a null character")


def _narrowed(asked: Asked) -> Asked:
    """Return a question about one type of references as asked of the parameter for them, if there is one."""
    parameter = asked.field.parameter
    if parameter.type != "reference" or asked.modifier in reference.MODIFIERS:
        return asked
    known = narrowed_fields(parameter.resource_type)
    narrow = known.get((parameter.code, reference.only_type(asked) or ""))
    return asked if narrow is None else replace(asked, field=narrow)


def _of_field(asked: Asked) -> Condition:
    if asked.field.path == _UPDATED:
        return date.moment_condition(asked)
    return KINDS[asked.field.type].condition(asked)


def _of_fields(asked: Iterable[Asked], text: str) -> Condition:
    return either(_of_field(replace(one, texts=(text,))) for one in asked)


def _missing(asked: list[Asked], text: str) -> Condition:
    if text not in ("true", "false"):
        raise asked[0].refusal(":missing is true or false")
    there = [{one.field.path: {"$exists": True}} for one in asked]
    return either(there) if text == "false" else {"$nor": there}
