"""Each message once and in its turn: duplicates, order, several processes, crashes, no database."""

import asyncio
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from pymongo.database import Database

from adapters import working
from adapters.applying import Applied
from adapters.channels import Channels
from adapters.inboxes import Arrival, NotOurs
from fhir_server.settings import Settings
from fhir_server.store import open_store
from fhir_server.write_path import new_resource
from hl7.parser import parse
from tests.adapters.senders import Sender, adt, code, connected, error_codes
from tests.fhir_server.faults.forwarder import Forwarder
from tests.fhir_server.faults.server_process import free_port
from tests.fhir_server.hl7v2.applying import basic
from tests.fhir_server.hl7v2.conftest import ADT
from tests.fhir_server.hl7v2.hospital import Hospital, running


def _id() -> str:
    return uuid.uuid4().hex[:12]


def _made(kept: Database[dict[str, Any]], control_id: str) -> int:
    return kept["Basic"].count_documents({"resource.identifier.value": control_id})


def _state(kept: Database[dict[str, Any]], control_id: str) -> list[str]:
    return [one["state"] for one in kept["hl7_inbox"].find({"control_id": control_id}).sort("order", 1)]


def _wait_for(is_so: Any, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.05)


def test_a_message_that_is_sent_again_gets_the_answer_of_then(
    hospital: Hospital, kept: Database[dict[str, Any]]
) -> None:
    """Byte for byte, on whatever connection, and nothing is stored again (connect 1314)."""
    message = adt(_id())
    with connected(hospital.port) as sender:
        first = sender.ask(message)
    with connected(hospital.port) as sender:
        assert [sender.ask(message) for _ in range(3)] == [first] * 3
    assert _made(kept, parse(message).header.control_id) == 1


def test_a_refused_message_that_is_sent_again_gets_the_refusal_of_then(hospital: Hospital) -> None:
    """AE says that sending it again changes nothing."""
    message = adt(_id(), name="REFUSE")
    before = hospital.log.tries.total()
    with connected(hospital.port) as sender:
        first = sender.ask(message)
        assert code(first) == "AE"
        assert sender.ask(message) == first
    assert hospital.log.tries.total() == before + 1


def test_the_same_message_on_two_connections_at_once_is_applied_once(
    hospital: Hospital, kept: Database[dict[str, Any]]
) -> None:
    """Both get the same answer, when it is done."""
    message = adt(_id(), name="SLOW")
    with connected(hospital.port) as one, connected(hospital.port) as other:
        one.send(message)
        other.send(message)
        assert one.answer() == other.answer()
    assert _made(kept, parse(message).header.control_id) == 1


def test_another_message_with_the_same_control_id_is_refused_and_kept(
    hospital: Hospital, kept: Database[dict[str, Any]]
) -> None:
    """Senders use numbers again after a restart: 205, and a person decides."""
    control_id = _id()
    with connected(hospital.port) as sender:
        assert code(sender.ask(adt(control_id))) == "AA"
        answer = sender.ask(adt(control_id, name="Other^Otto"))
        assert (code(answer), error_codes(answer)) == ("AE", ["205"])
    assert _state(kept, control_id) == ["applied", "refused"]
    assert _made(kept, control_id) == 1


def test_another_message_with_the_same_control_id_gets_ca_and_ae_in_enhanced_mode(hospital: Hospital) -> None:
    """It is safe, and refused."""
    control_id = _id()
    with connected(hospital.port) as sender:
        assert code(sender.ask(adt(control_id))) == "AA"
        assert code(sender.ask(adt(control_id, accept="AL", application="AL"))) == "CA"
        assert code(sender.answer()) == "AE"


def test_the_same_control_id_of_another_sender_is_another_message(hospital: Hospital) -> None:
    """MSH-3 and MSH-4 are part of the key."""
    control_id = _id()
    with connected(hospital.port) as sender:
        assert code(sender.ask(adt(control_id))) == "AA"
        assert code(sender.ask(adt(control_id, sender="LAB|GENHOSP"))) == "AA"


@pytest.mark.failure_story("order-lost")
def test_messages_about_one_person_are_applied_in_their_order(hospital: Hospital) -> None:
    """The order holds over connections, fast ones wait for slow ones (connect 3410, 1430, 742)."""
    person, ids = _id(), [_id() for _ in range(8)]
    with connected(hospital.port) as one, connected(hospital.port) as other:
        for place, control_id in enumerate(ids):
            sender = other if place % 2 else one
            name = "SLOW" if place < 3 else "Muster"
            assert code(sender.ask(adt(control_id, person=person, name=name, accept="AL"))) == "CA"
    _wait_for(lambda: ids[-1] in hospital.log.ended)
    assert [one for one in hospital.log.ended if one in ids] == ids


def test_messages_about_different_people_go_on_at_the_same_time(hospital: Hospital) -> None:
    """Six slow ones take less than half of what they would one after the other."""
    ids = [_id() for _ in range(6)]
    started = time.monotonic()
    with connected(hospital.port) as sender:
        sender.send(*(adt(one, person=one, name="SLOW") for one in ids))
        assert [code(sender.answer()) for _ in ids] == ["AA"] * 6
    assert time.monotonic() - started < 0.3 * 6


def test_a_merge_waits_for_what_is_said_of_either_person(hospital: Hospital) -> None:
    """MRG-1 counts like PID-3."""
    one, other, ids = _id(), _id(), [_id() for _ in range(4)]
    merge = adt(ids[2], person=one, accept="AL", more=[f"MRG|{other}^^^GENHOSP^MR"])
    with connected(hospital.port) as sender:
        sender.send(adt(ids[0], person=one, name="SLOW", accept="AL"))
        sender.send(adt(ids[1], person=other, name="SLOW", accept="AL"))
        sender.send(merge, adt(ids[3], person=other, accept="AL"))
        for _ in ids:
            assert code(sender.answer()) == "CA"
    _wait_for(lambda: ids[3] in hospital.log.ended)
    ended = [entry for entry in hospital.log.ended if entry in ids]
    assert ended[2:] == ids[2:]


@pytest.mark.failure_story("order-lost")
def test_the_order_holds_over_several_processes(settings: Settings, channels: Channels) -> None:
    """What one process has safe is done before what another one gets later about the same person."""
    person, ids = _id(), [_id() for _ in range(10)]
    ended: list[str] = []
    with running(settings, channels) as one, running(settings, channels) as other:
        with connected(one.port) as first, connected(other.port) as second:
            for place, control_id in enumerate(ids):
                sender = second if place % 2 else first
                name = "SLOW" if place in (0, 1, 4) else "Muster"
                assert code(sender.ask(adt(control_id, person=person, name=name, accept="AL"))) == "CA"
            _wait_for(lambda: len(one.log.ended) + len(other.log.ended) == len(ids))
        found = list(open_order(one, other))
    ended += [control_id for control_id in found if control_id in ids]
    assert ended == ids


def open_order(*hospitals: Hospital) -> Iterator[str]:
    """Yield the control ids of what was stored, in the order of the transactions."""
    store = hospitals[0].store

    async def look() -> list[dict[str, Any]]:
        return await store.find("Basic", {}, [("sequence", 1)], {"resource": 1, "updated": 1}, 10_000)

    found = hospitals[0].run(look())
    for one in sorted(found, key=lambda document: document["updated"]):
        yield one["resource"]["identifier"][0]["value"]


def test_what_a_dead_process_left_is_applied_by_another(
    settings: Settings, channels: Channels, kept: Database[dict[str, Any]]
) -> None:
    """It was stored, its process died before it was applied: it is done within seconds of the next start."""
    control_id = _id()

    async def leave() -> None:
        store = open_store(settings, str(settings.mongo_url))
        message = parse(adt(control_id))
        await store.hl7_inbox.add(
            Arrival(
                message.data, "0" * 64, _now(), ("ADT", "GENHOSP", control_id), "adt", "ADT^A08", lanes=("x",)
            )
        )
        await store.close()

    asyncio.run(leave())
    assert _state(kept, control_id) == ["received"]
    with running(settings, channels):
        _wait_for(lambda: _state(kept, control_id) == ["applied"])
    assert _made(kept, control_id) == 1


def test_a_process_that_was_taken_for_dead_stores_nothing(settings: Settings) -> None:
    """Its transaction finds that the message is another one's by now, and is undone."""
    control_id = _id()

    async def race() -> tuple[str, int]:
        slow = open_store(settings, str(settings.mongo_url))
        fast = open_store(settings, str(settings.mongo_url))
        message = adt(control_id)
        added = await slow.hl7_inbox.add(
            Arrival(message, "0" * 64, _now(), ("ADT", "GENHOSP", control_id), "adt", lanes=("y",))
        )
        taken = await fast.hl7_inbox.adopt(added.entry.id)
        assert taken is not None
        applied = Applied("applied")
        write = new_resource("Basic", _id(), basic(control_id))
        with pytest.raises(NotOurs):
            await slow.commit([write], noting=slow.hl7_inbox.note(added.entry.id, applied))
        count = await fast.count("Basic", {"resource.identifier.value": control_id})
        write = new_resource("Basic", _id(), basic(control_id))
        await fast.commit([write], noting=fast.hl7_inbox.note(added.entry.id, applied))
        entry = await fast.hl7_inbox.entry(added.entry.id)
        await slow.close()
        await fast.close()
        return "" if entry is None else entry.state, count

    assert asyncio.run(race()) == ("applied", 0)


def test_a_note_alone_is_stored_too(settings: Settings) -> None:
    """A message that changes nothing is noted by a transaction without resources."""
    control_id = _id()

    async def work() -> str:
        store = open_store(settings, str(settings.mongo_url))
        arrival = Arrival(adt(control_id), "0" * 64, _now(), ("ADT", "GENHOSP", control_id), "adt")
        added = await store.hl7_inbox.add(arrival)
        await store.commit([], noting=store.hl7_inbox.note(added.entry.id, Applied("unchanged")))
        entry = await store.hl7_inbox.entry(added.entry.id)
        await store.close()
        return "" if entry is None else entry.state

    assert asyncio.run(work()) == "unchanged"


def test_a_backlog_beyond_what_is_held_in_memory_is_done_in_order(
    settings: Settings,
    channels: Channels,
    kept: Database[dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Messages that wait in the database only are taken up when there is room."""
    monkeypatch.setattr(working, "_MOST_OPEN", 8)
    monkeypatch.setattr(working, "_TAKEN_AT_ONCE", 4)
    person, ids = _id(), [_id() for _ in range(40)]
    with running(settings, channels) as hospital:
        with connected(hospital.port) as sender:
            messages = [
                adt(one, person=person, name="SLOW" if place == 0 else "M", accept="AL", application="AL")
                for place, one in enumerate(ids)
            ]
            sender.send(*messages)
            answers = [sender.answer() for _ in range(2 * len(ids))]
        assert [one for one in hospital.log.ended if one in ids] == ids
    assert sorted(code(one) for one in answers) == ["AA"] * 40 + ["CA"] * 40
    assert all(_made(kept, one) == 1 for one in ids)


def test_without_a_database_nothing_is_accepted(settings: Settings, mongo_url: str) -> None:
    """AR, or CE, with 207; when the database is back the same message is accepted."""
    message, enhanced = adt(_id()), adt(_id(), accept="AL", application="AL")
    with Forwarder(mongo_url) as network:
        network.open()
        away = settings.model_copy(update={"mongo_url": network.url})
        with running(away, Channels((ADT,))) as hospital, connected(hospital.port) as sender:
            assert code(sender.ask(adt(_id()))) == "AA"
            network.close()
            answer = sender.ask(message)
            assert (code(answer), error_codes(answer)) == ("AR", ["207"])
            answer = sender.ask(enhanced)
            assert (code(answer), error_codes(answer)) == ("CE", ["207"])
            network.open()
            _wait_for(lambda: code(sender.ask(message)) == "AA")
            _wait_for(lambda: _accepted(sender, enhanced))


def _accepted(sender: Sender, enhanced: bytes) -> bool:
    first = code(sender.ask(enhanced))
    return first == "CA" and code(sender.answer()) == "AA"


@contextmanager
def _process(settings: Settings, port: int) -> Iterator[subprocess.Popen[bytes]]:
    arguments = [str(settings.mongo_url), settings.database, str(port)]
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.fhir_server.hl7v2.process", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_a_kill_at_any_moment_loses_nothing_and_doubles_nothing(
    settings: Settings, kept: Database[dict[str, Any]]
) -> None:
    """Each message that was acknowledged is applied exactly once, after eight kills -9 of the process."""
    port = free_port()
    ids = [_id() for _ in range(160)]
    waiting = list(ids)
    confirmed: set[str] = set()
    is_over = threading.Event()

    def send() -> None:
        # As legacy systems do it: the same message until it is acknowledged.
        while waiting:
            try:
                with connected(port) as sender:
                    while waiting:
                        place = len(ids) - len(waiting)
                        mode = {"accept": "AL"} if place % 2 else {}
                        answer = sender.ask(adt(waiting[0], person=str(place % 5), **mode))
                        if code(answer) in ("AA", "CA"):
                            confirmed.add(waiting.pop(0))
            except (OSError, EOFError):
                time.sleep(0.05)
        is_over.set()

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    for round_ in range(9):
        with _process(settings, port) as process:
            target = (round_ + 1) * len(ids) // 9
            _wait_for(lambda target=target: len(confirmed) >= target or is_over.is_set(), 120)
            if round_ == 8:
                assert is_over.wait(120)
                _wait_for(lambda: kept["hl7_inbox"].count_documents({"state": "received"}) == 0, 60)
            process.kill()
        # Nor wait the minute for which MongoDB keeps the transactions that were open.
        kept.client.admin.command({"killAllSessions": []})
    thread.join(timeout=10)
    assert confirmed == set(ids)
    assert {control_id: _made(kept, control_id) for control_id in ids} == dict.fromkeys(ids, 1)


def test_messages_go_when_their_time_has_come(settings: Settings, kept: Database[dict[str, Any]]) -> None:
    """Those that are done; what waits for a person stays."""
    short = settings.model_copy(update={"hl7_days": 30})
    done, refused = _id(), _id()
    with running(short, Channels((ADT,))) as hospital, connected(hospital.port) as sender:
        sender.ask(adt(done))
        sender.ask(adt(refused, name="REFUSE"))
    entry = kept["hl7_inbox"].find_one({"control_id": done})
    assert entry is not None
    assert entry["expires"] - entry["finished"] == timedelta(days=30)
    other = kept["hl7_inbox"].find_one({"control_id": refused})
    assert other is not None
    assert "expires" not in other


def _now() -> Any:
    from datetime import UTC, datetime

    return datetime.now(UTC)
