"""The arguments of fields: what selects among the elements of a list, and what a search is asked.

https://hl7.org/fhir/R4/graphql.html#list, https://hl7.org/fhir/R4/graphql.html#searching
"""

import re
from collections.abc import Mapping
from functools import cache

from graphql import GraphQLArgument, GraphQLInt, GraphQLList, GraphQLNonNull, GraphQLString

from fhir_server.graphql.fields import elements
from fhir_server.graphql.scalars import scalar
from fhir_server.search.known import supported_codes
from resources.fhirpath.nodes import Shape
from resources.search_parameters import defined_parameters

LIST_ARGUMENTS = frozenset({"fhirpath", "_offset", "_count"})
"""Those that do not name a sub-element."""

_NAME = re.compile(r"[_A-Za-z][_0-9A-Za-z]*")
# "The search parameters _include, _revinclude, _contained, _containedType are not supported"; the others are
# about a Bundle or about the form of the resources, of which there is none here.
_NOT_OFFERED = frozenset(
    [
        "_include",
        "_revinclude",
        "_contained",
        "_containedType",
        "_summary",
        "_elements",
        "_total",
        "_format",
        "_pretty",
        "_page",
        "_has",
        "_query",
        "_count",
        "_sort",
        "_filter",
        "_type",
        "_list",
    ]
)


@cache
def list_arguments(shape: Shape, *, is_list: bool) -> Mapping[str, GraphQLArgument]:
    """Return what a field of complex elements takes: FHIRPath, values of sub-elements, offset and count."""
    found = {"fhirpath": GraphQLArgument(GraphQLString)}
    if is_list:
        found |= {name: GraphQLArgument(GraphQLInt) for name in ("_offset", "_count")}
    for key, child, _ in elements(shape):
        if child.is_primitive:
            found[key] = GraphQLArgument(scalar(child.type))
    return found


@cache
def search_arguments(
    resource_type: str, *, is_reverse: bool, has_cursor: bool
) -> Mapping[str, GraphQLArgument]:
    """Return what a search of a type takes.

    A reverse one needs `_reference`, and "the id argument is prohibited here as nonsensical".
    """
    found = {}
    if is_reverse:
        found["_reference"] = GraphQLArgument(GraphQLNonNull(scalar("code")))
    for name in ("fhirpath", "_sort", "_filter"):
        found[name] = GraphQLArgument(GraphQLString)
    found["_count"] = GraphQLArgument(GraphQLInt)
    if has_cursor:  # the specification's text has it with the underscore and without
        found |= {name: GraphQLArgument(GraphQLString) for name in ("_cursor", "cursor")}
    for name, code in searched_codes(resource_type).items():
        if not (is_reverse and code == "_id"):
            type_ = scalar(defined_parameters(resource_type)[code].type)
            found[name] = GraphQLArgument(GraphQLList(GraphQLNonNull(type_)))
    return found


@cache
def searched_codes(resource_type: str) -> Mapping[str, str]:
    """Return the search parameters of a type by the names of their arguments: `_` takes the place of `-`."""
    # The schema is made once: it has the parameters of R4, not those that come and go.
    known = defined_parameters(resource_type)
    codes = (code for code in supported_codes(resource_type) if code in known and code not in _NOT_OFFERED)
    named = ((code.replace("-", "_"), code) for code in codes)
    return {name: code for name, code in named if _NAME.fullmatch(name)}
