"""From the text of a query to an operation that may be carried out: parsed, within bounds, and valid.

No message repeats a value that the client sent, since names and birth dates of patients stand there.
https://spec.graphql.org/October2021/#sec-Validation, https://hl7.org/fhir/R4/graphql.html#errors
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from graphql import (
    DocumentNode,
    FragmentDefinitionNode,
    GraphQLError,
    OperationDefinitionNode,
    OperationType,
    OverlappingFieldsCanBeMergedRule,
    VariableDefinitionNode,
    get_variable_values,
    parse,
    print_ast,
    specified_rules,
    validate,
)
from graphql.execution.values import VariableValues
from graphql.validation import ValuesOfCorrectTypeRule

from fhir_server.graphql.limits import LONGEST_QUERY, MOST_DEFINITIONS, MOST_TOKENS, too_large
from fhir_server.graphql.requests import Asked
from fhir_server.graphql.rewriting import written_out
from fhir_server.graphql.schema import Schema

_MOST_ERRORS = 20


class InvalidQuery(Exception):
    """A query that is no GraphQL, or that does not fit the schema; `errors` is never empty."""

    def __init__(self, *errors: GraphQLError) -> None:
        """Carry `errors`, whose messages may be shown to the client."""
        super().__init__(errors[0].message)
        self.errors = errors


class _DiscreetValues(ValuesOfCorrectTypeRule):
    """Says of a misfit where it stands, but not what it is."""

    def report_error(self, error: GraphQLError) -> None:
        super().report_error(
            GraphQLError("The value does not have the type that is wanted here", error.nodes)
        )


# `resource(type: Patient) {...} resource(type: Group) {...}` overlap, as FHIR has it: `Selections` knows.
_RULES = (
    *(
        rule
        for rule in specified_rules
        if rule not in (OverlappingFieldsCanBeMergedRule, ValuesOfCorrectTypeRule)
    ),
    _DiscreetValues,
)


@dataclass(frozen=True, slots=True)
class Operation:
    """A valid operation, with the fragments that it may spread and the values of its variables."""

    node: OperationDefinitionNode
    fragments: Mapping[str, FragmentDefinitionNode]
    variables: VariableValues

    @property
    def is_mutation(self) -> bool:
        """Whether it writes."""
        return self.node.operation is OperationType.MUTATION


def checked(asked: Asked, schema: Schema) -> Operation:
    """Return the operation that is asked for.

    Raises InvalidQuery for what is not valid, and InvalidContent for what is too large.
    """
    document = written_out(_parsed(asked.document), schema)
    errors = validate(schema, document, _RULES, max_errors=_MOST_ERRORS, hide_suggestions=True)
    if errors:
        raise InvalidQuery(*errors)
    node = _operation(document, asked.operation_name)
    fragments = {
        definition.name.value: definition
        for definition in document.definitions
        if isinstance(definition, FragmentDefinitionNode)
    }
    return Operation(node, fragments, _variables(schema, node, asked.variables))


def _parsed(text: str) -> DocumentNode:
    if len(text) > LONGEST_QUERY:
        raise too_large(f"it has more than {LONGEST_QUERY:,} characters")
    try:
        document = parse(text, max_tokens=MOST_TOKENS)
    except GraphQLError as failure:
        raise InvalidQuery(_discreet(failure)) from None
    except RecursionError:
        raise too_large("it is nested too deeply") from None
    if len(document.definitions) > MOST_DEFINITIONS:
        raise too_large(f"it has more than {MOST_DEFINITIONS} operations and fragments")
    return document


def _discreet(failure: GraphQLError) -> GraphQLError:
    """Return a syntax error without the words that the parser found, but with what it wanted, and where."""
    message = failure.message
    if "token" not in message:
        message = message.partition(", found")[0].partition(': "')[0].partition(' "')[0]
    return GraphQLError(message, source=failure.source, positions=failure.positions)


def _operation(document: DocumentNode, name: str | None) -> OperationDefinitionNode:
    operations = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
    if name is not None:
        operations = [node for node in operations if node.name is not None and node.name.value == name]
        if not operations:
            raise InvalidQuery(GraphQLError("operationName is the name of none of the operations"))
    if len(operations) > 1:
        raise InvalidQuery(GraphQLError("Of several operations operationName says which one is meant"))
    return operations[0]


def _variables(schema: Schema, node: OperationDefinitionNode, given: Mapping[str, Any]) -> VariableValues:
    found = get_variable_values(
        schema, node.variable_definitions or (), dict(given), max_errors=_MOST_ERRORS, hide_suggestions=True
    )
    if isinstance(found, VariableValues):
        return found
    raise InvalidQuery(*(_about_variable(failure) for failure in found))


def _about_variable(failure: GraphQLError) -> GraphQLError:
    nodes = [node for node in failure.nodes or () if isinstance(node, VariableDefinitionNode)]
    if not nodes:
        return GraphQLError("A variable does not have the type that is declared")
    wanted = f"${nodes[0].variable.name.value} is {print_ast(nodes[0].type)}"
    return GraphQLError(f"The variable {wanted}, and its value is none of these or is missing", nodes)
