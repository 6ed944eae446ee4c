"""The parameters that an operation is called with, in any of the forms in which they may be sent.

They stand in the URL, in a Parameters resource, or, where there is only one resource to be sent, are this
resource itself. https://hl7.org/fhir/R4/operations.html#request
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fhir_server.context import Request
from fhir_server.search.intervals import Interval, interval
from resources.bundle import refusal
from resources.operation_outcome import InvalidContent, Issue, error
from resources.validation import validate

# About the form of the answer, for all interactions alike.
_COMMON = frozenset({"_format", "_pretty"})
# Bound on what an error message repeats.
_LONGEST_NAME = 64


@dataclass(frozen=True, slots=True)
class Inputs:
    """The values given, by name. A value is text from a URL, or what `value[x]` or `resource` holds.

    A parameter made of parts is the list of its `part`s.
    """

    given: Mapping[str, tuple[Any, ...]]

    def all(self, name: str) -> tuple[Any, ...]:
        """Return all values of `name`, () if there is none."""
        return self.given.get(name, ())

    def one(self, name: str) -> Any:
        """Return the value of `name`, None if there is none; raise InvalidContent if there are several."""
        values = self.all(name)
        if len(values) > 1:
            raise InvalidContent(error("invalid", f"The parameter {name} is given once at most"))
        return values[0] if values else None

    def text(self, name: str) -> str | None:
        """Return the value of `name`, which must be text; None if there is none."""
        value = self.one(name)
        if value is not None and (not isinstance(value, str) or not value):
            raise _misfit(name, "text")
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        """Return all values of `name`, each of which may be a list with commas."""
        found: list[str] = []
        for value in self.all(name):
            if not isinstance(value, str):
                raise _misfit(name, "text")
            found += [part for part in value.split(",") if part]
        return tuple(found)

    def boolean(self, name: str, *, default: bool) -> bool:
        """Return the value of `name`, which must be true or false."""
        value = self.one(name)
        if value is None:
            return default
        if isinstance(value, bool):
            return value
        if value not in ("true", "false"):
            raise _misfit(name, "true or false")
        return bool(value == "true")

    def count(self, name: str) -> int | None:
        """Return the value of `name`, which must be a whole number of at least 0; None if there is none."""
        value = self.one(name)
        if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 10:
            return int(value)
        if value is not None and (type(value) is not int or value < 0):
            raise _misfit(name, "a whole number")
        return value

    def interval(self, name: str) -> Interval | None:
        """Return the interval that `name`, a date of any precision, stands for; None if there is none."""
        text = self.text(name)
        try:
            return None if text is None else interval(text.replace(" ", "+"))
        except ValueError:
            raise _misfit(name, "a date such as 2026-01-31 or 2026-01-31T12:00:00Z") from None

    def instant(self, name: str) -> datetime | None:
        """Return the first moment of what `name` stands for (aware, UTC); None if there is none."""
        found = self.interval(name)
        return found[0] if found else None

    def resource(self, name: str) -> dict[str, Any] | None:
        """Return the value of `name`, which must be a resource; None if there is none."""
        value = self.one(name)
        if value is not None and not (isinstance(value, dict) and "resourceType" in value):
            raise _misfit(name, "a resource")
        return value

    def required(self, name: str) -> Any:
        """Return the value of `name`; raise InvalidContent if there is none, or if there are several."""
        value = self.one(name)
        if value is None:
            raise InvalidContent(error("required", f"The parameter {name} is missing"))
        return value


def _misfit(name: str, wanted: str) -> InvalidContent:
    return InvalidContent(error("value", f"The parameter {name} is {wanted}"))


def inputs(
    request: Request, known: Iterable[str], *, resource_name: str | None = None, lenient: bool = False
) -> Inputs:
    """Return the parameters of `request`, which must be among the names `known`.

    A body that is no Parameters resource is the value of `resource_name`, if the operation has one such
    parameter. Raises InvalidContent for what is not understood; a `lenient` client has unknown parameters
    left out.
    """
    given = given_parameters(request, resource_name=resource_name)
    names = tuple(known)
    unknown = [name for name in given if name not in names]
    if unknown and not lenient:
        raise InvalidContent(*(_unknown(name, names) for name in unknown))
    return Inputs({name: given[name] for name in given if name in names})


def _unknown(name: str, known: tuple[str, ...]) -> Issue:
    listed = f"the parameters {', '.join(known)}" if known else "no parameters"
    return error("not-supported", f"There is no parameter {quoted(name)} here; this operation has {listed}")


def quoted(name: str) -> str:
    """Return the name of a parameter as an error message may repeat it."""
    is_name = len(name) < _LONGEST_NAME and name.replace("-", "").replace("_", "").isalnum()
    return f"'{name}'" if is_name else "of such a name"


def given_parameters(request: Request, *, resource_name: str | None = None) -> dict[str, tuple[Any, ...]]:
    """Return all that `request` gives, by name, but for what is about the form of the answer."""
    given: dict[str, list[Any]] = {}
    for name, text in request.query:
        if name not in _COMMON:
            given.setdefault(name, []).append(text)
    body = request.body
    if isinstance(body, dict) and body.get("resourceType") == "Parameters":
        _add_parameters(body, given)
    elif body is not None:
        if resource_name is None or not isinstance(body, dict) or "resourceType" not in body:
            raise InvalidContent(error("structure", "The body of this operation is a Parameters resource"))
        given.setdefault(resource_name, []).append(body)
    return {name: tuple(values) for name, values in given.items()}


def _add_parameters(body: dict[str, Any], given: dict[str, list[Any]]) -> None:
    # The resources in it may be incomplete, as a Patient to match is: whoever reads them checks them.
    listed = body.get("parameter", [])
    bare = [_without_resource(parameter) for parameter in listed] if isinstance(listed, list) else listed
    issues = validate({**body, "parameter": bare} if bare else body)
    if issues:
        raise refusal(issues)
    for parameter in listed:
        # An extension may be all that there is of a name.
        given.setdefault(parameter.get("name", ""), []).append(value_of(parameter))


def _without_resource(parameter: Any) -> Any:
    if not isinstance(parameter, dict) or "resource" not in parameter:
        return parameter
    return {key: value for key, value in parameter.items() if key != "resource"} | {"valueBoolean": True}


def value_of(parameter: dict[str, Any]) -> Any:
    """Return what an element of `Parameters.parameter` holds, None if that is nothing but extensions."""
    if "resource" in parameter:
        return parameter["resource"]
    if "part" in parameter:
        return parameter["part"]
    return next((value for key, value in parameter.items() if key.startswith("value")), None)
