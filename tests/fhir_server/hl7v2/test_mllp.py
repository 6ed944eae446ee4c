"""Connections as legacy systems make them: stories of others' trackers, and what a network does."""

import socket
import threading
import time
import uuid
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pymongo.database import Database

from adapters.channels import Channels, Listener
from fhir_server.settings import Settings
from hl7.framing import frame
from hl7.parser import parse
from tests.adapters.senders import Sender, adt, code, connected, error_codes
from tests.fhir_server.hl7v2.conftest import ADT
from tests.fhir_server.hl7v2.hospital import Hospital, running


def _id() -> str:
    return uuid.uuid4().hex[:12]


def _answered_id(answer: bytes) -> str:
    msa = parse(answer).first("MSA")
    assert msa is not None
    return msa.get(2)


def test_many_messages_go_over_one_connection(hospital: Hospital) -> None:
    """Libraries were seen to close after the first (hl7apy issues 35 and 37)."""
    with connected(hospital.port) as sender:
        assert [code(sender.ask(adt(_id()))) for _ in range(20)] == ["AA"] * 20


def test_several_frames_in_one_packet_are_answered_in_order(hospital: Hospital) -> None:
    """Pipelined messages: as many answers, in the order of the messages, fast ones behind slow ones."""
    ids = [_id() for _ in range(30)]
    messages = [
        adt(one, person=str(place), name="SLOW" if place % 10 == 0 else "Muster")
        for place, one in enumerate(ids)
    ]
    with connected(hospital.port) as sender:
        sender.send(*messages)
        answers = [sender.answer() for _ in ids]
    assert [_answered_id(one) for one in answers] == ids
    assert {code(one) for one in answers} == {"AA"}


def test_more_frames_than_are_under_way_at_a_time_are_all_answered(hospital: Hospital) -> None:
    """A sender that sends two hundred at once is not read from for a while, and loses nothing."""
    ids = [_id() for _ in range(200)]
    with connected(hospital.port) as sender:
        sending = threading.Thread(target=sender.send, args=[adt(one, person=one) for one in ids])
        sending.start()
        answers = [sender.answer() for _ in ids]
        sending.join()
    assert [_answered_id(one) for one in answers] == ids


@pytest.mark.failure_story("split-frame")
def test_a_frame_in_many_packets_is_one_message(hospital: Hospital) -> None:
    """Byte by byte at the end, so that FS and CR come apart (elixir-mllp 11 and 62)."""
    framed = frame(adt(_id()))
    with connected(hospital.port) as sender:
        for piece in (framed[:1], framed[1:40], framed[40:-2], framed[-2:-1], framed[-1:]):
            sender.socket.sendall(piece)
            time.sleep(0.02)
        assert code(sender.answer()) == "AA"


@pytest.mark.parametrize("between", [b"\n", b"\r\n", b"\x00\x00", b"noise\r", b"\n\n\x00\n"])
@pytest.mark.failure_story("line-feed-after-frame", "nul-between-frames")
def test_bytes_between_frames_are_thrown_away(hospital: Hospital, between: bytes) -> None:
    """Line feeds, NULs and noise between frames (nextgenhealthcare/connect 249, 407 and 510)."""
    with connected(hospital.port) as sender:
        sender.socket.sendall(between + frame(adt(_id())) + between + frame(adt(_id())) + between)
        assert [code(sender.answer()) for _ in range(2)] == ["AA", "AA"]


def test_a_frame_that_begins_anew_is_read_from_its_last_beginning(hospital: Hospital) -> None:
    """VT within a frame: the end of the frame before was lost."""
    with connected(hospital.port) as sender:
        sender.socket.sendall(b"\x0bMSH|^~\\&|ADT|GENH" + frame(adt(_id())))
        assert code(sender.answer()) == "AA"


def test_a_frame_that_never_ends_is_not_processed(hospital: Hospital, kept: Database[dict[str, Any]]) -> None:
    """The connection is closed without its end: nothing is kept, as nobody knows what is missing."""
    control_id = _id()
    with connected(hospital.port) as sender:
        sender.socket.sendall(b"\x0b" + adt(control_id))
        sender.socket.shutdown(socket.SHUT_WR)
        assert sender.is_closed()
    assert kept["hl7_inbox"].count_documents({"control_id": control_id}) == 0


@pytest.mark.failure_story("line-end-of-others", "line-end-as-charset")
def test_line_feeds_end_segments_where_there_is_no_cr(hospital: Hospital) -> None:
    """Whole messages with LF or CRLF (hl7apy 101, GoogleCloudPlatform/mllp 21)."""
    with connected(hospital.port) as sender:
        assert code(sender.ask(adt(_id()).replace(b"\r", b"\n"))) == "AA"
        assert code(sender.ask(adt(_id()).replace(b"\r", b"\r\n"))) == "AA"


@pytest.mark.failure_story("partial-ack")
def test_an_answer_comes_in_one_packet(hospital: Hospital) -> None:
    """Answers in pieces break senders that read once (python-hl7 44, dcm4chee 447)."""
    with connected(hospital.port) as sender:
        for _ in range(5):
            sender.send(adt(_id()))
            answer = sender.socket.recv(65_536)
            assert answer.startswith(b"\x0b")
            assert answer.endswith(b"\x1c\r")


@pytest.mark.failure_story("mixed-answers")
def test_answers_are_not_mixed_up_between_parallel_senders(hospital: Hospital) -> None:
    """Each connection gets the answers of its own messages (wso2/product-ei 1421)."""
    wrong: list[str] = []

    def work() -> None:
        with connected(hospital.port) as sender:
            for _ in range(15):
                control_id = _id()
                if _answered_id(sender.ask(adt(control_id, person=control_id))) != control_id:
                    wrong.append(control_id)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_sender_that_does_not_read_its_answers_does_not_stop_others(hospital: Hospital) -> None:
    """A dead receiver of answers is no matter of anybody else's."""
    with connected(hospital.port) as dead:
        dead.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        dead.socket.settimeout(0.5)
        try:
            for _ in range(60):
                dead.send(*(adt(_id(), person=_id()) for _ in range(5)))
        except TimeoutError:
            pass
        with connected(hospital.port) as sender:
            assert code(sender.ask(adt(_id()))) == "AA"


def test_latin_1_is_read_as_the_channel_says(hospital: Hospital) -> None:
    """Accents in ISO 8859/1, and the answer in it too (hl7apy 14 and 31)."""
    message = adt(_id(), sender="OLD|GENHOSP", name="Müller").decode().replace("UNICODE UTF-8", "")
    with connected(hospital.port) as sender:
        assert code(sender.ask(message.encode("latin-1"))) == "AA"


def test_a_charset_that_is_not_read_is_rejected(hospital: Hospital) -> None:
    """An unsupported MSH-18 gets AR rather than broken names."""
    with connected(hospital.port) as sender:
        answer = sender.ask(adt(_id()).replace(b"UNICODE UTF-8", b"ISO IR87"))
    assert code(answer) == "AR"


@pytest.mark.failure_story("unknown-structure")
def test_unknown_segments_are_no_error(hospital: Hospital) -> None:
    """Z segments and fields beyond the standard's (hl7apy 113)."""
    with connected(hospital.port) as sender:
        assert code(sender.ask(adt(_id(), more=["ZXY|1|anything|" + "|" * 60 + "last"]))) == "AA"


@pytest.mark.failure_story("large-document")
def test_a_document_of_some_megabytes_is_taken_quickly(hospital: Hospital) -> None:
    """An embedded document of 1.6 MB took a strict parser 15 minutes (connect 1665)."""
    message = adt(_id(), more=["OBX|1|ED|PDF||^application^pdf^Base64^" + "QUJD" * 400_000])
    started = time.monotonic()
    with connected(hospital.port) as sender:
        assert code(sender.ask(message)) == "AA"
    assert time.monotonic() - started < 20


def test_a_document_larger_than_a_record_of_the_database_is_kept_whole(
    hospital: Hospital, kept: Database[dict[str, Any]]
) -> None:
    """20 MB that do not shrink are kept in pieces, and come out as they went in."""
    control_id = _id()
    noise = "".join(uuid.uuid4().hex + uuid.uuid4().hex for _ in range(300_000))
    message = adt(control_id, more=["OBX|1|ED|PDF||^application^pdf^Base64^" + noise])
    with connected(hospital.port) as sender:
        assert code(sender.ask(message)) == "AA"
    entry = kept["hl7_inbox"].find_one({"control_id": control_id})
    assert entry is not None
    assert hospital.run(hospital.store.hl7_inbox.body(entry["_id"])) == message


def test_what_is_kept_cannot_be_read_in_the_database(
    hospital: Hospital, kept: Database[dict[str, Any]]
) -> None:
    """The bytes are sealed, and nothing about the person stands beside them."""
    control_id = _id()
    with connected(hospital.port) as sender:
        sender.ask(adt(control_id, person="MRN-4711", name="Geheim^Greta"))
    entry = kept["hl7_inbox"].find_one({"control_id": control_id})
    assert entry is not None
    assert b"Geheim" not in entry["data"]
    assert "4711" not in repr({name: value for name, value in entry.items() if name != "data"})
    assert "Geheim" not in repr(entry)


def test_a_message_that_is_too_long_is_rejected(settings: Settings) -> None:
    """AR with 104, and the connection goes on."""
    listener = Listener("small", "127.0.0.1", 0, max_bytes=20_000)
    with running(settings, Channels((ADT,), (listener,))) as hospital, connected(hospital.port) as sender:
        answer = sender.ask(adt(_id(), more=["OBX|1|TX|||" + "x" * 30_000]))
        assert code(answer) == "AR"
        assert error_codes(answer) == ["104"]
        assert code(sender.ask(adt(_id()))) == "AA"


def test_a_silent_connection_is_closed_and_one_with_work_under_way_is_not(settings: Settings) -> None:
    """The idle timeout is about senders that say nothing, and wait for nothing."""
    listener = Listener("short", "127.0.0.1", 0, idle_seconds=0.15)
    with running(settings, Channels((ADT,), (listener,))) as hospital, connected(hospital.port) as sender:
        assert code(sender.ask(adt(_id(), name="SLOW"))) == "AA"
        started = time.monotonic()
        assert sender.is_closed()
        assert time.monotonic() - started < 5


def test_a_peer_that_no_channel_names_is_not_let_in(settings: Settings) -> None:
    """The connection is closed before anything is read."""
    channels = Channels((replace(ADT, peers=("192.0.2.0/24",)),))
    with running(settings, channels) as hospital, connected(hospital.port) as sender:
        assert sender.is_closed()


def test_a_listener_serves_the_channels_that_it_names(settings: Settings) -> None:
    """A listener for one channel knows no other."""
    other = replace(ADT, name="other", sending_facility="OTHER")
    listeners = (
        Listener("one", "127.0.0.1", 0, channels=("adt",)),
        Listener("two", "127.0.0.1", 0, channels=("other",)),
    )
    with running(settings, Channels((ADT, other), listeners)) as hospital:
        with connected(hospital.ports["one"]) as sender:
            assert code(sender.ask(adt(_id()))) == "AA"
            assert code(sender.ask(adt(_id(), sender="ADT|OTHER"))) == "AR"
        with connected(hospital.ports["two"]) as sender:
            assert code(sender.ask(adt(_id(), sender="ADT|OTHER"))) == "AA"


def test_what_is_under_way_is_finished_at_the_end(settings: Settings, kept: Database[dict[str, Any]]) -> None:
    """A message that was read when the server was told to end is still answered."""
    control_id = _id()
    with running(settings, Channels((ADT,))) as hospital:
        connection = socket.create_connection(("127.0.0.1", hospital.port), timeout=30)
        sender = Sender(connection)
        sender.send(adt(control_id, name="SLOW"))
        while control_id not in hospital.log.begun:
            time.sleep(0.01)
    assert code(sender.answer()) == "AA"
    assert sender.is_closed()
    connection.close()


@hypothesis_settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_random_and_mutated_bytes_never_stop_the_listener(hospital: Hospital, data: st.DataObject) -> None:
    """Whatever comes, nothing is accepted that was not applied, and the next sender is served."""
    original = bytearray(adt(_id()))
    for _ in range(data.draw(st.integers(0, 4))):
        place = data.draw(st.integers(0, len(original) - 1))
        change = data.draw(st.binary(max_size=3))
        original[place : place + data.draw(st.integers(0, 3))] = change
    noise = data.draw(st.binary(max_size=200))
    before = len(hospital.log.ended)
    accepted = 0
    with connected(hospital.port) as sender:
        try:
            sender.socket.sendall(noise + b"\x0b" + bytes(original) + b"\x1c\r" + noise)
            sender.socket.shutdown(socket.SHUT_WR)
            while True:
                accepted += code(sender.answer()) == "AA"
        except (EOFError, OSError):
            pass
    assert accepted <= len(hospital.log.ended) - before
    with connected(hospital.port) as sender:
        assert code(sender.ask(adt(_id()))) == "AA"
