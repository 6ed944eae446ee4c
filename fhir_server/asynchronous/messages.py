"""A request as it is kept until it is carried out, and its answer as it is kept until it is fetched.

The answer is a Bundle of type batch-response with one entry. R4 only says how files are fetched, those of a
bulk export; this is the form that R5 gave to the answers of other interactions.
https://hl7.org/fhir/R4/async.html, https://hl7.org/fhir/R5/async-bundle.html
"""

import zlib
from dataclasses import replace
from typing import Any

from fhir_server.context import Context, Preferences, Request, Response
from fhir_server.responses import as_entry
from resources import json_format
from resources.bundle import bundle
from resources.operation_outcome import ContentTooLarge, error

LONGEST_SECONDS = 600.0
"""How long a request that nobody waits for may take."""


def kept_request(request: Request, context: Context) -> bytes:
    """Return `request` with what its answer depends on besides."""
    return json_format.dumps(
        {
            "method": request.method,
            "path": list(request.path),
            "query": [list(pair) for pair in request.query],
            "body": request.body,
            "base_url": context.base_url,
            "lenient": context.preferences.lenient,
        }
    )


def read_request(kept: bytes, context: Context) -> tuple[Request, Context]:
    """Return what `kept_request` was given, the context being one of this process."""
    found: dict[str, Any] = json_format.parse(kept)
    query = tuple((str(name), str(text)) for name, text in found["query"])
    request = Request(found["method"], tuple(found["path"]), query, found["body"])
    return request, waiting_context(context, found["base_url"], lenient=found["lenient"])


def waiting_context(context: Context, base_url: str, *, lenient: bool) -> Context:
    """Return the context in which a request is carried out that nobody waits for."""
    return replace(
        context,
        base_url=base_url,
        preferences=Preferences(lenient=lenient),
        store=context.store.unhurried(LONGEST_SECONDS),
    )


def kept_answer(response: Response, context: Context) -> bytes:
    """Return the Bundle that tells of `response`; raise ContentTooLarge above what a request may have."""
    entry = as_entry(response, context.base_url, with_resource=True)
    text = json_format.dumps(bundle("batch-response", [entry]))
    if len(text) > context.settings.max_body_bytes:
        message = f"The answer is larger than {context.settings.max_body_bytes} bytes; ask for smaller pages"
        raise ContentTooLarge(error("too-long", message))
    return zlib.compress(text, level=1)


def read_answer(kept: bytes) -> dict[str, Any]:
    """Return the Bundle that `kept_answer` made."""
    found: dict[str, Any] = json_format.parse(zlib.decompress(kept))
    return found
