"""References to resources of this server, however they are written.

https://hl7.org/fhir/R4/references.html
"""

from collections.abc import Mapping
from typing import Any

from fhir_server.workflows.made import key_id
from fhir_server.workflows.records import local


def short(reference: Any, base_url: str) -> str | None:
    """Return a Reference, or its text, as `Type/id`; None if it leads elsewhere or nowhere."""
    text = reference.get("reference") if isinstance(reference, Mapping) else reference
    key = local(text, base_url)
    return None if key is None else f"{key[0]}/{key[1]}"


def forms(reference: str, base_url: str) -> list[str]:
    """Return the ways in which others may have written `reference`."""
    return [reference, f"{base_url}/{reference}"]


def paper_id(about: str) -> str:
    """Return the id of the DocumentReference of the paper about an invoice or payment."""
    return key_id("paper-reference", about)


def tail(reference: Any) -> str | None:
    """Return the last two parts of a Reference's text, for where the server's address is not known."""
    text = reference.get("reference") if isinstance(reference, Mapping) else None
    if not isinstance(text, str):
        return None
    return "/".join(text.partition("/_history/")[0].rsplit("/", 2)[-2:])
