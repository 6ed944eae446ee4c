"""Queries by parameter (QBP), answered at once from the records. HL7 v2.5.1 §5.3.1

Q22 asks which patients fit, Q11 by its query names for what the records have of one; see
`candidates` and `vaccination_history`.
"""

import uuid
from typing import Any

from adapters.channels import Channel
from adapters.from_fhir.encoding import encoded
from fhir_server.context import Context
from fhir_server.hl7v2.candidates import candidates
from fhir_server.hl7v2.vaccination_history import vaccination_history
from hl7.message import Message
from hl7.query_answers import answer_segments
from hl7.received import received

_BY_EVENT: dict[str, Any] = {"Q11": vaccination_history, "Q22": candidates}


async def answered(message: Message, channel: Channel, context: Context) -> tuple[bytes, tuple[str, ...]]:
    """Return the answer to a query, and the references of the patients that it tells of.

    Characters that the sender's character set lacks are replaced. Raises HL7Error for a query that asks for
    nothing (101), or for what cannot be asked for (103).
    """
    answer = await _BY_EVENT[message.header.trigger_event](message, channel, context)
    to = received(message)
    control_id = uuid.uuid4().hex[:20].upper()
    segments = answer_segments(message, "AA", answer.response, now=context.now(), control_id=control_id)
    data, _ = encoded(segments, to.chars, to.codec)
    return data, answer.patients
