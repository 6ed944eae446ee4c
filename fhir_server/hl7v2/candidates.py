"""QBP^Q22: which patients fit, answered from the records with RSP^K22. HL7 v2.5.1 §3.3.56, §5.4.1

What is asked for are fields of PID (`@PID.5.1^Muster~@PID.7^19800203`), all of which have to fit.
"""

from collections.abc import Mapping

from adapters.channels import Channel
from adapters.to_fhir.datatypes.identifiers import system_of
from adapters.to_fhir.scope import Scope
from adapters.to_fhir.value import Reader, Value
from fhir_server.context import Context
from fhir_server.hl7v2.asking import Answer, numbered, patients
from fhir_server.search.escaping import escape
from hl7.datatypes import timestamp
from hl7.errors import DATA_TYPE, REQUIRED_FIELD_MISSING, TABLE_VALUE_NOT_FOUND, HL7Error, Location
from hl7.message import Message
from hl7.query_answers import Response, most_records

_TEXTS = {
    "PID.5.1": "family",
    "PID.5.2": "given",
    "PID.11.3": "address-city",
    "PID.11.5": "address-postalcode",
}
_GENDERS = {"M": "male", "F": "female", "O": "other", "U": "unknown"}


async def candidates(message: Message, channel: Channel, context: Context) -> Answer:
    """Return the patients who fit; of more than were wanted (RCP-2) none is told, and that they are too many.

    Raises HL7Error for a query that asks for nothing (101), or for what cannot be asked for (103).
    """
    found = await patients(_asked(message, channel), most_records(message), context)
    if found is None:
        return Answer(Response("TM"))
    rows = numbered(found, message, channel, context)
    response = Response("OK" if found else "NF", len(found), rows)
    return Answer(response, tuple(f"Patient/{one['id']}" for one in found))


def _asked(message: Message, channel: Channel) -> list[tuple[str, str]]:
    """Return what is asked for as search parameters."""
    qpd = message.first("QPD")
    if qpd is None or not qpd[3]:
        place = Location("QPD", 1, 3)
        raise HL7Error("the query asks for nothing", code=REQUIRED_FIELD_MISSING, location=place)
    told = {}
    for number, repetition in enumerate(qpd[3].repetitions, 1):
        name = repetition[1].text.removeprefix("@").upper()
        if repetition[2].text:
            told[name] = (repetition[2].text, number)
    pairs: list[tuple[str, str]] = []
    for name, (text, number) in told.items():
        place = Location("QPD", 1, 3, number)
        if name.startswith("PID.3"):
            if name in ("PID.3", "PID.3.1"):
                pairs.append(("identifier", _identifier(text, told, message, channel)))
        elif name in _TEXTS:
            pairs.append((_TEXTS[name], escape(text)))
        elif name in ("PID.7", "PID.7.1"):
            pairs.append(("birthdate", timestamp(text, place).fhir_date()))
        elif name in ("PID.8", "PID.8.1"):
            gender = _GENDERS.get(text)
            if gender is None:
                raise HL7Error("a sex that is not in the table", code=TABLE_VALUE_NOT_FOUND, location=place)
            pairs.append(("gender", gender))
        else:
            raise HL7Error("this field cannot be asked for", code=TABLE_VALUE_NOT_FOUND, location=place)
    if not pairs:
        raise HL7Error("the query asks for nothing", code=DATA_TYPE, location=Location("QPD", 1, 3))
    return pairs


def _identifier(text: str, told: Mapping[str, tuple[str, int]], message: Message, channel: Channel) -> str:
    """Return a number with its system, if the query says who gave it."""
    parts = [told.get(f"PID.3.4.{number}", ("", 0))[0] for number in (1, 2, 3)]
    parts[0] = parts[0] or told.get("PID.3.4", ("", 0))[0]
    if not any(parts):
        return escape(text)
    authority = Value(message.chars.subcomponent.join(parts), Reader.of(message), is_component=True)
    return f"{escape(system_of(authority, Scope.of(message, channel)))}|{escape(text)}"
