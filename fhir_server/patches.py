"""Patches as clients send them: by their media type over HTTP, as a Binary or Parameters in a bundle.

https://hl7.org/fhir/R4/http.html#patch
"""

import base64
import binascii
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fhir_server.formats import JSON, XML, media_type_of, sent_format
from resources import json_format
from resources.operation_outcome import (
    InvalidContent,
    UnprocessableContent,
    UnsupportedMediaType,
    error,
)
from resources.patch import apply_fhirpath_patch, apply_json_patch, apply_xml_patch

JSON_PATCH = "application/json-patch+json"
XML_PATCH = "application/xml-patch+xml"
PATCH_FORMATS = (JSON_PATCH, XML_PATCH, JSON.media_type, XML.media_type)
"""The media types of patches, for `Accept-Patch`; those of resources are for a FHIRPath Patch."""

# What people wrote is in these, so it can be neither kept beside changed data nor thrown away.
_WRITTEN_BY_PEOPLE = "additional"
# Generated from the data alone: https://hl7.org/fhir/R4/valueset-narrative-status.html
_GENERATED = frozenset({"generated", "extensions"})


@dataclass(frozen=True, slots=True)
class Patch:
    """A patch that was sent: its content, and what applies this kind of patch to a resource."""

    content: Any
    apply: Callable[[dict[str, Any], Any], dict[str, Any]]

    def patched(self, resource: dict[str, Any]) -> dict[str, Any]:
        """Return `resource`, which stays as it was, with the changes; no narrative tells what was before.

        Raises InvalidContent for what is no patch, and UnprocessableContent for one that does not apply.
        Whether the result is a valid resource is for its validation to say.
        """
        return _without_stale_narrative(resource, self.apply(resource, self.content))


def sent_patch(content_type: str | None, body: bytes) -> Patch:
    """Return the patch in a body; raise UnsupportedMediaType if its media type is not one for patches."""
    media_type = media_type_of(content_type)
    if media_type == JSON_PATCH:
        return Patch(json_format.parse(body), apply_json_patch)
    if media_type == XML_PATCH:
        return Patch(body, apply_xml_patch)
    try:
        format_ = sent_format(content_type)
    except UnsupportedMediaType as failure:
        offer = error("not-supported", f"A patch is sent as {', '.join(PATCH_FORMATS)}")
        raise UnsupportedMediaType(offer, accept_patch=PATCH_FORMATS) from failure
    return Patch(format_.parse(body), apply_fhirpath_patch)


def entry_patch(resource: Any, at: str) -> Patch:
    """Return the patch that an entry of a bundle holds; `at` is the FHIRPath of its resource.

    A Parameters resource is a FHIRPath Patch; a Binary holds a patch of the kind that its `contentType` says.
    """
    resource_type = resource.get("resourceType") if isinstance(resource, Mapping) else None
    if resource_type == "Parameters":
        return Patch(resource, apply_fhirpath_patch)
    if resource_type != "Binary":
        raise InvalidContent(
            error("structure", "A patch in a bundle is a Parameters resource or a Binary", at)
        )
    content_type, data = resource.get("contentType"), resource.get("data")
    if not isinstance(content_type, str) or not isinstance(data, str):
        raise InvalidContent(error("required", "A Binary with a patch has a contentType and data", at))
    try:
        body = base64.b64decode("".join(data.split()), validate=True)
    except (binascii.Error, ValueError):
        raise InvalidContent(error("value", "The data of a Binary are in base64", f"{at}.data")) from None
    return sent_patch(content_type, body)


def _without_stale_narrative(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """Return `after` without the narrative if that was made from data that are others now.

    "The server SHALL ensure that the narrative in a resource is not clinically unsafe after the PATCH": one
    that was generated is left out, for whoever made it to make it anew. A patch that brings a narrative of
    its own is believed.
    """
    text = after.get("text")
    if not isinstance(text, dict) or text != before.get("text") or _data(before) == _data(after):
        return after
    if text.get("status") == _WRITTEN_BY_PEOPLE:
        message = "The narrative has content of its own, and has to be patched together with the data"
        raise UnprocessableContent(error("business-rule", message, f"{after.get('resourceType')}.text"))
    if text.get("status") not in _GENERATED:
        return after
    return {name: value for name, value in after.items() if name != "text"}


def _data(resource: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in resource.items() if name not in ("text", "meta")}
