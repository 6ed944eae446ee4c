"""The page docs/workflows.md: states, rules and operations of all patterns; and what is wrong with them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from inspect import cleandoc
from pathlib import Path

from fhir_server.operations.operation import Operation
from fhir_server.workflows.notices import NoticeKind
from fhir_server.workflows.pattern import Pattern, Rule, StateTable
from fhir_server.workflows.registry import PATTERNS
from tests.proofs import links

PATH = Path(__file__).parents[2] / "docs/workflows.md"
Mentions = Mapping[str, tuple[str, ...]]

_HEAD = """\
# The hospital's work: states, rules and operations

Each pattern of the hospital's work, as the server keeps it on every way by which a resource can be changed. A
change that breaks a rule is refused with an OperationOutcome in which `details.coding` has the rule's id, in
the system `urn:fhir-hospital-server:rules`. What hospitals ask for, and by which tests it is proved, is in
[workflows/features.md](workflows/features.md).

A hospital switches a pattern off by `FHIR_WORKFLOWS_OFF=W3`, a single rule by its id, all of them by `all`;
with `FHIR_WORKFLOWS_WARN` instead, what is broken is only told of in the log, and what follows still follows.

`python -m tests.workflows` writes this page from the server's own tables; a test fails if it is out of date.
"""


def wrong(mentions: Mentions, patterns: Iterable[Pattern] = PATTERNS) -> Iterator[str]:
    """Tell what is wrong: rules that no test names, states and ids that do not fit their pattern."""
    seen: set[str] = set()
    for pattern in patterns:
        for rule in pattern.rules:
            if not rule.id.startswith(f"{pattern.id}."):
                yield f"{rule.id} is a rule of {pattern.id}, but is not called so"
            if rule.id in seen:
                yield f"{rule.id} is there twice"
            seen.add(rule.id)
            if rule.id not in mentions:
                yield f"{rule.id} is named by no test"
        for table in pattern.states:
            if table.rule not in pattern.rules:
                yield f"{table.rule.id} is not in the rules of {pattern.id}"


def page(mentions: Mentions, patterns: Sequence[Pattern] = PATTERNS) -> str:
    """Return the text of the page."""
    lines = [_HEAD]
    lines += [f"- [{_title(one)}](#{_anchor(_title(one))})" for one in patterns]
    lines.append("")
    for pattern in patterns:
        lines += [f"## {_title(pattern)}", ""]
        for table in pattern.states:
            lines += _states(table)
        if pattern.rules:
            lines += ["### Rules", "", "| rule | what it says | refusal | tests |", "|---|---|---|---|"]
            lines += [_rule(rule, mentions) for rule in pattern.rules]
            lines.append("")
        if pattern.operations:
            lines += ["### Operations", ""]
            lines += [line for operation in pattern.operations for line in _operation(operation)]
        if pattern.notices:
            lines += ["### Notices", "", "| notice | what it says | |", "|---|---|---|"]
            lines += [_notice(kind) for kind in pattern.notices]
            lines.append("")
        if pattern.actions:
            lines += ["### Done by the clock", "", *(f"- `{name}`" for name in sorted(pattern.actions)), ""]
        lines += [f"Switched off by `FHIR_WORKFLOWS_OFF={pattern.id}`.", ""]
    return "\n".join(lines).rstrip("\n") + "\n"


def _title(pattern: Pattern) -> str:
    return f"{pattern.id} {pattern.title}"


def _anchor(title: str) -> str:
    kept = "".join(one for one in title.lower() if one.isalnum() or one in " -_")
    return kept.replace(" ", "-")


def _states(table: StateTable) -> Iterator[str]:
    yield f"### States of {table.resource_type}.{table.element} (`{table.rule.id}`)"
    yield ""
    yield "```mermaid"
    yield "stateDiagram-v2"
    named = dict.fromkeys([*table.first, *table.transitions, *_all_after(table)])
    yield from (f'    state "{one}" as {_node(one)}' for one in named)
    yield from (f"    [*] --> {_node(one)}" for one in table.first)
    for state, following in table.transitions.items():
        yield from (f"    {_node(state)} --> {_node(one)}" for one in following)
    yield "```"
    yield ""
    yield "| from | to |"
    yield "|---|---|"
    if table.first:
        yield f"| (new) | {_codes(table.first)} |"
    for state in named:
        yield f"| `{state}` | {_codes(table.transitions.get(state, ())) or 'final'} |"
    yield ""


def _all_after(table: StateTable) -> Iterator[str]:
    for following in table.transitions.values():
        yield from following


def _node(state: str) -> str:
    return state.replace("-", "_")


def _codes(states: Iterable[str]) -> str:
    return ", ".join(f"`{state}`" for state in states)


def _rule(rule: Rule, mentions: Mentions) -> str:
    refusal = f"{rule.status} `{rule.code}`"
    return f"| `{rule.id}` | {_cell(rule.says)} | {refusal} | {links(mentions.get(rule.id, ()))} |"


def _operation(operation: Operation) -> Iterator[str]:
    yield f"**{', '.join(f'`{one}`' for one in _addresses(operation))}** ({' or '.join(operation.methods)})"
    yield ""
    yield _cell(cleandoc(operation.handler.__doc__ or ""))
    yield ""
    for name in operation.parameters:
        told = f": {_cell(operation.parameter_docs[name])}" if name in operation.parameter_docs else ""
        yield f"- `{name}` ({operation.parameter_types.get(name, 'string')}){told}"
    yield f"- answers {operation.returns}"
    yield ""


def _addresses(operation: Operation) -> Iterator[str]:
    if operation.on_system:
        yield f"${operation.code}"
    for resource_type in sorted(operation.types):
        if operation.on_type:
            yield f"{resource_type}/${operation.code}"
        if operation.on_instance:
            yield f"{resource_type}/[id]/${operation.code}"


def _notice(kind: NoticeKind) -> str:
    return f"| `{kind.id}` | {_cell(kind.text)} | {'urgent' if kind.urgent else ''} |"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
