"""Links by which a patient opens one paper of their own for a time, and codes by which a paper is checked.

A link is `GET /documents/<token>`, a code `GET /verify/<code>`, both beside the FHIR interface: whoever has
the link in an e-mail needs no account. A token names a DocumentReference and when it ends, and is signed for
the patient as well, whom it does not name: once the paper is another's, or withdrawn, it opens nothing.

    link = await link_to(context, "DocumentReference/1", "Patient/1")
    paper = Paper(..., code=await code_of(context, document_id), code_note="Scan to check this paper")

https://hl7.org/fhir/R4/documentreference.html, HMAC: https://www.rfc-editor.org/rfc/rfc2104
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from fhir_server.context import Context
from fhir_server.store import Store

Resource = Mapping[str, Any]

_KEY = "paper-links"
_NOPAT = ("http://terminology.hl7.org/CodeSystem/v3-ActCode", "NOPAT")
# RFC 3986 leaves it as it is, and no FHIR id has it.
_SEPARATOR = "~"
_CODE_LENGTH = 22


@dataclass(frozen=True, slots=True)
class Opened:
    """A paper that a link opens: its Binary, whose it is, and what is in it."""

    binary: str
    patient: str
    title: str
    content_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Checked:
    """What a paper's code says: `valid`, `superseded` or `unknown`; kind and date of the document."""

    state: str
    kind: str = ""
    date: str = ""


async def _key(store: Store) -> bytes:
    return (await store.shared_key(_KEY, secrets.token_urlsafe(32))).encode()


def _signature(key: bytes, *parts: str) -> str:
    digest = hmac.new(key, "\n".join(parts).encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def _root(base_url: str) -> str:
    return base_url.rsplit("/", 1)[0]


async def link_to(
    context: Context, document: str, recipient: str | None, lasting: timedelta | None = None
) -> str | None:
    """Return a link to a paper, `DocumentReference/1`, for `recipient`; None if it is not about them.

    It lasts for as long as the settings say if nothing else is said.
    """
    document_id = document.removeprefix("DocumentReference/")
    stored = await _read(context.store, "DocumentReference", document_id)
    patient = None if stored is None else _patient(stored)
    if patient is None or patient != recipient:
        return None
    lasting = lasting or timedelta(hours=context.settings.paper_link_hours)
    until = str(int((context.now() + lasting).timestamp()))
    signature = _signature(await _key(context.store), "link", document_id, patient, until)
    token = _SEPARATOR.join((document_id, until, signature))
    return f"{_root(context.base_url)}/documents/{token}"


async def code_of(context: Context, document_id: str) -> str:
    """Return the address by which whoever holds a paper finds out whether it is still valid."""
    signature = _signature(await _key(context.store), "code", document_id)[:_CODE_LENGTH]
    return f"{_root(context.base_url)}/verify/{document_id}{_SEPARATOR}{signature}"


async def opened(store: Store, token: str, now: datetime) -> Opened | None:
    """Return the paper that a token opens now, None if it opens none, for whatever reason."""
    parts = token.split(_SEPARATOR)
    if len(parts) != 3 or not token.isascii():
        return None
    document_id, until, signature = parts
    document = await _read(store, "DocumentReference", document_id)
    patient = None if document is None else _patient(document)
    wanted = _signature(await _key(store), "link", document_id, patient or "", until)
    if document is None or patient is None or not hmac.compare_digest(wanted, signature):
        return None
    if now.timestamp() >= int(until) or document.get("status") != "current" or _is_held(document):
        return None
    return await _content(store, document, patient)


async def checked(store: Store, code: str) -> Checked:
    """Return what the code on a paper says."""
    document_id, _, signature = code.partition(_SEPARATOR)
    wanted = _signature(await _key(store), "code", document_id)[:_CODE_LENGTH]
    if not code.isascii() or not hmac.compare_digest(wanted, signature):
        return Checked("unknown")
    document = await _read(store, "DocumentReference", document_id)
    if document is None or document.get("status") == "entered-in-error":
        return Checked("unknown")
    kind = document.get("type", {})
    name = kind.get("text") or next(
        (one["display"] for one in kind.get("coding", ()) if "display" in one), ""
    )
    state = "valid" if document.get("status") == "current" else "superseded"
    return Checked(state, name, str(document.get("date", ""))[:10])


async def _content(store: Store, document: Resource, patient: str) -> Opened | None:
    attachment = document.get("content", [{}])[0].get("attachment", {})
    binary_id = str(attachment.get("url", "")).rpartition("Binary/")[2]
    binary = await _read(store, "Binary", binary_id)
    if binary is None or binary.get("securityContext", {}).get("reference") != patient or _is_held(binary):
        return None
    content = base64.b64decode(binary.get("data", ""))
    title = str(attachment.get("title", "document"))
    return Opened(f"Binary/{binary_id}", patient, title, binary["contentType"], content)


async def _read(store: Store, resource_type: str, resource_id: str) -> Resource | None:
    version = await store.read(resource_type, resource_id)
    return None if version is None else version.resource


def _patient(document: Resource) -> str | None:
    reference = document.get("subject", {}).get("reference", "")
    return reference if reference.startswith("Patient/") else None


def _is_held(resource: Resource) -> bool:
    labels = resource.get("meta", {}).get("security", ())
    return any((one.get("system"), one.get("code")) == _NOPAT for one in labels)
