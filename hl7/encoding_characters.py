"""The delimiters of a message, which it says itself in MSH-1 and MSH-2.

Source: HL7 v2.5.1 §2.5.4, §2.15.9.1 and §2.15.9.2; HL7 v2.7.1 §2.5.5.2 (truncation)
"""

import re
from dataclasses import dataclass

from hl7.errors import Location, UnparseableMessage

HEADERS = ("MSH", "FHS", "BHS")
_USUAL = "^~\\&"
_END = re.compile(rb"[\r\n]")
# Name, MSH-1, the longest MSH-2 and one more, by which a longer one shows.
_LONGEST = 10


@dataclass(frozen=True, slots=True)
class EncodingCharacters:
    """The delimiters; one that the message leaves out is "", and then nothing is split at it."""

    field: str = "|"
    component: str = "^"
    repetition: str = "~"
    escape: str = "\\"
    subcomponent: str = "&"
    truncation: str | None = None

    @property
    def msh_2(self) -> str:
        """The second field of a header segment."""
        return self.component + self.repetition + self.escape + self.subcomponent + (self.truncation or "")

    def completed(self) -> "EncodingCharacters":
        """Return all five delimiters, the missing ones being the usual ones that have no other use here.

        Raises nothing: there are more candidates than delimiters.
        """
        given = [self.component, self.repetition, self.escape, self.subcomponent]
        taken = {self.field, *given}
        for index, usual in enumerate(_USUAL):
            if not given[index]:
                given[index] = next(one for one in usual + _USUAL + "@$%!" if one not in taken)
                taken.add(given[index])
        component, repetition, escape, subcomponent = given
        return EncodingCharacters(self.field, component, repetition, escape, subcomponent, self.truncation)


DEFAULT = EncodingCharacters()


def read(start: bytes) -> EncodingCharacters:
    """Return the delimiters from the first bytes of a message or batch: the name of MSH, FHS or BHS first.

    Two to four of MSH-2's characters may be there, or five from version 2.7 on. Raises `UnparseableMessage`
    if this is no header segment, or if its delimiters cannot be told apart.
    """
    name = start[:3].decode("latin-1")
    if name not in HEADERS:
        raise UnparseableMessage("the first segment is not MSH", location=Location("MSH"))
    line = _END.split(start[:_LONGEST], maxsplit=1)[0]
    field = line[3:4]
    characters = line[4:].partition(field)[0] if field else b""
    return _checked(name, (field + characters).decode("latin-1"))


def _checked(name: str, given: str) -> EncodingCharacters:
    if not given or not _is_delimiter(given[0]):
        raise UnparseableMessage("MSH-1 is no delimiter", location=Location(name, 1, 1))
    where = Location(name, 1, 2)
    if not 2 <= len(given) <= 6:
        raise UnparseableMessage("MSH-2 has none or too many characters", location=where)
    if len(set(given)) < len(given) or not all(map(_is_delimiter, given)):
        raise UnparseableMessage(
            "MSH-2's characters cannot be told apart from one another or text", location=where
        )
    field, component, repetition, escape, subcomponent, truncation = [*given, *[""] * (6 - len(given))]
    return EncodingCharacters(field, component, repetition, escape, subcomponent, truncation or None)


def _is_delimiter(character: str) -> bool:
    return "!" <= character <= "~" and not character.isalnum() and character != '"'
