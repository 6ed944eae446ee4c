"""What the server's own pages show of records: the names on a patient picker, the visits of a patient.

Each record that a page takes out of the store is on record as read by the person who is signed in.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from fhir_server.audit.actor import Actor
from fhir_server.audit.disclosure import Touched, add
from fhir_server.audit.events import Access
from fhir_server.audit.patients import patients_of
from fhir_server.audit.patterns import pattern_of
from fhir_server.audit.recorder import Recorder
from fhir_server.store import Write
from fhir_server.store.witnessing import Change

_READ = pattern_of("read")


class Glance:
    """The witness of the store that a page looks at (see `store.witnessing.Witness`)."""

    def __init__(self, recorder: Recorder, actor: Actor, now: Callable[[], datetime]) -> None:
        """Tell `recorder` of what `actor` sees."""
        self._recorder = recorder
        self._actor = actor
        self._now = now

    def saw(self, resource: dict[str, Any]) -> None:
        """Put on record that a resource was shown."""
        touched: Touched = {}
        reference = f"{resource['resourceType']}/{resource['id']}/_history/{resource['meta']['versionId']}"
        add(touched, reference, patients_of(resource, self._actor.base_url))
        self._recorder.add(Access(self._actor, _READ, self._now(), "", touched))

    def testify(self, changes: Sequence[Change]) -> Sequence[Write]:
        """Return nothing: pages change no records."""
        del changes
        return ()
