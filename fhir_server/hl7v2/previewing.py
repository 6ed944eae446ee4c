"""What a message would change, asked by a command: without a server, by the same rules."""

from datetime import UTC, datetime

from fhir_server.asynchronous.jobs import Jobs
from fhir_server.context import Context
from fhir_server.hl7v2.applying import Applying
from fhir_server.hl7v2.quarantine import Preview
from fhir_server.identifiers import new_id
from fhir_server.processes.announcement import local_base_url
from fhir_server.routes import match
from fhir_server.settings import Settings
from fhir_server.store import Store
from fhir_server.workflows.modes import parse_modes
from fhir_server.workflows.registry import PATTERNS
from fhir_server.workflows.rulebook import RuleBook


def previewing(store: Store, settings: Settings) -> Preview:
    """Return what tells the differences that a message would make in `store`."""
    rules = RuleBook(PATTERNS, parse_modes(settings.workflows_off, settings.workflows_warn), store)
    base_url = settings.base_url or local_base_url(settings, settings.port)

    def new_context(_request_id: str) -> Context:
        return Context(base_url, store, settings, _now, new_id, match, Jobs(store.async_jobs))

    return Applying(new_context, rules).preview


def _now() -> datetime:
    return datetime.now(UTC)
