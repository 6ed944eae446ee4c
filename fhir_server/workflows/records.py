"""Reading records within the transaction of a change, as it leaves them: for rules, not for callers.

Who may see what does not matter here: a rule has to know what the caller may not be shown, and says nothing
of it. References to this server are relative in what is read, however they were written (see `references`).
"""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from fhir_server.search.asked import Condition, both
from fhir_server.search.parameters import parse_search
from fhir_server.store import Store
from fhir_server.store.stock import StockStore
from fhir_server.workflows.references import relative
from fhir_server.workflows.situation import Situation
from resources.definitions import resource_types
from resources.references import literal_references

Resource = dict[str, Any]
Found = TypeVar("Found")
_MOST = 1_000
_AT_ONCE = 100


class Records:
    """What is stored, for the rules to look at."""

    def __init__(self, store: Store, situation: Situation) -> None:
        """Read from `store`, which has no guard; `situation` is that of the change."""
        self._store = store
        self.situation = situation
        self._found: dict[Hashable, Any] = {}

    async def read(self, reference: Any) -> Resource | None:
        """Return the resource that a Reference, or its text, points to; None if it is not here or deleted."""
        text = reference.get("reference") if isinstance(reference, dict) else reference
        key = local(text, self.situation.base_url)
        return None if key is None else await self._read(key)

    async def _read(self, key: tuple[str, str]) -> Resource | None:
        version = await self._store.read(*key)
        return None if version is None or version.resource is None else self._seen(version.resource)

    async def search(
        self,
        resource_type: str,
        *pairs: tuple[str, str],
        sort: str = "",
        limit: int = _MOST,
        also: Condition | None = None,
        without: Sequence[str] = (),
    ) -> list[Resource]:
        """Return up to `limit` resources that a FHIR search finds, such as `("status", "active")`.

        The search may not be chained, as that asks several questions. `sort` is as `_sort` has it. `also` is
        a condition on documents (`resource.status`) for what no search parameter asks. The elements `without`
        (`lineItem.priceComponent`) are left out: in large resources they take most of the time.
        """

        async def look() -> list[Resource]:
            asked = [*pairs, *([("_sort", sort)] if sort else [])]
            query = parse_search(
                resource_type,
                asked,
                lenient=False,
                base_url=self.situation.base_url,
                now=self.situation.now,
            )
            keys = [(path, key.direction) for key in query.results.sort for path in key.paths]
            condition = query.filter if also is None else both([query.filter, also])
            left_out = {f"resource.{one}": 0 for one in without}
            shape = {"search": 0, **left_out} if without else {"resource": 1}
            documents = await self._store.find(resource_type, condition, keys, shape, limit)
            return [self._seen(document["resource"]) for document in documents]

        question = ("search", resource_type, pairs, sort, limit, repr(also), tuple(without))
        return list(await self._asked(question, look))

    async def _asked(self, _key: Hashable, look: Callable[[], Awaitable[Found]]) -> Found:
        """Return what `look` finds now; `_key` names the question."""
        return await look()

    async def referring(
        self, resource_type: str, parameter: str, references: Iterable[str]
    ) -> Mapping[str, list[Resource]]:
        """Return the resources that refer to each of `references` by a search parameter."""
        listed = list(references)
        found: defaultdict[str, list[Resource]] = defaultdict(list)
        for start in range(0, len(listed), _AT_ONCE):
            asked = listed[start : start + _AT_ONCE]
            for one in await self.search(resource_type, (parameter, ",".join(asked))):
                texts = (text for _, text in literal_references(one, resource_type))
                keys = (local(text, self.situation.base_url) for text in texts)
                for reference in {"/".join(key) for key in keys if key is not None} & set(asked):
                    found[reference].append(one)
        return found

    def changed(self, resource_type: str) -> Sequence[str]:  # noqa: ARG002
        """Return the references to the resources of a type that are looked at together."""
        return ()

    def _seen(self, resource: Resource) -> Resource:
        return relative(resource, self.situation.base_url)

    async def count(self, resource_type: str, *pairs: tuple[str, str]) -> int:
        """Return how many resources a FHIR search finds."""
        situation = self.situation
        query = parse_search(
            resource_type, pairs, lenient=False, base_url=situation.base_url, now=situation.now
        )
        return await self._store.count(resource_type, query.filter)

    async def aggregate(self, resource_type: str, pipeline: Sequence[Resource]) -> list[Resource]:
        """Return what an aggregation over the documents of a type gives (`resource`, `search`)."""
        return await self._store.aggregate(resource_type, list(pipeline))

    @property
    def stock(self) -> StockStore:
        """The ledger of what is in stock; what is booked in it is so if the transaction goes well."""
        return self._store.stock

    async def once(self, key: Hashable, look: Callable[[], Awaitable[Found]]) -> Found:
        """Return what `look` finds, which is asked once for all changes that are looked at together.

        `key` names what it looks for. A round of consequences that stores something looks again.
        """
        if key not in self._found:
            self._found[key] = await look()
        found: Found = self._found[key]
        return found

    async def lock(self, key: str) -> None:
        """Let no other transaction that locks `key` be under way: what is read stays so until the end."""
        await self._store.lock(f"workflow/{key}")


class RoundRecords(Records):
    """What is stored, for rules that look at the changes of one round of a transaction.

    Nothing is stored while they look, so that each resource is read once for all of them; what many changes
    refer to is read together.
    """

    def __init__(
        self, store: Store, situation: Situation, resources: Mapping[tuple[str, str], Resource | None]
    ) -> None:
        """Read from `store`; `resources` are those that the round is about, None if it deletes them.

        Their references to this server are relative already.
        """
        super().__init__(store, situation)
        self._resources = resources
        self._known = dict(resources)
        self._referred: dict[str, set[str]] | None = None
        self._locked: set[str] = set()

    def changed(self, resource_type: str) -> Sequence[str]:
        """Return the references to the resources of a type that the round is about."""
        listed = (key for key, one in self._resources.items() if one is not None)
        return ["/".join(key) for key in listed if key[0] == resource_type]

    async def _read(self, key: tuple[str, str]) -> Resource | None:
        if key not in self._known and len(self._resources) > 1:
            await self._read_all(key[0])
        if key not in self._known:
            self._known[key] = await super()._read(key)
        return self._known[key]

    async def _asked(self, key: Hashable, look: Callable[[], Awaitable[Found]]) -> Found:
        return await self.once(key, look)

    async def lock(self, key: str) -> None:
        """Let no other transaction that locks `key` be under way; a lock is held until the end."""
        if key not in self._locked:
            await super().lock(key)
            self._locked.add(key)

    async def _read_all(self, resource_type: str) -> None:
        """Read what the resources of the round refer to, of one type."""
        if self._referred is None:
            self._referred = self._references()
        ids = {
            one for one in self._referred.pop(resource_type, ()) if (resource_type, one) not in self._known
        }
        if 0 < len(ids) <= _MOST:
            found = await self._store.find(
                resource_type, {"_id": {"$in": sorted(ids)}}, [], {"resource": 1}, 0
            )
            self._known |= {(resource_type, one): None for one in ids}
            for one in found:
                self._known[resource_type, one["resource"]["id"]] = self._seen(one["resource"])

    def _references(self) -> dict[str, set[str]]:
        """Return the ids that the resources of the round refer to, by type."""
        wanted: defaultdict[str, set[str]] = defaultdict(set)
        for resource in filter(None, self._resources.values()):
            for _, text in literal_references(resource, resource["resourceType"]):
                key = local(text, self.situation.base_url)
                if key is not None and key[0] in resource_types():
                    wanted[key[0]].add(key[1])
        return wanted


def local(reference: Any, base_url: str) -> tuple[str, str] | None:
    """Return type and id of a resource on this server that a reference's text names; None for others."""
    if not isinstance(reference, str):
        return None
    path = reference.removeprefix(f"{base_url}/").partition("/_history/")[0]
    parts = path.split("/")
    return (parts[0], parts[1]) if len(parts) == 2 and parts[0] and parts[0][0].isupper() else None
