"""AuditEvents are added to the log and never changed or removed, whoever asks for it and on whatever way."""

from collections.abc import Sequence

from fhir_server.store.audit.log import AUDIT_EVENT
from fhir_server.store.documents import Write
from resources.operation_outcome import NotSupported, error


def refuse_alteration(writes: Sequence[Write]) -> None:
    """Raise NotSupported if one of the writes changes or removes an AuditEvent, or names its id."""
    if any(write.resource_type == AUDIT_EVENT and write.method != "POST" for write in writes):
        raise unalterable()


def unalterable() -> NotSupported:
    """Return the error that says so."""
    message = "AuditEvents are added and never changed or removed"
    return NotSupported(error("not-supported", message), allow=("GET", "HEAD"))
