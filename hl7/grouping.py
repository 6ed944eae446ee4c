"""Put the segments of a message into the groups of its structure, whatever the sender made of it.

For each segment the innermost open group is asked first, then those around it, for one of these in turn:

1. a place further on, or a repetition, that skips nothing required of a group that it would open; or a
required
   place further back that is still empty;
2. a place further back that repeats or is still empty, or one further on in a group whose start is missing;
3. a repetition of a group whose start is missing.

What has no place is put where it stands, into the group that is open; comments and participations (NTE, PRT,
ROL, ARV) without the first kind of place too. A later order is not taken for an earlier result that was sent
along with the order before: such a result begins with a patient or a visit, or has PR in ORC-1.

Source: HL7 v2.5.1 §2.5.2, §4.4.6 (OML), table 0119
"""

from collections.abc import Callable

from hl7.message import Message, Segment
from hl7.structure import Group, Node, structure, structure_of

_PRIOR = "PRIOR"
_PREVIOUS_RESULT = "PR"
# These say something about what stands before them; they never open a group, nor do they go back or skip.
_FOLLOWERS = frozenset({"NTE", "PRT", "ROL", "ARV"})
# Table 0119: what only an order of its own has in ORC-1.
_REQUESTS = frozenset({"NW", "CA", "DC", "XO", "RP", "HD", "RL", "RF", "CH", "PA"})
_BEGINNERS = frozenset({"PID", "PV1", "AL1"})


class _Open:
    """A group that is being filled: `index` is the last place that was taken, `filled` are all of them."""

    __slots__ = ("filled", "index", "members", "node")

    def __init__(self, node: Node) -> None:
        self.node = node
        self.members: list[Segment | _Open] = []
        self.index = -1
        self.filled: set[int] = set()

    def closed(self) -> Group:
        """Return the group, now that it is known what is missing."""
        members = tuple(member.closed() if isinstance(member, _Open) else member for member in self.members)
        missing = [
            child.first_required
            for index, child in enumerate(self.node.children)
            if child.is_required and index not in self.filled
        ]
        return Group(self.node.name, members, tuple(missing))


_Way = list[int]
_Search = Callable[[_Open, Segment], _Way | None]


def grouped(message: Message, structure_name: str | None = None) -> Group:
    """Return the tree of a message by its structure, or by the one that is named.

    Raises `UnsupportedMessage` if there is no such structure.
    """
    root = _Open(structure(structure_name or structure_of(message.header)))
    path = [root]
    for segment in message.segments:
        path = _placed(path, segment)
    return root.closed()


def _placed(path: list[_Open], segment: Segment) -> list[_Open]:
    """Put a segment into its place, and return the groups that are open now."""
    if segment.name in path[0].node.contents:
        for search in _SEARCHES[:1] if segment.name in _FOLLOWERS else _SEARCHES:
            for depth in range(len(path) - 1, -1, -1):
                way = search(path[depth], segment)
                if way is not None:
                    return _filled(path[: depth + 1], way, segment)
    path[-1].members.append(segment)
    return path


def _filled(path: list[_Open], way: _Way, segment: Segment) -> list[_Open]:
    """Go down from the last group on a way of places, opening groups; the last place is the segment's."""
    group = path[-1]
    *down, last = way
    for index in down:
        inner = _Open(group.node.children[index])
        group.members.append(inner)
        _take(group, index)
        path = [*path, inner]
        group = inner
    group.members.append(segment)
    if segment.name in _FOLLOWERS:
        group.filled.add(last)
    else:
        _take(group, last)
    return path


def _take(group: _Open, index: int) -> None:
    group.index = max(group.index, index)
    group.filled.add(index)


def _on_or_required(group: _Open, segment: Segment) -> _Way | None:
    children = group.node.children
    for index in range(max(group.index, 0), len(children)):
        if index > group.index or children[index].is_repeated:
            way = _way(group, index, segment, is_strict=True)
            if way is not None:
                return way
    for index, child in enumerate(children[: max(group.index, 0)]):
        if child.is_required and index not in group.filled and segment.name in child.segments:
            return [index]
    return None


def _back_or_on(group: _Open, segment: Segment) -> _Way | None:
    for index, child in enumerate(group.node.children):
        is_back = index <= group.index
        if not is_back or child.is_repeated or index not in group.filled:
            way = _way(group, index, segment, is_strict=is_back)
            if way is not None:
                return way
    return None


def _again(group: _Open, segment: Segment) -> _Way | None:
    """Return the way into another repetition of the group that is open within this one."""
    if group.index < 0 or not group.node.children[group.index].is_repeated:
        return None
    return _way(group, group.index, segment, is_strict=False)


_SEARCHES: tuple[_Search, ...] = (_on_or_required, _back_or_on, _again)


def _way(group: _Open, index: int, segment: Segment, *, is_strict: bool) -> _Way | None:
    """Return the places from one of a group's down to the segment's, None if it has none there."""
    child = group.node.children[index]
    if not _may_begin(child, segment, is_empty=index not in group.filled):
        return None
    way = _within(child, segment, is_strict=is_strict)
    return None if way is None else [index, *way]


def _within(node: Node, segment: Segment, *, is_strict: bool) -> _Way | None:
    """Return the places within a node; a strict way skips nothing that is required of what it opens."""
    if not node.is_group:
        return [] if segment.name in node.segments else None
    if segment.name not in node.contents:
        return None
    for index, child in enumerate(node.children):
        way = _within(child, segment, is_strict=is_strict)
        if way is not None:
            return [index, *way]
        if is_strict and child.is_required:
            return None
    return None


def _may_begin(node: Node, segment: Segment, *, is_empty: bool) -> bool:
    """Whether a segment may begin a group: one of earlier results only if it is told from the next order.

    Where they have begun with a patient or a visit, an order follows (`is_empty` until then), which is one
    of them unless it asks for something.
    """
    if _PRIOR not in node.name or segment.name in _BEGINNERS:
        return True
    if segment.name != "ORC":
        return node.name != "PRIOR_RESULT"
    control = segment.get(1)
    if node.name == "PRIOR_RESULT" or control == _PREVIOUS_RESULT:
        return control == _PREVIOUS_RESULT
    return control not in _REQUESTS if is_empty else not control
