"""A paper on file: a Binary with the PDF, and the DocumentReference by which it is found.

https://hl7.org/fhir/R4/documentreference.html
"""

import base64
import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from fhir_server.papers.paper import Paper
from fhir_server.store import instant
from fhir_server.workflows.made import key_id, made

Resource = dict[str, Any]

PDF = "application/pdf"
PAPERS = "urn:fhir-hospital-server:papers"
"""The system of the identifiers of papers: the resource that one is about, with its version."""


def filed(
    paper: Paper,
    pdf: bytes,
    *,
    about: Mapping[str, Any],
    kind: Mapping[str, Any],
    subject: Mapping[str, Any] | None,
    now: datetime,
    encounter: str | None = None,
) -> tuple[Resource, Resource]:
    """Return the DocumentReference and the Binary of a paper, once for each version of what it is `about`.

    `about` is the resource as stored, with its version; `kind` the CodeableConcept of the document's type
    (LOINC), and `subject` the patient's Reference. Both have ids that are made from the resource and its
    version, so that a `Create` of them happens once; whoever writes them again writes the same.
    """
    reference, version = f"{about['resourceType']}/{about['id']}", about["meta"]["versionId"]
    binary_id = key_id("paper", paper.title, reference, version)
    context: Resource = {"related": [{"reference": reference}]}
    if encounter is not None:
        context["encounter"] = [{"reference": encounter}]
    attachment = {
        "contentType": PDF,
        "language": paper.language,
        "url": f"Binary/{binary_id}",
        "size": len(pdf),
        "hash": base64.b64encode(hashlib.sha1(pdf, usedforsecurity=False).digest()).decode(),
        "title": paper.title,
        "creation": instant(now),
    }
    document = made(
        "DocumentReference",
        id=key_id("document", paper.title, reference, version),
        masterIdentifier={"system": PAPERS, "value": f"{reference}/_history/{version}"},
        status="current",
        docStatus="final",
        type=dict(kind),
        subject=None if subject is None else dict(subject),
        date=instant(now),
        description=f"{paper.title} {paper.number}".strip(),
        content=[{"attachment": attachment}],
        context=context,
    )
    binary = made(
        "Binary",
        id=binary_id,
        contentType=PDF,
        securityContext=None if subject is None else dict(subject),
        data=base64.b64encode(pdf).decode(),
    )
    return document, binary
