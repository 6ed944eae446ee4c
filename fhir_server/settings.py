"""What can be set, by environment variables that begin with `FHIR_`; docs/settings.md is the table of them.

Those of the hospital's work are in `workflows/settings.py`, those of HL7 v2 in `hl7v2/settings.py`.

The command line sets the same variables, so that worker processes read what their parent was told.
"""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, Self, get_args

from pydantic import Field, SecretStr, ValidationInfo, field_validator, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import SettingsConfigDict

from fhir_server.hl7v2.settings import MessageSettings
from fhir_server.matching.weights import load_weights
from fhir_server.secret_files import read_secrets
from fhir_server.secrets_at_rest import keyring
from fhir_server.smart.access.roles import load_matrix
from fhir_server.smart.oauth.brands import load_brands
from fhir_server.smart.openid.provider import load_provider
from fhir_server.transport.loopback import is_loopback
from fhir_server.transport.origins import parse_origins
from fhir_server.transport.proxies import TrustedProxies
from fhir_server.workflows.settings import WorkflowSettings

ENVIRONMENT_PREFIX = "FHIR_"

_MEBIBYTE = 1024 * 1024


class Settings(WorkflowSettings, MessageSettings):
    """The server's settings, read from the environment once, when made; frozen afterwards.

    A variable that is empty counts as not set, as Compose files cannot leave one out. One that is a secret
    may stand in a file, which the variable of the same name with `_FILE` behind it names.
    Raises pydantic.ValidationError when a variable does not hold what its field allows.
    """

    model_config = SettingsConfigDict(
        env_prefix=ENVIRONMENT_PREFIX,
        env_ignore_empty=True,
        frozen=True,
        extra="ignore",
        hide_input_in_errors=True,
    )

    mongo_url: str | None = Field(
        default=None,
        repr=False,
        description="Address of a MongoDB replica set; without one the server starts a MongoDB of its own",
    )
    database: str = Field(
        default="fhir",
        pattern=r"^[A-Za-z0-9_-]{1,63}$",
        description="Name of the MongoDB database that holds the records",
    )
    data_dir: Path = Field(
        default=Path(".fhir-data"),
        description="Folder of the server's own MongoDB; one server at a time may use it",
    )
    embedded_cache_mb: int = Field(
        default=1024, ge=256, description="Memory, in MiB, for the cache of the server's own MongoDB"
    )
    host: str = Field(default="127.0.0.1", description="Address to listen on")
    port: int = Field(default=8000, ge=0, le=65535, description="TCP port to listen on; 0 picks a free one")
    workers: int = Field(default=1, ge=1, le=64, description="Number of server processes")
    base_url: str | None = Field(
        default=None,
        pattern=r"^https?://[^\s?#]+$",
        description="Public address of the FHIR interface, if a proxy stands in front; without one it is "
        "what the request's Host header says",
    )
    tls_certificate: Path | None = Field(
        default=None, description="File with the certificate, and those above it, in PEM; makes it HTTPS"
    )
    tls_key: Path | None = Field(
        default=None, description="File with the certificate's private key, in PEM and without a password"
    )
    hsts_seconds: int = Field(
        default=31_536_000,
        ge=0,
        description="Seconds for which browsers use HTTPS only (HSTS), told where it is HTTPS; 0 is not",
    )
    trusted_proxies: str | None = Field(
        default=None,
        description="Addresses and networks, with commas, of proxies that are believed who their client is",
    )
    forwarded_header: Literal["x-forwarded-for", "forwarded"] = Field(
        default="x-forwarded-for",
        description="The header by which these proxies tell it; they must not let a client's own through",
    )
    cors_origins: str | None = Field(
        default=None,
        description="Origins of the web applications that may use the interface from browsers, with commas; "
        "`*` is any",
    )
    requests_per_second: float = Field(
        default=2000.0,
        ge=0,
        le=1_000_000,
        description="Requests that one client (a network address) may send to one process in the long run, "
        "more get a 429; 0 is no limit",
    )
    request_burst: int = Field(
        default=4000, ge=1, le=1_000_000, description="Requests that such a client may send at once"
    )
    token_requests_per_second: float = Field(
        default=2000.0,
        ge=0,
        le=1_000_000,
        description="Requests that one application may send to one process in the long run with the tokens "
        "of one person, or with its own, from whatever address; more get a 429; 0 is no limit",
    )
    token_request_burst: int = Field(
        default=4000, ge=1, le=1_000_000, description="Requests that it may send at once"
    )
    client_seconds: float = Field(
        default=30.0,
        gt=0,
        le=3600,
        description="Seconds for which a client may be silent; a body, or the reading of an answer, may take "
        "one more for each KiB",
    )
    max_connections: int = Field(
        default=2000, ge=1, le=100_000, description="Connections that one process has open at most"
    )
    max_client_connections: int = Field(
        default=500,
        ge=1,
        le=100_000,
        description="Those of one client (a network address); trusted proxies have as many as they like",
    )
    auth: Literal["off", "on"] = Field(
        default="on",
        description="Whether a request needs a token, and sees what its user may see; `off` is for this "
        "machine only",
    )
    encryption_key: SecretStr | None = Field(
        default=None,
        description="Key for secrets in the database, 32 random bytes in base64; without one the server "
        "makes one in its data directory; to change it put the new one before the old, with a comma",
    )
    audit: Literal["auto", "on", "off"] = Field(
        default="auto",
        description="Whether AuditEvents and Provenances tell who did what; `auto`: where tokens are needed",
    )
    roles: Path | None = Field(
        default=None,
        description="File of what each role may see and do; without one that which comes with the server",
    )
    password_rounds: int = Field(
        default=3, ge=1, le=20, description="How often a password is gone over for its hash (Argon2id)"
    )
    password_memory_kib: int = Field(
        default=65_536, ge=8, le=4_194_304, description="Memory, in KiB, that each of these hashes takes"
    )
    sign_in_attempts: int = Field(
        default=5,
        ge=1,
        le=100,
        description="Attempts to sign in to an account before the next one has to wait; ten times as many "
        "for a network address",
    )
    session_hours: float = Field(
        default=12.0, gt=0, le=720, description="Hours after which somebody has to sign in again in any case"
    )
    session_idle_minutes: float = Field(
        default=60.0, gt=0, le=10_080, description="Minutes after which they have to if they did nothing"
    )
    smtp_url: SecretStr | None = Field(
        default=None,
        description="Mail server, `smtp://user:password@host:587` or `smtps://...`; without it none is sent",
    )
    mail_from: str = Field(
        default="fhir-server@localhost",
        pattern=r"^[^\s@<>]+@[^\s@<>]+$",
        description="Address that the server's mail comes from",
    )
    metrics_token: SecretStr | None = Field(
        default=None,
        description="Token with which `/metrics` is read; without one programs on this machine may read it",
    )
    retention: Path | None = Field(
        default=None,
        description="File of what may be removed after which time; without one that which comes with the "
        "server",
    )
    emergency_minutes: int = Field(
        default=240,
        ge=1,
        le=10_080,
        description="Minutes for which `Patient/$break-glass` gives access to a patient in an emergency",
    )
    access_token_seconds: int = Field(
        default=600,
        ge=60,
        le=3600,
        description="Seconds for which an access token is good; one of a backend service is for 300 at most",
    )
    refresh_token_days: int = Field(
        default=90,
        ge=1,
        le=366,
        description="Days after which a refresh token that nobody used is good no more",
    )
    signing_key_days: int = Field(
        default=30, ge=1, le=366, description="Days for which a key signs id_tokens before another one does"
    )
    dynamic_registration: Literal["off", "on"] = Field(
        default="off",
        description="Whether applications may register themselves; people are still asked what each may see",
    )
    local_key_sets: Literal["off", "on"] = Field(
        default="off",
        description="Whether keys of applications are fetched by http and from private addresses too; only "
        "for development",
    )
    openid_provider: Path | None = Field(
        default=None,
        description="File of the OpenID provider, such as Keycloak or Entra ID, whose access tokens are good "
        "here too",
    )
    user_access_brands: Path | None = Field(
        default=None,
        description="File of a User-access Brand Bundle (JSON) that is published; its first organization "
        "that is part of no other is the hospital",
    )
    max_body_bytes: int = Field(
        default=64 * _MEBIBYTE, ge=1024, description="Largest request body, in bytes; larger ones get a 413"
    )
    max_open_transactions: int = Field(
        default=4, ge=1, le=64, description="Number of MongoDB transactions that one process has open at most"
    )
    default_page_size: int = Field(
        default=20, ge=1, le=10_000, description="Entries on a page of a search or history without `_count`"
    )
    max_page_size: int = Field(
        default=1000, ge=1, le=10_000, description="Entries on a page at most, whatever `_count` says"
    )
    max_included: int = Field(
        default=1000,
        ge=1,
        le=10_000,
        description="Resources beside the matches on a page at most, by `_include` and `_revinclude`",
    )
    page_link_seconds: int = Field(
        default=3600,
        ge=1,
        le=604_800,
        description="Seconds for which a link to another page of a search is good",
    )
    search_seconds: float = Field(
        default=10.0, gt=0, le=600, description="Seconds that a search may take the database; more is a 408"
    )
    scan_seconds: float = Field(
        default=5.0,
        gt=0,
        le=600,
        description="The same for a search that no index serves, such as `:contains`",
    )
    max_scans: int = Field(
        default=2,
        ge=1,
        le=64,
        description="Searches that no index serves at one time in one process; more of them get a 429",
    )
    conditional_delete: Literal["single", "multiple"] = Field(
        default="single", description="Whether `DELETE Patient?...` may delete several resources at once"
    )
    max_async_jobs: int = Field(
        default=8,
        ge=1,
        le=100,
        description="Requests with `Prefer: respond-async` that one client (a network address) has under way "
        "at most",
    )
    expunge: Literal["off", "on"] = Field(
        default="off", description="Whether `$expunge` removes records for good, which cannot be undone"
    )
    require_if_match: Literal["off", "on"] = Field(
        default="off", description="Whether what exists is changed and deleted with `If-Match` only"
    )
    referential_integrity: Literal["off", "enforce"] = Field(
        default="off",
        description="Whether references must lead to something, and what is referred to cannot be deleted",
    )
    match_weights: Path | None = Field(
        default=None,
        description="File of the probabilities by which `Patient/$match` compares; without one our own",
    )
    public_directory: Literal["off", "on"] = Field(
        default="on",
        description="Whether active Organizations, HealthcareServices and sites are read without a token",
    )
    self_registration: Literal["off", "on"] = Field(
        default="off",
        description="Whether people make patients' accounts themselves, proved by e-mail (`/auth/register`)",
    )
    reindex_batch_size: int = Field(
        default=100, ge=1, le=10_000, description="Resources that `$reindex` looks at in one go"
    )
    reindex_load_percent: int = Field(
        default=50, ge=1, le=100, description="Share of the time in which `$reindex` works, in percent"
    )
    log_format: Literal["auto", "json", "console"] = Field(
        default="auto",
        description="Form of the log lines: `json` for machines, `console` for people; `auto` is `console` "
        "on a terminal",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least severe log lines that are written"
    )

    @property
    def is_audited(self) -> bool:
        """Whether what is done is on record."""
        return self.audit == "on" or (self.audit == "auto" and self.auth == "on")

    @model_validator(mode="before")
    @classmethod
    def _with_files(cls, values: dict[str, Any]) -> dict[str, Any]:
        secrets = read_secrets(secret_variables(), os.environ)
        read = {name.removeprefix(ENVIRONMENT_PREFIX).lower(): text for name, text in secrets.items()}
        return read | values

    @model_validator(mode="after")
    def _is_closed(self) -> Self:
        if self.auth == "off" and not is_loopback(self.host):
            raise ValueError(
                f"without tokens (--no-auth, FHIR_AUTH=off) the server is for this machine only: --host or "
                f"FHIR_HOST is 127.0.0.1, ::1 or localhost, and not {self.host or 'every address'}"
            )
        return self

    @field_validator("roles")
    @classmethod
    def _is_matrix(cls, path: Path | None) -> Path | None:
        if path is not None:
            load_matrix(path)
        return path

    @field_validator("openid_provider")
    @classmethod
    def _is_provider(cls, path: Path | None, info: ValidationInfo) -> Path | None:
        load_provider(path, allow_local=info.data.get("local_key_sets") == "on")
        return path

    @field_validator("match_weights")
    @classmethod
    def _is_readable(cls, path: Path | None) -> Path | None:
        load_weights(path)
        return path

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, networks: str | None) -> str | None:
        TrustedProxies(networks or "", "forwarded")
        return networks

    @field_validator("cors_origins")
    @classmethod
    def _are_origins(cls, origins: str | None) -> str | None:
        parse_origins(origins)
        return origins

    @field_validator("user_access_brands")
    @classmethod
    def _can_be_published(cls, path: Path | None) -> Path | None:
        load_brands(path)
        return path

    @field_validator("encryption_key")
    @classmethod
    def _has_keys(cls, setting: SecretStr | None) -> SecretStr | None:
        if setting is not None:
            keyring(setting.get_secret_value())
        return setting


def to_environment(settings: Settings) -> dict[str, str]:
    """Return the environment variables from which an equal `Settings` is read, in a process anywhere."""
    values = settings.model_dump(exclude_none=True)
    return {f"{ENVIRONMENT_PREFIX}{name.upper()}": _as_text(value) for name, value in values.items()}


def _as_text(value: object) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)


def secret_variables() -> Iterable[str]:
    """Return the environment variables that hold secrets: passwords, keys, and addresses with a password."""
    fields = Settings.model_fields.items()
    return [f"{ENVIRONMENT_PREFIX}{name.upper()}" for name, field in fields if _is_secret(field)]


def _is_secret(field: FieldInfo) -> bool:
    return not field.repr or SecretStr in (field.annotation, *get_args(field.annotation))
