"""Whom a practitioner treats: the patients of searches that the role matrix names.

It is asked at most once in a second or two for each practitioner; what has changed since is not known yet.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime

from fhir_server.search.fields import fields
from fhir_server.search.parameters import parse_search
from fhir_server.smart.access.roles import Matrix, Relation
from fhir_server.store import Store
from resources.references import parse_reference

MOST_TREATED = 5_000
"""How many patients of one practitioner are looked at; each is part of the conditions of every search."""

_FRESH_SECONDS = 2.0
_MOST_KEPT = 1_000


class Treatment:
    """Looks up whom practitioners treat, and remembers it for a moment."""

    def __init__(self, store: Store, matrix: Matrix, clock: Callable[[], float] = time.monotonic) -> None:
        """Ask `store` by the searches of `matrix`; `clock` is in seconds and never goes back."""
        self._store = store
        self._matrix = matrix
        self._clock = clock
        self._known: OrderedDict[str, tuple[float, tuple[str, ...]]] = OrderedDict()

    async def patients(self, practitioner: str, base_url: str, now: datetime) -> tuple[str, ...]:
        """Return the ids of the patients whom the practitioner treats, sorted; MOST_TREATED at most."""
        found = self._known.get(practitioner)
        if found is None or self._clock() - found[0] > _FRESH_SECONDS:
            patients: set[str] = set()
            for relation in self._matrix.treatment:
                patients |= await self._of(relation, practitioner, base_url, now)
            found = self._clock(), tuple(sorted(patients)[:MOST_TREATED])
            self._known[practitioner] = found
            if len(self._known) > _MOST_KEPT:
                self._known.popitem(last=False)
        return found[1]

    async def _of(self, relation: Relation, practitioner: str, base_url: str, now: datetime) -> set[str]:
        name = relation.resource_type
        condition = parse_search(
            name, relation.pairs(practitioner), lenient=False, base_url=base_url, now=now
        ).filter
        if name == "Patient":
            return set(await self._store.matching_ids(name, condition, MOST_TREATED))
        [field] = fields(name)["patient"]
        references = await self._store.distinct(name, condition, field.path, MOST_TREATED)
        found = (parse_reference(reference.removeprefix(f"{base_url}/")) for reference in references)
        return {one.id for one in found if one and not one.base and one.resource_type == "Patient"}
