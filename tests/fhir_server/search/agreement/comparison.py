"""A server and the plain evaluator are asked the same; what differs is told.

https://hl7.org/fhir/R4/search.html
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import httpx

from tests.fhir_server.search.agreement import results
from tests.fhir_server.search.agreement.evaluator import World
from tests.fhir_server.search.agreement.questions import Question
from tests.fhir_server.search.agreement.results import Address

# More pages than these are not walked through for one question; a page is made larger instead.
_MOST_PAGES = 5
_FORM = {"content-type": "application/x-www-form-urlencoded"}


@dataclass(frozen=True)
class Answer:
    """What a server found: the ids of the matches in their order, what came along, and the total it gave.

    `is_cut` tells that the server said that more could come along.
    """

    status: int
    ids: tuple[str, ...] = ()
    included: frozenset[Address] = frozenset()
    is_cut: bool = False
    total: int | None = None
    text: str = ""


def read(answer: httpx.Response) -> Any:
    """Return the JSON of an answer, its numbers as they are written."""
    return json.loads(answer.content, parse_float=Decimal)


def ask(client: httpx.Client, question: Question) -> Answer:
    """Ask the server, page after page."""
    count = () if question.count is None else (("_count", str(question.count)),)
    pairs = (*question.pairs, *count)
    owner = "".join(f"/{part}" for part in question.compartment or ())
    if question.is_posted and not owner:
        form = urlencode(pairs)
        answer = client.post(f"/{question.resource_type}/_search", content=form, headers=_FORM)
    else:
        answer = client.get(f"{owner}/{question.resource_type}", params=pairs)
    if answer.status_code != httpx.codes.OK:
        return Answer(answer.status_code, text=answer.text)
    ids: list[str] = []
    included: set[Address] = set()
    is_cut = False
    bundle = read(answer)
    total = bundle.get("total")
    while True:
        for entry in bundle.get("entry", []):
            resource, mode = entry["resource"], entry["search"]["mode"]
            if mode == "match":
                ids.append(resource["id"])
            elif mode == "include":
                included.add((resource["resourceType"], resource["id"]))
            else:
                is_cut |= any(issue["code"] == "incomplete" for issue in resource["issue"])
        following = [link["url"] for link in bundle["link"] if link["relation"] == "next"]
        if not following:
            break
        bundle = read(client.get(following[0]).raise_for_status())
    return Answer(200, tuple(ids), frozenset(included), is_cut, total)


def expected(world: World, question: Question) -> Answer:
    """Return what the evaluator finds."""
    ids = results.found(world, question.resource_type, question.pairs)
    if question.compartment is not None:
        within = results.in_compartment(world, question.compartment, question.resource_type)
        ids = [one for one in ids if one in within]
    included = results.included(world, [(question.resource_type, one) for one in ids], question.pairs)
    return Answer(200, tuple(ids), frozenset(included))


def difference(client: httpx.Client, world: World, question: Question) -> str:
    """Return how the two answers differ, "" if they do not."""
    wanted = expected(world, question)
    if question.count and len(wanted.ids) > question.count * _MOST_PAGES:
        question = replace(question, count=len(wanted.ids) // _MOST_PAGES + 1)
    given = ask(client, question)
    if given.status != httpx.codes.OK:
        return f"{given.status}: {given.text[:300]}"
    if len(set(given.ids)) != len(given.ids):
        return "a page repeats what was on another one"
    if given.total is not None and given.total != len(wanted.ids):
        return f"total {given.total}, expected {len(wanted.ids)}"
    if told := _of_ids(world, question, given.ids, wanted.ids):
        return told
    included = given.included - set(_addresses(question, given.ids))
    lacking, more = sorted(wanted.included - included), sorted(included - wanted.included)
    if more or (lacking and not given.is_cut):
        return f"included lacks {lacking[:5]}, has too many {more[:5]}"
    return ""


def _addresses(question: Question, ids: Sequence[str]) -> list[Address]:
    return [(question.resource_type, one) for one in ids]


def _of_ids(world: World, question: Question, given: Sequence[str], wanted: Sequence[str]) -> str:
    too_few, too_many = sorted(set(wanted) - set(given)), sorted(set(given) - set(wanted))
    if too_few or too_many:
        return f"lacks {too_few[:3]}, has too many {too_many[:3]}, of {len(wanted)}"
    # Which of two equal ones comes first is for the server to say.
    possible = results.orders(question.resource_type, question.pairs)
    told = [_of_order(world, question, given, keys) for keys in possible]
    return "" if "" in told else "; ".join(told)


def _of_order(world: World, question: Question, given: Sequence[str], keys: Sequence[str]) -> str:
    given_values = results.sort_values(world, question.resource_type, given, keys)
    wanted = results.in_order(world, question.resource_type, given, keys)
    wanted_values = results.sort_values(world, question.resource_type, wanted, keys)
    for index, pair in enumerate(zip(given_values, wanted_values, strict=True)):
        if pair[0] != pair[1]:
            return f"order by {','.join(keys)}: at {index} {given[index]}, expected {wanted[index]}"
    return ""


def smallest(client: httpx.Client, world: World, question: Question) -> Question:
    """Return a part of a question, with as few parameters and values as possible, that still differs."""
    smaller = True
    while smaller:
        smaller = False
        for candidate in _smaller(question):
            if candidate.pairs and difference(client, world, candidate):
                question, smaller = candidate, True
                break
    return question


def _smaller(question: Question) -> list[Question]:
    pairs = question.pairs
    found = [replace(question, pairs=pairs[:index] + pairs[index + 1 :]) for index in range(len(pairs))]
    found += [
        replace(question, pairs=(*pairs[:index], (name, part), *pairs[index + 1 :]))
        for index, (name, text) in enumerate(pairs)
        if "," in text and "\\," not in text
        for part in text.split(",")
    ]
    found += [replace(question, count=None)] if question.count else []
    found += [replace(question, compartment=None)] if question.compartment else []
    return [*found, replace(question, is_posted=False)] if question.is_posted else found
