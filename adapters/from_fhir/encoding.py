"""Bytes of messages of ours, whose character set may lack what our records have. HL7 v2.5.1 §2.15.9.18"""

import unicodedata
from collections.abc import Sequence
from typing import Any

from hl7.building import FieldValue, Raw, Repetitions, build
from hl7.encoding_characters import DEFAULT, EncodingCharacters
from hl7.errors import NotEncodable


def encoded(
    segments: Sequence[Sequence[FieldValue]], chars: EncodingCharacters = DEFAULT, codec: str = "utf-8"
) -> tuple[bytes, bool]:
    """Return a message, and whether characters that its character set lacks were replaced in it.

    Such a character becomes the one without its mark (é: e), or a question mark. Raises HL7Error if it cannot
    be expressed at all.
    """
    try:
        return build(segments, chars, codec), False
    except NotEncodable:
        replaced = [[_replaced(value, codec) for value in segment] for segment in segments]
        return build(replaced, chars, codec), True


def _replaced(value: FieldValue, codec: str) -> Any:
    if isinstance(value, str):
        return "".join(_character(one, codec) for one in value)
    if isinstance(value, Raw) or not isinstance(value, Sequence):
        return value
    made = [_replaced(one, codec) for one in value]
    return Repetitions(*made) if isinstance(value, Repetitions) else made


def _character(character: str, codec: str) -> str:
    for candidate in (character, unicodedata.normalize("NFKD", character)):
        kept = "".join(one for one in candidate if not unicodedata.combining(one) or candidate == character)
        try:
            kept.encode(codec)
        except UnicodeEncodeError:
            continue
        return kept
    return "?"
