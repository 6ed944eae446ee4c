"""The parts of the audit log put together for one process, if what is done there goes on record."""

from datetime import UTC, datetime

from fhir_server.audit.actor import Actor
from fhir_server.audit.glances import Glance
from fhir_server.audit.recorder import Recorder
from fhir_server.audit.security_events import recording
from fhir_server.identifiers import new_id
from fhir_server.processes.announcement import local_base_url
from fhir_server.settings import Settings
from fhir_server.smart.events import Record, record_in_log
from fhir_server.store import Store


def recorder_of(store: Store) -> Recorder | None:
    """Return what writes to the log of `store`; None if it has none."""
    return None if store.audit_log is None else Recorder(store, store.audit_log, _now, new_id)


def security_record(store: Store, settings: Settings, recorder: Recorder | None) -> Record:
    """Return what takes security events: the audit log, if there is one, and the log of the process."""
    if recorder is None:
        return record_in_log
    base_url = settings.base_url or local_base_url(settings, settings.port)
    return recording(recorder.record, store.accounts.get, base_url, record_in_log)


def watched(store: Store, recorder: Recorder | None, actor: Actor) -> Store:
    """Return `store` so that what `actor` looks at in it goes on record."""
    return store if recorder is None else store.witnessed(Glance(recorder, actor, _now))


def _now() -> datetime:
    return datetime.now(UTC)
