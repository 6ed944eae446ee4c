"""A fence around a collection: the database itself refuses index values that lack a custom parameter.

Each document says in `indexed` at which revision of the custom parameters its index values were extracted. A
validator refuses a document of an earlier revision, whoever sends it: a process that has not heard of a new
parameter, or one that slept between extracting and writing. To set it waits for the transactions that are
open, so what comes afterwards has the values, and what was before stands in the collection to be indexed.
https://www.mongodb.com/docs/manual/core/schema-validation/
"""

from pymongo.errors import BulkWriteError, CollectionInvalid, OperationFailure, PyMongoError

from fhir_server.store.connection import Database

_VALIDATION_FAILED = 121
_NO_COLLECTION = 26


async def set_fence(database: Database, resource_type: str, stamp: int) -> None:
    """Let only documents into the collection of a type whose index values are of the revision `stamp`."""
    validator = {"indexed": {"$gte": stamp}}
    for _ in range(2):
        try:
            await database.command(
                {
                    "collMod": resource_type,
                    "validator": validator,
                    "validationLevel": "strict",
                    "validationAction": "error",
                }
            )
        except OperationFailure as failure:
            if failure.code != _NO_COLLECTION:
                raise
        else:
            return
        try:
            await database.create_collection(resource_type, validator=validator, validationLevel="strict")
        except CollectionInvalid:
            continue  # somebody else made it meanwhile
        return


def is_stale(failure: PyMongoError) -> bool:
    """Tell whether a write was refused because its index values lack a custom parameter."""
    if isinstance(failure, BulkWriteError):
        return any(found["code"] == _VALIDATION_FAILED for found in failure.details.get("writeErrors", ()))
    return isinstance(failure, OperationFailure) and failure.code == _VALIDATION_FAILED
