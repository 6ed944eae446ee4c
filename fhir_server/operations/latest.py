"""The latest of each group of observations that have the same code.

"the code translations are assumed to be equal and the grouping by code SHALL follow the transitive property
of equality": a to b in one observation, b to c in another make one group of all three. What is text alone is
grouped by its text. https://hl7.org/fhir/R4/observation-operation-lastn.html
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fhir_server.search.intervals import FIRST

_Node = tuple[str, bool, str]
"""A subject, whether it is a code or text that follows, and this."""


@dataclass(frozen=True, slots=True)
class Latest:
    """An observation that was chosen: its id, its time, and its place in the order of creation."""

    time: datetime
    sequence: int
    id: str


def latest_pipeline(condition: dict[str, Any], most: int) -> list[dict[str, Any]]:
    """Return the aggregation that gives, for each way in which a code is written, its latest `most` times.

    Each time has all observations of it, as all of a tie count. Observations without an effective time have
    that of `issued`, or when they were stored.
    """
    coding = {"$concat": [{"$ifNull": ["$$one.system", ""]}, "|", {"$ifNull": ["$$one.code", ""]}]}
    coded = {
        "$filter": {"input": {"$ifNull": ["$resource.code.coding", []]}, "as": "one", "cond": "$$one.code"}
    }
    lo, hi = "$search.date.lo", "$search.date.hi"
    issued = {"$dateFromString": {"dateString": "$resource.issued", "onError": None, "onNull": None}}
    # The start of a Period counts; FIRST stands for one that has none.
    effective = {"$cond": [{"$gt": [lo, FIRST]}, lo, hi]}
    written = {
        "codes": {"$map": {"input": coded, "as": "one", "in": coding}},
        "text": {"$ifNull": ["$resource.code.text", ""]},
        "subject": {"$ifNull": ["$search.subject", ""]},
    }
    return [
        {"$match": condition},
        {"$project": {"seq": 1, **written, "time": {"$ifNull": [effective, issued, "$updated"]}}},
        {
            "$group": {
                "_id": {"codes": "$codes", "text": _TEXT, "subject": "$subject", "time": "$time"},
                "found": {"$push": {"id": "$_id", "seq": "$seq"}},
            }
        },
        {"$sort": {"_id.time": -1}},
        {
            "$group": {
                "_id": {"codes": "$_id.codes", "text": "$_id.text", "subject": "$_id.subject"},
                "times": {"$firstN": {"input": {"time": "$_id.time", "found": "$found"}, "n": most}},
            }
        },
    ]


# Only what has no code is grouped by its text.
_TEXT = {"$cond": [{"$eq": ["$codes", []]}, "$text", ""]}


def latest(rows: Iterable[Mapping[str, Any]], most: int, base_url: str) -> list[Latest]:
    """Return what is chosen of the `rows` of the pipeline, the latest first.

    Of each group that is `most` observations, and all others of the same time as the last of these.
    """
    groups = _Groups()
    listed = [(groups.join(_nodes(row["_id"], base_url)), row["times"]) for row in rows]
    times: defaultdict[_Node, defaultdict[datetime, list[Mapping[str, Any]]]]
    times = defaultdict(lambda: defaultdict(list))
    for node, found in listed:
        for one in found:
            times[groups.representative(node)][one["time"]] += one["found"]
    chosen: list[Latest] = []
    for by_time in times.values():
        number = 0
        for time in sorted(by_time, reverse=True):
            if number >= most:
                break
            chosen += [Latest(time, one["seq"], one["id"]) for one in by_time[time]]
            number += len(by_time[time])
    return sorted(chosen, key=lambda one: (one.time, one.sequence), reverse=True)


def _nodes(key: Mapping[str, Any], base_url: str) -> list[_Node]:
    subject = key["subject"].removeprefix(f"{base_url}/")
    return [(subject, True, code) for code in key["codes"]] or [(subject, False, key["text"])]


class _Groups:
    """Sets of codes that are equal, joined as it turns out that they are (a union-find forest)."""

    def __init__(self) -> None:
        self._parents: dict[_Node, _Node] = {}

    def representative(self, node: _Node) -> _Node:
        """Return the one that stands for all that are equal to `node`."""
        root = node
        while self._parents.setdefault(root, root) != root:
            root = self._parents[root]
        while self._parents[node] != root:
            self._parents[node], node = root, self._parents[node]
        return root

    def join(self, nodes: list[_Node]) -> _Node:
        """Make `nodes`, of which there is one at least, equal; return one of them."""
        first = self.representative(nodes[0])
        for node in nodes[1:]:
            self._parents[self.representative(node)] = first
        return nodes[0]
