"""The floor for reads: a FastAPI application that does one `find` and returns the bytes, and nothing else."""

import os
from typing import Any

import orjson
from bson.decimal128 import Decimal128
from fastapi import FastAPI, Response
from pymongo import AsyncMongoClient

_client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(os.environ.get("BARE_MONGO_URL"))
_database = _client["fhir"]
app = FastAPI()


def _fragment(value: Any) -> orjson.Fragment:
    if not isinstance(value, Decimal128):
        raise TypeError
    return orjson.Fragment(str(value))


@app.get("/ready")
async def ready() -> Response:
    """Say that the database answers."""
    await _database.command("ping")
    return Response(b"{}")


@app.get("/{resource_type}/{resource_id}")
async def read(resource_type: str, resource_id: str) -> Response:
    """Return one resource by id."""
    document = await _database[resource_type].find_one({"_id": resource_id}, {"resource": 1})
    if document is None:
        return Response(status_code=404)
    return Response(orjson.dumps(document["resource"], default=_fragment), media_type="application/fhir+json")


@app.get("/{resource_type}")
async def search(resource_type: str, patient: str, code: str, count: int) -> Response:
    """Return the resources of a patient that have a code, one page of them, as a JSON array."""
    condition = {"search.patient": patient, "search.code": code}
    cursor = _database[resource_type].find(condition, {"resource": 1}, sort=[("seq", 1)], limit=count + 1)
    resources = [document["resource"] async for document in cursor]
    return Response(orjson.dumps(resources, default=_fragment), media_type="application/fhir+json")
