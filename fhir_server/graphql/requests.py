"""What a client asks: the query document, its variables, and which of its operations is meant.

They stand in the URL, in a JSON body, in a Parameters resource, or the body is the document itself.
https://hl7.org/fhir/R4/graphql.html#invoking, https://graphql.org/learn/serving-over-http/
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fhir_server.context import Request
from fhir_server.formats import media_type_of, sent_format
from resources import json_format
from resources.operation_outcome import InvalidContent, error

_GRAPHQL = "application/graphql"
NAMES = ("query", "variables", "operationName")
"""The parameters that a query is made of."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A query document, the values of its variables, and the name of the operation to carry out."""

    document: str
    variables: Mapping[str, Any] = field(default_factory=dict)
    operation_name: str | None = None


@dataclass(frozen=True, slots=True)
class Sent:
    """A body as it was sent: what is wrong with it is to be told as a GraphQL error."""

    content: bytes
    content_type: str | None


def _parsed(sent: Sent) -> Any:
    """Return what a body holds: JSON, a resource, or a query document as `{"query": ...}`.

    Raises UnsupportedMediaType and InvalidContent.
    """
    if media_type_of(sent.content_type) != _GRAPHQL:
        return sent_format(sent.content_type).parse(sent.content)
    try:
        return {"query": sent.content.decode("utf-8")}
    except UnicodeDecodeError:
        raise InvalidContent(error("structure", "The body is not UTF-8")) from None


def asked(request: Request) -> Asked:
    """Return the query that `request` holds.

    Raises InvalidContent if there is none or it is malformed, UnsupportedMediaType if it cannot be read.
    """
    given: dict[str, Any] = {}
    for name, text in request.query:
        if name in NAMES and name in given:
            raise InvalidContent(error("invalid", f"The parameter {name} is given once at most"))
        given[name] = text
    if isinstance(given.get("variables"), str):
        given["variables"] = json_format.parse(given["variables"].encode()) if given["variables"] else None
    body = request.body
    given |= _of_body(_parsed(body) if isinstance(body, Sent) else body)
    return Asked(_document(given), _variables(given), _operation_name(given))


def _of_body(body: Any) -> dict[str, Any]:
    if body is None:
        return {}
    if not isinstance(body, dict):
        raise InvalidContent(error("structure", "The body is a JSON object with a query"))
    if body.get("resourceType") != "Parameters":
        return {name: body[name] for name in NAMES if body.get(name) is not None}
    parameters = body.get("parameter")
    for parameter in parameters if isinstance(parameters, list) else ():
        if isinstance(parameter, dict) and parameter.get("name") == "query":
            return {"query": parameter.get("valueString")}
    return {}


def _document(given: Mapping[str, Any]) -> str:
    document = given.get("query")
    if not isinstance(document, str) or not document.strip():
        raise InvalidContent(error("required", "The parameter query is the text of a GraphQL document"))
    return document


def _variables(given: Mapping[str, Any]) -> dict[str, Any]:
    variables = given.get("variables")
    if variables is None:
        return {}
    if not isinstance(variables, dict):
        raise InvalidContent(error("structure", "The parameter variables is a JSON object"))
    return variables


def _operation_name(given: Mapping[str, Any]) -> str | None:
    name = given.get("operationName") or None
    if name is not None and not isinstance(name, str):
        raise InvalidContent(error("value", "The parameter operationName is text"))
    return name
