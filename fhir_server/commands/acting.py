"""The store as a command changes records in it: claims are given up, and what it does is on record."""

from datetime import UTC, datetime

from fhir_server.audit.trail import Trail
from fhir_server.audit.wiring import recorder_of
from fhir_server.identifiers import new_id
from fhir_server.processes.announcement import local_base_url
from fhir_server.settings import Settings
from fhir_server.smart.oauth.operator_tokens import OPERATOR
from fhir_server.smart.principal import Principal
from fhir_server.store import Store
from fhir_server.workflows.modes import parse_modes
from fhir_server.workflows.registry import PATTERNS
from fhir_server.workflows.rulebook import RuleBook
from fhir_server.workflows.situation import Situation


def acting(store: Store, settings: Settings) -> Store:
    """Return `store` for what the operator changes by a command; each change is stored with its AuditEvent.

    Of the rules only the claims hold, as for an import: what is removed for its age gives up what was its
    alone, and nothing else follows. AuditEvents are to be sealed afterwards, as `record_command` does.
    """
    base_url = settings.base_url or local_base_url(settings, settings.port)
    book = RuleBook(PATTERNS, parse_modes(settings.workflows_off, settings.workflows_warn), store)
    now = datetime.now(UTC)
    situation = Situation(now, base_url, settings, new_id, is_system=True)
    ruled = store.ruled(book.ruling(situation, is_import=True))
    recorder = recorder_of(store)
    if recorder is None:
        return ruled
    trail = Trail(recorder, "", base_url, "", lambda: datetime.now(UTC), new_id)
    trail.knows(Principal(client_id=OPERATOR, scopes=()))
    return ruled.witnessed(trail)
