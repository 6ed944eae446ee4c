"""The store that the settings name."""

from datetime import UTC, datetime, timedelta

from fhir_server.secrets_at_rest import keyring
from fhir_server.settings import Settings
from fhir_server.store.searching import SearchLimits
from fhir_server.store.store import Store


def open_store(settings: Settings, mongo_url: str) -> Store:
    """Return the store in the database that `settings` name at `mongo_url`; nothing is sent yet."""
    key = None if settings.encryption_key is None else settings.encryption_key.get_secret_value()
    keys = keyring(key)
    return Store(
        mongo_url,
        settings.database,
        max_open_transactions=settings.max_open_transactions,
        now=lambda: datetime.now(UTC),
        keeps_references=settings.referential_integrity == "enforce",
        limits=SearchLimits(settings.search_seconds, settings.scan_seconds, settings.max_scans),
        audit_keys=keys if settings.is_audited else None,
        secrets=keys,
        keep_messages=None if settings.hl7_days is None else timedelta(days=settings.hl7_days),
    )
