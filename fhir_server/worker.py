"""The application as a server process runs it: what uvicorn calls in each worker."""

from fastapi import FastAPI

from fhir_server.app import create_app
from fhir_server.parent_death import end_with_parent
from fhir_server.settings import Settings


def create_worker() -> FastAPI:
    """Return the application, and have this process end when the one that supervises it does.

    Without that, workers of a killed server would go on listening, on a database that is no longer theirs.
    """
    settings = Settings()
    if settings.workers > 1:  # the only worker is the server itself, which may well outlive its parent
        end_with_parent()
    return create_app(settings)
