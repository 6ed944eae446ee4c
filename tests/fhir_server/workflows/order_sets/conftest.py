"""The hospital of the tests of medication, in which order sets are applied too."""

from tests.fhir_server.workflows.medication.conftest import allergic, outbox, patient, settings, ward

__all__ = ["allergic", "outbox", "patient", "settings", "ward"]
