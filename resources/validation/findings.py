"""What a check finds wrong, and how a finding learns where it is on its way up.

A check that finds nothing returns None, so that valid data costs no allocation. A finding starts with an
empty path, and each check that hands it up puts its own step in front.

Source: https://hl7.org/fhir/R4/operationoutcome-definitions.html#OperationOutcome.issue.expression
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

MOST_FINDINGS = 1000
"""Findings beyond this number are dropped, lest a body of a million mistakes gets a million issues back."""


@dataclass(slots=True)
class Finding:
    """One mistake: `code` is an issue type, `diagnostics` says what is expected, `path` where it is.

    `path` is FHIRPath relative to the value that was checked: "" for the value itself, or steps: `.given[1]`.
    """

    code: str
    diagnostics: str
    path: str = ""


Findings = list[Finding]


@dataclass(slots=True)
class Scope:
    """What the checks of one resource share.

    `container` is the resource whose `contained` is meant by references to `#id`; `depth` counts the JSON
    objects and arrays around the value at hand; `local_references` are the ids that references to `#id` name;
    `contained_types` are the types of the contained resources by id, once somebody asked.
    """

    container: dict[str, Any]
    depth: int = 0
    local_references: set[str] = field(default_factory=set)
    contained_types: dict[str, str] | None = None


Check = Callable[[Any, dict[str, Any], Scope], Findings | None]
"""Takes a JSON value, the object that it is a property of, and the scope; returns None if all is well."""


def one(code: str, diagnostics: str, path: str = "") -> Findings:
    """Return the findings of a check that found a single mistake."""
    return [Finding(code, diagnostics, path)]


def joined(findings: Findings | None, more: Findings | None, step: str = "") -> Findings | None:
    """Return `findings` followed by `more`, whose paths get `step` in front; None if there are none."""
    if more is None:
        return findings
    for finding in more:
        finding.path = step + finding.path
    if findings is None:
        return more
    findings.extend(more[: MOST_FINDINGS - len(findings)])
    return findings
