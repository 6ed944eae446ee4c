"""Collections and their indexes, made when the first resource of a type is about to be stored.

Making all of them at once would cost every new hospital some 2,500 index files that it may never use. Those
of the types that every hospital keeps are made when a new database is first served, which takes about a
second then, and not from the first patients that are loaded.
"""

import asyncio
from collections.abc import Iterable

from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import OperationFailure

from fhir_server.search.indexes import IndexSpecification, index_specifications
from fhir_server.store.documents import HISTORY, REFERENCES, Document
from fhir_server.store.registry import Registry

LOCKS = "locks"
# A lock document only has to outlive the transaction that wrote it.
_LOCK_LIFETIME_SECONDS = 3_600


EVERYDAY_TYPES = frozenset(
    {
        *("AllergyIntolerance", "Appointment", "CarePlan", "CareTeam", "Claim", "Condition", "Coverage"),
        *("Device", "DiagnosticReport", "DocumentReference", "Encounter", "ExplanationOfBenefit", "Goal"),
        *("ImagingStudy", "Immunization", "Location", "Medication", "MedicationAdministration"),
        *("MedicationRequest", "Observation", "Organization", "Patient", "Practitioner", "PractitionerRole"),
        *("Procedure", "Provenance", "Schedule", "ServiceRequest", "Slot", "SupplyDelivery"),
    }
)
# The order of a history; the end of a version comes last, so that the index alone tells what was current.
_IN_ORDER = [("updated", DESCENDING), ("seq", DESCENDING), ("until", ASCENDING)]
# What the hospital's work asks for, and FHIR has no search parameter for.
_ASKED_BY_WORK = {
    "ChargeItemDefinition": (
        "resource.code.coding.code",
        "resource.useContext.valueCodeableConcept.coding.code",
        "resource.instance.reference",
        "resource.url",
    ),
    "Invoice": ("resource.lineItem.chargeItemReference.reference",),
    "PaymentReconciliation": (
        "resource.detail.request.reference",
        "resource.detail.predecessor.value",
    ),
}
_INDEX_CONFLICTS = {85, 86}  # IndexOptionsConflict, IndexKeySpecsConflict


class Collections:
    """Knows which collections are ready; one instance a process, safe beside those of other processes."""

    def __init__(
        self, database: AsyncDatabase[Document], registry: Registry, *, keeps_references: bool = False
    ) -> None:
        """Start without knowing any; `database` is where they are made.

        With `keeps_references` there is an index on what resources refer to.
        """
        self._keeps_references = keeps_references
        self._database = database
        self._registry = registry
        self._ready: set[str] = set()
        self._making = asyncio.Lock()

    async def prepare(self, resource_types: set[str]) -> None:
        """Make sure that the collections of `resource_types` and the common ones have their indexes."""
        if resource_types <= self._ready:
            return
        async with self._making:
            if not self._ready:
                await self._prepare_common()
            for resource_type in sorted(resource_types - self._ready):
                indexes = models(index_specifications(resource_type))
                indexes += [_REFERENCES] if self._keeps_references else []
                asked = _ASKED_BY_WORK.get(resource_type, ())
                indexes += [IndexModel([(path, ASCENDING)], name=f"work.{path}") for path in asked]
                await make_indexes(self._database, resource_type, indexes)
                self._ready.add(resource_type)

    async def prepare_new_database(self) -> None:
        """Make the collections of everyday types if there are none at all yet."""
        if not await self._database.list_collection_names():
            await self.prepare(set(EVERYDAY_TYPES))

    async def _prepare_common(self) -> None:
        await self._registry.prepare()
        await make_indexes(
            self._database,
            HISTORY,
            [
                IndexModel(
                    [("type", ASCENDING), ("id", ASCENDING), ("version", DESCENDING)], name="instance"
                ),
                IndexModel([("type", ASCENDING), *_IN_ORDER], name="type"),
                IndexModel(_IN_ORDER, name="system"),
                IndexModel(
                    [("type", ASCENDING), ("updated", ASCENDING)],
                    name="deletions",
                    partialFilterExpression={"method": "DELETE"},
                ),
            ],
        )
        await self._database[LOCKS].create_indexes(
            [IndexModel([("at", ASCENDING)], name="at", expireAfterSeconds=_LOCK_LIFETIME_SECONDS)]
        )

    async def stored_types(self) -> list[str]:
        """Return the resource types of which something is or was stored."""
        # In a session of its own: MongoDB does not list collections within a transaction.
        async with self._database.client.start_session() as session:
            names = await self._database.list_collection_names(session=session)
        return sorted(name for name in names if name[0].isupper())


_REFERENCES = IndexModel(
    [(REFERENCES, ASCENDING)], name=REFERENCES, partialFilterExpression={REFERENCES: {"$exists": True}}
)


async def make_indexes(database: AsyncDatabase[Document], name: str, indexes: list[IndexModel]) -> None:
    """Make those of `indexes` that the collection `name` does not have yet."""
    collection = database[name]
    try:
        await collection.create_indexes(indexes)
    except OperationFailure as failure:
        if failure.code not in _INDEX_CONFLICTS:
            raise
        # An earlier version of the server or of a custom parameter had another index of that name.
        wanted = {model.document["name"]: model.document["key"] for model in indexes}
        for index_name, index in (await collection.index_information()).items():
            if index_name in wanted and dict(index["key"]) != dict(wanted[index_name]):
                await collection.drop_index(index_name)
        await collection.create_indexes(indexes)


def models(specifications: Iterable[IndexSpecification]) -> list[IndexModel]:
    """Return the indexes in the form that the driver takes."""
    models = []
    for specification in specifications:
        options = {"partialFilterExpression": specification.partial} if specification.partial else {}
        unique = [name for name, _ in specification.keys] == ["seq"]
        models.append(IndexModel(list(specification.keys), name=specification.name, unique=unique, **options))
    return models
