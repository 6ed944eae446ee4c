"""Batch files (HL7 v2.5.1 §2.10.3)."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hl7.batch import respond, split
from hl7.errors import HL7Error, UnparseableMessage
from tests.hl7.messages import ADT_A01, ORU_R01, message

_NOW = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)
_FHS = b"FHS|^~\\&|LAB|LF|FHIR|HOSP|20240102|||file|F-1\r"
_BHS = b"BHS|^~\\&|LAB|LF|FHIR|HOSP|20240102||||B-1\r"


@pytest.mark.parametrize(
    ("data", "batches", "errors"),
    [
        (ADT_A01, [[ADT_A01]], []),
        (ADT_A01 + ORU_R01, [[ADT_A01, ORU_R01]], []),
        (b"\xef\xbb\xbf\r\n" + ADT_A01, [[ADT_A01]], []),
        (_BHS + ADT_A01 + ORU_R01 + b"BTS|2\r", [[ADT_A01, ORU_R01]], []),
        (_FHS + _BHS + ADT_A01 + b"BTS|1\r" + _BHS + ORU_R01 + b"BTS|1\rFTS|2\r", [[ADT_A01], [ORU_R01]], []),
        (_FHS + ADT_A01 + b"FTS|1\r", [[ADT_A01]], []),
        (_FHS + _BHS + b"BTS|0\rFTS|1\r", [[]], []),
        (_BHS + ADT_A01 + b"BTS\r", [[ADT_A01]], []),
        (_BHS + ADT_A01 + b"BTS|96\r", [[ADT_A01]], [("100", "BTS^1^1", "E")]),
        (_BHS + ADT_A01 + b"BTS|one\r", [[ADT_A01]], [("102", "BTS^1^1", "E")]),
        (_FHS + _BHS + ADT_A01 + b"BTS|1\rFTS|3\r", [[ADT_A01]], [("100", "FTS^1^1", "E")]),
        (_FHS + _BHS + ADT_A01, [[ADT_A01]], [("100", "BTS^1", "W"), ("100", "FTS^1", "W")]),
        (_BHS + ADT_A01 + b"BTS|1\r" + _BHS + b"BTS|4\r", [[ADT_A01], []], [("100", "BTS^2^1", "E")]),
        (ADT_A01 + b"BTS|1\r", [[ADT_A01]], []),
        (b"BHS|^^|\r" + ADT_A01 + b"BTS|1\r", [[ADT_A01]], [("100", "BHS^1^2", "E")]),
    ],
)
@pytest.mark.failure_story("batch-count")
def test_files(data: bytes, batches: list[list[bytes]], errors: list[tuple[str, str, str]]) -> None:
    """Each message has its bytes, and wrong counts are told without undoing one (reportstream#17340)."""
    found = split(data)
    assert [batch.messages for batch in found.batches] == batches
    assert [(error.code, str(error.location), error.severity) for error in found.errors] == errors


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_other_ends_of_lines(end: str) -> None:
    """Files come from Unix and Windows."""
    data = message("BHS|^~\\&|LAB", "MSH|^~\\&|A", "PID|1", "MSH|^~\\&|B", "PID|2", "BTS|2", end=end)
    found = split(data)
    assert [part.strip() for part in found.messages] == [
        end.join(["MSH|^~\\&|A", "PID|1"]).encode(),
        end.join(["MSH|^~\\&|B", "PID|2"]).encode(),
    ]
    assert found.errors == []


@pytest.mark.parametrize("data", [b"", b"\r\n", b"PID|1\r", b"hello\r" + ADT_A01, b"MSHTEXT\r"])
def test_what_is_no_file_of_messages(data: bytes) -> None:
    """It is told as a whole."""
    with pytest.raises(UnparseableMessage):
        split(data)


def test_response() -> None:
    """BHS-12 names the batch that is answered, and its wrong count is told."""
    found = split(_FHS + _BHS + ADT_A01 + ORU_R01 + b"BTS|3\rFTS|1\r")
    acks = [b"MSH|^~\\&|1\rMSA|AA|C-1\r", b"MSH|^~\\&|2\rMSA|AE|L-1\r"]
    response = respond(found, [acks], now=_NOW, control_id="R-1")
    comment = "AE 100: the trailer says 3 messages, and there are 2"
    assert response.decode().split("\r") == [
        "FHS|^~\\&|FHIR|HOSP|LAB|LF|20240506070809+0000||||R-1|F-1",
        f"BHS|^~\\&|FHIR|HOSP|LAB|LF|20240506070809+0000|||{comment}|R-1-1|B-1",
        "MSH|^~\\&|1",
        "MSA|AA|C-1",
        "MSH|^~\\&|2",
        "MSA|AE|L-1",
        f"BTS|2|{comment}",
        "FTS|1",
        "",
    ]
    assert [len(batch.messages) for batch in split(response).batches] == [2]


def test_response_without_answers() -> None:
    """An empty batch says that all was accepted; a file without headers has its answers only."""
    found = split(_BHS + ADT_A01 + b"BTS|1\r")
    assert respond(found, [[]], now=_NOW, control_id="R").decode().split("\r")[1] == "BTS|0"
    assert respond(split(ADT_A01), [[b"MSH|^~\\&|1\r"]], now=_NOW, control_id="R") == b"MSH|^~\\&|1\r"


@settings(deadline=None)
@given(
    messages=st.lists(st.sampled_from([ADT_A01, ORU_R01]), min_size=1, max_size=5), has_header=st.booleans()
)
def test_files_give_their_messages(messages: list[bytes], has_header: bool) -> None:
    """What is put into a file comes out as it was."""
    data = b"".join(messages)
    data = _BHS + data + b"BTS|%d\r" % len(messages) if has_header else data
    assert split(data).messages == messages
    assert split(data).errors == []


@settings(deadline=None)
@given(
    data=st.lists(
        st.sampled_from([b"FHS", b"BHS", b"MSH", b"BTS", b"FTS", b"|", b"^~\\&", b"\r", b"\n", b"1", b"\xff"])
    ).map(b"".join)
)
def test_any_bytes_are_a_file_or_refused(data: bytes) -> None:
    """Nothing but an HL7Error comes of any bytes."""
    try:
        found = split(data)
    except HL7Error:
        return
    respond(found, [[] for _ in found.batches], now=_NOW, control_id="R")
