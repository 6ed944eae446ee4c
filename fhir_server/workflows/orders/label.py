"""Specimen/$label: the label of a tube as a PDF, with the accession number as a barcode (Code 128).

https://hl7.org/fhir/R4/specimen.html, https://hl7.org/fhir/R4/binary.html
"""

import base64
from io import BytesIO
from typing import Any

from reportlab.graphics.barcode.code128 import Code128
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas

from fhir_server.context import Context, Request, Response
from fhir_server.interactions.read import read
from fhir_server.operations.inputs import inputs
from fhir_server.operations.operation import Operation
from fhir_server.papers.words import listed_name_of, record_number_of, text_of
from fhir_server.workflows.records import local

_WIDTH, _HEIGHT, _EDGE = 62 * mm, 29 * mm, 3 * mm
_FONT, _SIZE, _LINE = "Helvetica", 7, 3.2 * mm
_BAR_HEIGHT = 8 * mm
_LONGEST = 42


async def label(request: Request, context: Context) -> Response:
    """Answer with a Binary: a PDF of 62 by 29 mm with barcode, patient, birth date, number, kind and time."""
    inputs(request, (), lenient=context.preferences.lenient)
    _, specimen_id, _ = request.path
    specimen = (await read(Request("GET", ("Specimen", specimen_id)), context)).resource or {}
    key = local(specimen.get("subject", {}).get("reference"), context.base_url)
    version = None if key is None else await context.store.read(*key)
    patient = (None if version is None else version.resource) or {}
    data = base64.b64encode(drawn(specimen, patient)).decode()
    binary = {"resourceType": "Binary", "contentType": "application/pdf", "data": data}
    return Response(200, binary)


def drawn(specimen: dict[str, Any], patient: dict[str, Any]) -> bytes:
    """Return the PDF of a specimen's label."""
    number = specimen.get("accessionIdentifier", {}).get("value", specimen.get("id", ""))
    out = BytesIO()
    canvas = Canvas(out, pagesize=(_WIDTH, _HEIGHT), invariant=True)
    canvas.setTitle("Specimen label")
    barcode = Code128(number, barHeight=_BAR_HEIGHT, quiet=False)
    room = _WIDTH - 2 * _EDGE
    barcode.barWidth *= min(1, room / barcode.width)
    y = _HEIGHT - _EDGE - _BAR_HEIGHT
    Code128(number, barHeight=_BAR_HEIGHT, barWidth=barcode.barWidth, quiet=False).drawOn(canvas, _EDGE, y)
    canvas.setFont(_FONT, _SIZE)
    for line in _lines(number, specimen, patient):
        y -= _LINE
        canvas.drawString(_EDGE, y, line[:_LONGEST])
    canvas.save()
    return out.getvalue()


def _lines(number: str, specimen: dict[str, Any], patient: dict[str, Any]) -> list[str]:
    born = patient.get("birthDate", "")
    collected = specimen.get("collection", {}).get("collectedDateTime", "")[:16].replace("T", " ")
    kind = text_of(specimen.get("type"))
    whose = " ".join(part for part in (born, record_number_of(patient)) if part)
    lines = [number, listed_name_of(patient), whose]
    return [line for line in (*lines, kind, collected) if line]


LABEL = Operation(
    code="label",
    definition="metadata/OperationDefinition/label",
    handler=label,
    types=frozenset({"Specimen"}),
    on_instance=True,
    returns="Binary",
)
