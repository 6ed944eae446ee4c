"""Links between the entries of a bundle, and references that are searches, made into plain references.

https://hl7.org/fhir/R4/http.html#trules, https://hl7.org/fhir/R4/bundle.html#references
"""

import asyncio
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

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

_VERSION = "/_history/"
# Tags of XHTML that may hold an address, and the address in one.
_TAG = re.compile(r"<(?:a|img)\s[^<>]*>")
_ADDRESS = re.compile(r"""(?P<before>\s(?:href|src)\s*=\s*(?P<quote>["']))(?P<address>[^"'<>]*)(?P=quote)""")
_PLACEHOLDER_SCHEMES = ("urn:uuid:", "urn:oid:")


@dataclass(slots=True)
class VersionedLink:
    """A link to a version of what a bundle stores; which one it is, is not known before it is stored.

    `target` is the `Type/id` that it leads to. "Version-specific references should remain as
    version-specific references after the references have been updated."
    """

    link: Link
    target: str
    fragment: str

    def point_at(self, number: int) -> None:
        """Let the link lead to the version of that number."""
        self.link.replace(f"{self.target}{_VERSION}{number}{self.fragment}")


def link_targets(stored: Iterable[tuple[Entry, str]]) -> dict[str, str]:
    """Return what each link into the bundle becomes: full URL -> `Type/id`.

    `stored` are the entries, each with the `Type/id` under which its resource will stand.
    """
    found: dict[str, str] = {}
    for entry, target in stored:
        if entry.full_url is None:
            continue
        if found.setdefault(entry.full_url, target) != target:
            raise InvalidContent(
                error("invalid", "Two entries have the same fullUrl", f"{entry.expression}.fullUrl")
            )
        literal = parse_reference(entry.full_url)
        if literal is not None:
            # Entries may point at each other by a relative reference as well as by the full URL.
            found.setdefault(f"{literal.resource_type}/{literal.id}", target)
    return found


async def resolve_links(
    resources: Iterable[tuple[Entry, Any]], targets: Mapping[str, str], context: Context
) -> list[VersionedLink]:
    """Rewrite the links of the resources, in place: to `targets`, and where they are searches.

    `resources` come with the entry that each belongs to. Links to versions of `targets` are returned.

    Raises InvalidContent where a reference is a placeholder that no entry stands behind, and
    PreconditionFailed where a conditional reference does not match exactly one resource.
    """
    conditional: defaultdict[str, list[tuple[Entry, Link]]] = defaultdict(list)
    issues: list[Issue] = []

    versioned: list[VersionedLink] = []

    def may_change(text: str) -> bool:
        return text in targets or "#" in text or _VERSION in text or _is_narrative(text)

    for entry, resource in resources:
        for link in _links(resource, may_change):
            if _is_narrative(link.text):
                link.replace(_with_addresses(link.text, targets))
                continue
            address, mark, fragment = link.text.partition("#")
            whole, version, _ = address.partition(_VERSION)
            target = targets.get(whole)
            if target is not None and version:
                versioned.append(VersionedLink(link, target, f"{mark}{fragment}"))
            elif target is not None:
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
    return versioned


def _is_narrative(text: str) -> bool:
    return text.startswith("<div")


def _with_addresses(div: str, targets: Mapping[str, str]) -> str:
    """Return a narrative whose `<a href>` and `<img src>` lead to `targets`."""

    def attribute(found: re.Match[str]) -> str:
        address, mark, fragment = found["address"].partition("#")
        return f"{found['before']}{targets.get(address, address)}{mark}{fragment}{found['quote']}"

    def tag(found: re.Match[str]) -> str:
        return _ADDRESS.sub(attribute, found[0])

    return _TAG.sub(tag, div) if targets else div


def _links(resource: Any, is_wanted: Callable[[str], bool]) -> list[Link]:
    # Whether the resource is one at all, and not too deep, is for validation to say, which comes later.
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
    return f"{resource_type}/{found.id}"
