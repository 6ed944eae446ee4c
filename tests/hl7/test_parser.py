"""Reading a message: nothing is lost, and everything is found by its number (HL7 v2.5.1 §2.5)."""

import pickle
import tracemalloc
from pathlib import Path

import pytest

from hl7.errors import HL7Error, InvalidMessage, Location, UnparseableMessage, UnsupportedCharset
from hl7.message import Message
from hl7.parser import parse
from tests.hl7.messages import ADT_A01, MSH_A01, ORU_R01, message


def _joined(read: Message) -> str:
    """Put a message together from its smallest parts, as `parse` split them."""
    chars = read.chars
    texts = []
    for segment in read.segments:
        fields = []
        for field in segment.fields:
            repetitions = [
                chars.component.join(component.raw for component in repetition.components)
                for repetition in field.repetitions
            ]
            fields.append(chars.repetition.join(repetitions))
        if segment.name == "MSH":
            del fields[0]
        texts.append(chars.field.join([segment.name, *fields]))
    return "\r".join(texts)


def test_print_gives_what_was_parsed(shared_data: Path) -> None:
    """Every message of the data folder keeps its bytes, and its parts are all of it."""
    files = sorted((shared_data / "hl7v2").glob("*.hl7"))
    assert len(files) == 139
    for file in files:
        data = file.read_bytes()
        read = parse(data)
        assert read.to_bytes() == data, file.name
        plain = data.removeprefix(b"\xef\xbb\xbf").decode().replace("\r\n", "\r").replace("\n", "\r")
        lines = [line for line in plain.split("\r") if line.strip()]
        assert _joined(read) == "\r".join(lines), file.name


@pytest.mark.parametrize("data", [ADT_A01, ORU_R01])
def test_print_gives_what_was_parsed_of_ours(data: bytes) -> None:
    """The parts of a message are all of it."""
    assert parse(data).to_bytes() == data
    assert _joined(parse(data)) + "\r" == data.decode()


def test_depths() -> None:
    """Fields, repetitions, components and subcomponents are counted from 1, and absent ones are empty."""
    pid = parse(ADT_A01).first("PID")
    assert pid is not None
    assert pid[3].repetitions[1][4][2] == "1.2.9"
    assert pid.get(3, 4, 2, 2) == "1.2.9"
    assert pid[5][1].text == "Quill&von&Quill"
    assert pid.get(5) == "Quill"
    assert pid[5].repetition(2)[2].text == "Ott"
    assert not pid[40]
    assert not pid[5].repetition(7)
    assert pid[40].text == pid.get(40, 3) == pid[40][2][3] == ""
    assert pid[40].repetitions == ()
    assert [repetition.text for repetition in pid[3]] == ["4711^^^HOSP^MR", "99^^^STATE&1.2.9&ISO^SS"]


@pytest.mark.parametrize("number", [0, -1])
def test_nothing_is_counted_from_0(number: int) -> None:
    """A slip of the program, and not of the sender."""
    pid = parse(ADT_A01).segments[2]
    for read in (
        lambda: pid[number],
        lambda: pid.get(number),
        lambda: pid[3][number],
        lambda: pid[3][1][number],
    ):
        with pytest.raises(IndexError):
            read()


def test_header() -> None:
    """MSH is counted as the standard does: the delimiter is its first field."""
    read = parse(ADT_A01)
    header = read.header
    assert read.segments[0][1].text == "|"
    assert read.segments[0][2].text == read.segments[0].get(2) == "^~\\&"
    assert header.sending_application.text == "ADT1"
    assert header.sending_facility[2].text == "1.2.3"
    assert (header.message_code, header.trigger_event, header.structure) == ("ADT", "A01", "ADT_A01")
    assert (header.control_id, header.processing_id, header.version) == ("C-1", "P", "2.5.1")
    assert header.charsets == ()
    assert not header.is_enhanced
    assert parse(ORU_R01).header.charsets == ("UNICODE UTF-8",)
    assert parse(ORU_R01).header.is_enhanced


def test_positions() -> None:
    """Segments know where they are, in the message and among those of their name."""
    read = parse(ORU_R01)
    assert [segment.position for segment in read.segments] == list(range(len(read.segments)))
    assert [segment.sequence for segment in read.all("OBX")] == [1, 2, 3]
    assert read.first("ZZZ") is None


def test_null_and_empty() -> None:
    """Two quotes say `delete`, nothing says `as it was`."""
    pid = parse(message(MSH_A01, 'PID|1||4711||""^Otto||""|')).segments[1]
    assert pid[7].is_null
    assert pid[7]
    assert pid[7].text == pid.get(7) == ""
    assert not pid[8].is_null
    assert not pid[8]
    assert pid[5][1].is_null
    assert not pid[5].is_null
    assert pid.get(5) == ""
    assert pid.get(5, 2) == "Otto"


def test_whole_text_of_a_field() -> None:
    """Laboratories forget to escape `&` in texts; the whole field is still there (nHapi#570)."""
    obx = parse(ORU_R01).all("OBX")[1]
    assert obx[5].text == "one line\nanother & more"


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
@pytest.mark.failure_story("blank-line", "line-end-of-others")
def test_ends_of_segments(end: str) -> None:
    """CR ends a segment; LF does where there is no CR, and behind CR it says nothing (connect#407)."""
    data = message(MSH_A01, "PID|1", "", "PV1|1", end=end)
    read = parse(data)
    assert [segment.name for segment in read.segments] == ["MSH", "PID", "PV1"]
    assert read.to_bytes() == data


@pytest.mark.failure_story("line-feed-in-field")
def test_line_feed_within_a_field() -> None:
    """An LF inside OBX-5 is data (connect#649, #650)."""
    read = parse(message(MSH_A01, "OBX|1|TX|A||one\ntwo|x", "PV1|1"))
    assert read.segments[1][5].text == "one\ntwo"
    assert len(read.segments) == 3


def test_other_delimiters() -> None:
    """Delimiters are those of MSH, and an escape says them whatever they are."""
    data = b"MSH*:+!;*A*B*C*D*2024**ADT:A01*1*P*2.3\rPID*1**1:2;3+4|^~&*!F!!S!!T!!R!!E!\r"
    pid = parse(data).segments[1]
    assert pid[3].repetitions[0][2][2] == "3"
    assert pid[3].repetitions[1].text == "4|^~&"
    assert pid[4].text == "*:;+!"


def test_fewer_delimiters() -> None:
    """Whoever needs no subcomponents may leave out the character; nothing is split at it then."""
    pid = parse(b"MSH|^~|A|||||||ADT^A01|1|P|2.3\rPID|1||1^a&b\\F\\c~2\r").segments[1]
    assert pid[3].repetitions[0][2].text == "a&b\\F\\c"
    assert pid.get(3, 2) == "a&b\\F\\c"
    assert pid.get(3, 2, 2) == ""


def test_truncation_character() -> None:
    """From version 2.7 on there may be a fifth."""
    read = parse(b"MSH|^~\\&#|A|||||||ADT^A01|1|P|2.7\rPID|1||a\\P\\b\r")
    assert read.chars.truncation == "#"
    assert read.segments[1].get(3) == "a#b"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\r\n",
        b"PID|1\r",
        b"MSH",
        b"MSH\r",
        b"MSH|",
        b"MSH|\r",
        b"MSH||A\r",
        b"MSH|^^\\&|A\r",
        b"MSH|^~\\&#$|A\r",
        b"MSHA^~\\&A\r",
        b'MSH|^~"&|A\r',
        b"MSH|^~\\\xe9|A\r",
        b"FHS|^~\\&|A\rBHS|^~\\&|A\r",
        b"MSH|^~\\&|A\rPID|1\rMSH|^~\\&|B\r",
        b"\x00\xff\xfe",
    ],
)
def test_no_message(data: bytes) -> None:
    """What is no message is told as such, and would be answered AR."""
    with pytest.raises(UnparseableMessage) as caught:
        parse(data)
    assert (caught.value.code, caught.value.answer) == ("100", "AR")


def test_byte_order_mark_and_blank_lines() -> None:
    """Files from Windows start with a byte order mark; it says nothing, and stays."""
    data = b"\xef\xbb\xbf\r\n" + message(MSH_A01, "PID|1||\u00e9")
    read = parse(data)
    assert read.segments[1].get(3) == "\u00e9"
    assert read.to_bytes() == data


@pytest.mark.failure_story("z-fields-empty")
def test_segments_nobody_knows() -> None:
    """Z segments, and fields behind the last known one, are read like others."""
    zal = parse(ADT_A01).first("ZAL")
    assert zal is not None
    assert zal[3].repetitions[1][2][1] == "not"
    assert zal[3].repetitions[1][2][2] == "know"


@pytest.mark.parametrize(
    ("declared", "data", "charset", "warnings"),
    [
        ("", "Zo\u00eb".encode(), "utf-8", 0),
        ("", b"Zo\xeb", "iso8859-1", 1),
        ("ASCII", "Zo\u00eb".encode(), "utf-8", 1),
        ("UNICODE UTF-8", "Zo\u00eb".encode(), "utf-8", 0),
        ("UNICODE UTF-8", b"Zo\xeb", "iso8859-1", 1),
        ("8859/1", b"Zo\xeb", "iso8859-1", 0),
        ("ISO-8859-1", b"Zo\xeb", "iso8859-1", 0),
        ("ISO 8859/1", b"Zo\xeb", "iso8859-1", 0),
        ("UNICODE", "Zo\u00eb".encode(), "utf-8", 0),
        ("8859/15~ISO IR87", b"Zo\xeb", "iso8859-15", 0),
        ("GB 18030-2000", "Zo\u00eb".encode("gb18030"), "gb18030", 0),
    ],
)
@pytest.mark.failure_story("charset-ignored")
def test_character_sets(declared: str, data: bytes, charset: str, warnings: int) -> None:
    """MSH-18 is heard (ruby-hl7#31, hl7apy#14, camel#6389); else it is UTF-8, else Latin-1 with a warning."""
    header = MSH_A01 + "||||||" + declared
    read = parse(message(header) + b"PID|1||" + data + b"\r")
    assert read.segments[1].get(3) == "Zo\u00eb"
    assert read.charset == charset
    assert [warning.severity for warning in read.warnings] == ["W"] * warnings


@pytest.mark.failure_story("charset-of-windows")
def test_the_channel_knows_better() -> None:
    """A sender says nothing and means Windows' own character set (medplum#4594)."""
    read = parse(message(MSH_A01) + b"PID|1||\x80\r", "WINDOWS-1252")
    assert read.segments[1].get(3) == "\u20ac"


@pytest.mark.parametrize("declared", ["ISO IR87", "UNICODE UTF-16", "UNICODE UTF-32", "KLINGON"])
def test_character_sets_that_cannot_be_read(declared: str) -> None:
    """They are refused, and not guessed."""
    with pytest.raises(UnsupportedCharset) as caught:
        parse(message(MSH_A01 + "||||||" + declared))
    assert caught.value.answer == "AR"
    assert str(caught.value.location) == "MSH^1^18"


def test_bytes_that_are_not_of_the_character_set() -> None:
    """A text of many-byte characters cannot be read as another one."""
    with pytest.raises(UnparseableMessage) as caught:
        parse(message(MSH_A01 + "||||||BIG-5") + b"PID|1||\xff\xff\r")
    assert (caught.value.code, caught.value.answer) == ("102", "AR")


def test_delimiters_within_characters() -> None:
    """The second byte of a Chinese character may be that of a delimiter."""
    text = "\u529f\u80fd|\u8a31"
    data = message(MSH_A01 + "||||||BIG-5") + f"PID|1||{text}\r".encode("big5")
    assert b"\\" in data.split(b"\r")[1]
    pid = parse(data).segments[1]
    assert (pid.get(3), pid.get(4)) == tuple(text.split("|"))


def test_no_texts_of_patients_in_logs() -> None:
    """What a log or a traceback shows of a message are no values."""
    read = parse(ADT_A01)
    shown = repr(
        [
            read,
            read.segments,
            read.segments[2][5],
            read.segments[2][5].repetitions,
            read.header.sending_facility,
        ]
    )
    assert "Quill" not in shown
    with pytest.raises(HL7Error) as caught:
        parse(b"Quill" + ADT_A01)
    assert "Quill" not in str(caught.value)


def test_stored_frames() -> None:
    """A file may hold a message as it was on the wire, with the bytes of its frame."""
    data = b"\x0b" + ADT_A01 + b"\x1c\r"
    read = parse(data)
    assert [segment.raw for segment in read.segments] == [segment.raw for segment in parse(ADT_A01).segments]
    assert read.to_bytes() == data


def test_large_documents_take_no_more_memory_than_their_size() -> None:
    """A document of 30 MB is kept as bytes and as text, and not split anew for each component."""
    document = b"QUJD" * (30 * 2**20 // 4)
    data = message(MSH_A01, "TXA|1") + b"OBX|1|ED|A||LAB^application^pdf^Base64^" + document + b"||||||F\r"
    tracemalloc.start()
    read = parse(data)
    assert len(read.segments[2].get(5, 5)) == len(document)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5 * len(data)


def test_errors_can_be_copied() -> None:
    """What is found in another process comes back as it was."""
    error = InvalidMessage(
        [HL7Error("one", code="101", location=Location("PID", 1, 3)), HL7Error("two", code="201")]
    )
    copied = pickle.loads(pickle.dumps(error))
    assert [str(each) for each in copied.errors] == ["101 (PID^1^3): one", "201: two"]
    assert (copied.code, copied.answer, str(copied)) == ("101", "AR", str(error))
