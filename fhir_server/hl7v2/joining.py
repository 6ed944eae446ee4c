"""What a message says, put into what is there: it changes what it speaks of, and nothing else. Pure.

Members of lists are the same if what tells them apart is (`_SAME`); of what comes in groups, such as the
telephones at home, the message has all. HL7 v2.5.1 §2.5.3.1
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

Resource = dict[str, Any]
Key = Any


def _concept(value: Any) -> Key:
    codings = (value or {}).get("coding") or ()
    found = tuple(sorted((one.get("system", ""), one.get("code", "")) for one in codings))
    return found or (value or {}).get("text")


def _reference(value: Any) -> Key:
    value = value or {}
    number = value.get("identifier") or {}
    return value.get("reference") or (number.get("system"), number.get("value"), value.get("display"))


def _identifier(one: Any) -> Key:
    kind = None if one.get("system") else _concept(one.get("type"))
    return one.get("system"), one.get("value"), kind


def _participant(one: Any) -> Key:
    kinds = tuple(_concept(kind) for kind in one.get("type", ()))
    return kinds, _reference(one.get("individual") or one.get("actor"))


_SAME: Mapping[str, Callable[[Any], Key]] = {
    "identifier": _identifier,
    "participant": _participant,
    "diagnosis": lambda one: _reference(one.get("condition")),
    "extension": lambda one: one.get("url"),
    "communication": lambda one: _concept(one.get("language")),
    "performer": lambda one: _reference(one.get("actor") or one),
    "coding": lambda one: (one.get("system"), one.get("code")),
    "note": lambda one: one.get("text"),
    "class": lambda one: (_concept(one.get("type")), one.get("value")),
    "tag": lambda one: (one.get("system"), one.get("code")),
    "security": lambda one: (one.get("system"), one.get("code")),
}
"""What tells the members of a list apart, by the name of the element."""

_GROUPS: Mapping[str, Callable[[Any], Key]] = {
    "name": lambda one: one.get("use"),
    "address": lambda one: (one.get("use"), one.get("type")),
    "telecom": lambda one: (one.get("system"), one.get("use")),
}
"""Of what a message has all: whatever has the same of this goes if it is not in the message."""

_CHOICES = (
    "value",
    "effective",
    "onset",
    "occurrence",
    "performed",
    "deceased",
    "multipleBirth",
    "collected",
)


def joined(before: Resource, said: Resource, listed: frozenset[str] = frozenset()) -> Resource:
    """Return `before` with what a message says; of the elements in `listed` the message has the whole list."""
    after = dict(before)
    for name, value in said.items():
        if name in ("resourceType", "id", "meta"):
            continue
        _drop_other_choices(after, name)
        known = after.get(name)
        if isinstance(value, list) and name not in listed and not name.startswith("_"):
            after[name] = united(name, known if isinstance(known, list) else [], value)
        elif isinstance(value, dict) and isinstance(known, dict) and _is_whole(name, value):
            after[name] = joined(known, value)
        else:
            after[name] = value
    return after


def _is_whole(name: str, value: Mapping[str, Any]) -> bool:
    """Tell whether an element is made of parts that are told one by one, as a hospitalization is."""
    return name in ("hospitalization", "period", "collection", "dispenseRequest", "requisition") and bool(
        value
    )


def _drop_other_choices(resource: Resource, name: str) -> None:
    """Remove the other types of an element of which there is one only, as `deceased[x]` is."""
    for choice in _CHOICES:
        if name.startswith(choice) and name[len(choice) : len(choice) + 1].isupper():
            for other in [one for one in resource if one != name and one.lstrip("_").startswith(choice)]:
                if other.lstrip("_")[len(choice) : len(choice) + 1].isupper() and other.lstrip("_") != name:
                    del resource[other]


def united(name: str, before: Sequence[Any], said: Sequence[Any]) -> list[Any]:
    """Return a list with what the message says in the place of what is the same, and the rest kept."""
    group = _GROUPS.get(name)
    if group is not None:
        told = {group(one) for one in said}
        return _ordered(before, [*said], lambda one: group(one) in told)
    same = _SAME.get(name, _default)
    rest = {_frozen(same(one)): one for one in said}
    found: list[Any] = []
    for one in before:
        key = _frozen(same(one))
        new = rest.pop(key, None)
        if new is None:
            found.append(one)
        elif isinstance(one, dict) and isinstance(new, dict):
            found.append({**one, **new} if name in ("identifier", "participant", "diagnosis") else new)
        else:
            found.append(new)
    return [*found, *rest.values()]


def member_key(name: str, member: Any) -> Any:
    """Return what tells a member of the list `name` from others, or what those have in common that go together."""
    return _frozen((_GROUPS.get(name) or _SAME.get(name, _default))(member))


def _ordered(before: Sequence[Any], said: list[Any], goes: Callable[[Any], bool]) -> list[Any]:
    """Return `said` where the first of those stood that go, and the others around it."""
    found: list[Any] = []
    is_placed = False
    for one in before:
        if not goes(one):
            found.append(one)
        elif not is_placed:
            found += said
            is_placed = True
    return found if is_placed else [*found, *said]


def _default(one: Any) -> Key:
    if isinstance(one, dict):
        return _reference(one) if "reference" in one else _concept(one) if "coding" in one else one
    return one


def _frozen(value: Any) -> Any:
    if isinstance(value, dict):
        return tuple(sorted((name, _frozen(one)) for name, one in value.items()))
    return tuple(_frozen(one) for one in value) if isinstance(value, list | tuple) else value


def without(resource: Resource, deleted: Sequence[tuple[str, Mapping[str, str]]]) -> Resource:
    """Return a resource without the elements that a message deletes; of a list, only those that are meant.

    An element that the resource type cannot do without stays.
    """
    after = resource
    for path, group in deleted:
        if path and path.partition(".")[0] not in ("status", "class", "subject", "code", "intent"):
            after = _removed(after, path.split("."), group)
    return after


def _removed(at: Resource, path: Sequence[str], group: Mapping[str, str]) -> Resource:
    name, rest = path[0], path[1:]
    if name not in at:
        return at
    if rest and isinstance(at[name], dict):
        inner = _removed(at[name], rest, group)
        kept: Any = inner or None
    elif isinstance(at[name], list) and group:
        kept = [one for one in at[name] if any(one.get(key) != told for key, told in group.items())] or None
    else:
        kept = None
    others = {key: value for key, value in at.items() if key != name}
    return others if kept is None else {**at, name: kept}


def is_same(before: Resource | None, after: Resource) -> bool:
    """Tell whether a change says nothing new; what is about the version itself does not count.

    Numbers are the same if each digit is: 5.0 says more than 5.
    """
    if before is None:
        return False
    return bool(_told(before, is_top=True) == _told(after, is_top=True))


def _told(value: Any, *, is_top: bool = False) -> Any:
    if isinstance(value, dict):
        return {
            name: _meta(one) if is_top and name == "meta" else _told(one)
            for name, one in value.items()
            if not (is_top and name == "meta" and not _meta(one))
        }
    if isinstance(value, list):
        return [_told(one) for one in value]
    return value if isinstance(value, str | bool) or value is None else str(value)


def _meta(meta: Mapping[str, Any]) -> dict[str, Any]:
    """Return of `meta` what is not about one version: labels and profiles."""
    return {name: one for name, one in meta.items() if name in ("tag", "security", "profile") and one}
