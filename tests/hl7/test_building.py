"""Messages that are written: every leaf is escaped, and what is written is read."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hl7.building import Raw, Repetitions, build
from hl7.encoding_characters import DEFAULT, EncodingCharacters
from hl7.errors import NotEncodable
from hl7.parser import parse

_OTHERS = EncodingCharacters("*", ":", "+", "!", ";")


def test_message() -> None:
    """Fields, components, subcomponents and repetitions are plain lists."""
    data = build(
        [
            [
                "MSH",
                "",
                "",
                "FHIR",
                ["HOSP", "1.2.3", "ISO"],
                "",
                "",
                "2024",
                "",
                ["ADT", "A01", "ADT_A01"],
                "1",
                "P",
            ],
            [
                "PID",
                1,
                None,
                Repetitions(["4711", "", "", ["HOSP", "1.2", "ISO"], "MR"], ["9", None]),
                "",
                '""',
            ],
            ["NTE", 1, "", "100 % | A^B & C\\D~E\nnext", "", ""],
            ["ZZZ", Raw("a^b")],
        ]
    )
    assert data.decode().split("\r") == [
        "MSH|^~\\&|FHIR|HOSP^1.2.3^ISO|||2024||ADT^A01^ADT_A01|1|P",
        'PID|1||4711^^^HOSP&1.2&ISO^MR~9||""',
        "NTE|1||100 % \\F\\ A\\S\\B \\T\\ C\\E\\D\\R\\E\\.br\\next",
        "ZZZ|a^b",
        "",
    ]


def test_delimiters_and_character_set() -> None:
    """They are those that are asked for."""
    data = build([["MSH", "", "", "L\u00c4B"], ["PID", ["*", ["a", ";"]]]], _OTHERS, "iso8859-1")
    assert data == b"MSH*:+!;*L\xc4B\rPID*!F!:a;!T!\r"


def test_what_cannot_be_written() -> None:
    """A character that is not in the character set is told, and nothing is written in its place."""
    with pytest.raises(NotEncodable):
        build([["MSH", "", "", "\u0141"]], DEFAULT, "iso8859-1")


_LEAF = st.text(max_size=8).filter(lambda text: text != '""')
_COMPONENT = st.lists(_LEAF, min_size=1, max_size=3)
_FIELD = st.lists(st.lists(_COMPONENT, min_size=1, max_size=3), min_size=1, max_size=3)


@settings(deadline=None)
@given(fields=st.lists(_FIELD, max_size=5), chars=st.sampled_from([DEFAULT, _OTHERS]))
def test_what_is_written_is_read(fields: list[list[list[list[str]]]], chars: EncodingCharacters) -> None:
    """Each leaf comes back from its place, whatever is in it."""
    header = ["MSH", "", "", "A"]
    read = parse(build([header, ["ZZZ", *(Repetitions(*field) for field in fields)]], chars))
    segment = read.segments[1]
    for number, field in enumerate(fields, 1):
        for repetition, components in enumerate(field, 1):
            for component, leaves in enumerate(components, 1):
                for place, leaf in enumerate(leaves, 1):
                    assert segment.get(number, component, place, repetition) == leaf
                    assert segment[number].repetition(repetition)[component][place] == leaf
