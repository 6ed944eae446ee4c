"""Links between the entries of a bundle, and references that are searches, made into plain references.

https://hl7.org/fhir/R4/http.html#trules, https://hl7.org/fhir/R4/bundle.html#references
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping

from fhir_server.conditional import search_pairs, single_match
from fhir_server.context import Context
from resources.bundle import Entry
from resources.definitions import resource_types
from resources.operation_outcome import (
    MOST_ISSUES,
    InvalidContent,
    InvalidSearch,
    Issue,
    PreconditionFailed,
    error,
)
from resources.references import Link, links, parse_conditional_reference, parse_reference

_PLACEHOLDER_SCHEMES = ("urn:uuid:", "urn:oid:")


def link_targets(entries: Iterable[Entry], targets: Mapping[int, str]) -> dict[str, str]:
    """Return what each link into the bundle becomes: full URL -> `Type/id`.

    `targets` has, by the index of an entry, the `Type/id` under which its resource is stored.
    """
    found: dict[str, str] = {}
    for entry in entries:
        if entry.full_url is None or entry.index not in targets:
            continue
        if found.setdefault(entry.full_url, targets[entry.index]) != targets[entry.index]:
            raise InvalidContent(
                error("invalid", "Two entries have the same fullUrl", f"{entry.expression}.fullUrl")
            )
        literal = parse_reference(entry.full_url)
        if literal is not None:
            # Entries may point at each other by a relative reference as well as by the full URL.
            found.setdefault(f"{literal.resource_type}/{literal.id}", targets[entry.index])
    return found


async def resolve_links(entries: Iterable[Entry], targets: Mapping[str, str], context: Context) -> None:
    """Rewrite the links of the entries' resources, in place: to `targets`, and where they are searches.

    Raises InvalidContent where a reference is a placeholder that no entry stands behind, and
    PreconditionFailed where a conditional reference does not match exactly one resource.
    """
    conditional: defaultdict[str, list[tuple[Entry, Link]]] = defaultdict(list)
    issues: list[Issue] = []

    def may_change(text: str) -> bool:
        return text in targets or "#" in text

    for entry in entries:
        for link in _links(entry, may_change):
            address, mark, fragment = link.text.partition("#")
            target = targets.get(address)
            if target is not None:
                link.replace(f"{target}{mark}{fragment}")
            elif link.is_reference and address.startswith(_PLACEHOLDER_SCHEMES):
                message = "A reference is a urn: that is the fullUrl of no entry"
                issues.append(error("not-found", message, f"{entry.expression}.resource"))
                if len(issues) > MOST_ISSUES:
                    raise InvalidContent(*issues)
            elif link.is_reference and "?" in address:
                conditional[link.text].append((entry, link))
    if issues:
        raise InvalidContent(*issues)
    await _resolve_conditional(conditional, context)


def _links(entry: Entry, is_wanted: Callable[[str], bool]) -> list[Link]:
    # Whether the resource is one at all, and not too deep, is for validation to say, which comes later.
    resource = entry.resource
    if not isinstance(resource, dict) or resource.get("resourceType") not in resource_types():
        return []
    try:
        return links(resource, is_wanted)
    except RecursionError:
        return []


async def _resolve_conditional(conditional: Mapping[str, list[tuple[Entry, Link]]], context: Context) -> None:
    searches = {text: parsed for text in conditional if (parsed := parse_conditional_reference(text))}
    results = await asyncio.gather(*(_match(*parsed, context) for parsed in searches.values()))
    issues: list[Issue] = []
    for text, result in zip(searches, results, strict=True):
        for entry, link in conditional[text]:
            if isinstance(result, str):
                link.replace(result)
            else:
                issues.append(error(result.code, result.diagnostics, f"{entry.expression}.resource"))
    if issues:
        raise PreconditionFailed(*issues)


async def _match(resource_type: str, query: str, context: Context) -> str | Issue:
    """Return `Type/id` of the one resource that matches, or the issue why there is none."""
    try:
        found = await single_match(context, resource_type, search_pairs(query))
    except (InvalidSearch, PreconditionFailed) as failure:
        issue = failure.issues[0]
        return error(issue.code, f"A conditional reference cannot be resolved: {issue.diagnostics}")
    if found is None:
        return error("not-found", f"No {resource_type} matches a conditional reference")
    return f"{resource_type}/{found}"
