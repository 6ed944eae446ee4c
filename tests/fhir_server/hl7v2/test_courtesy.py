"""Messages whose senders were told that they are safe (CA) give way to what comes in, but not for ever."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest

from adapters.inboxes import Arrival
from adapters.lull import Lull
from adapters.working import Job
from hl7.parser import parse
from tests.adapters.senders import adt
from tests.fhir_server.hl7v2.conftest import ADT
from tests.fhir_server.hl7v2.hospital import Hospital


@pytest.mark.parametrize(
    ("age", "can_wait", "shortest", "longest"),
    [(0.0, True, 0.1, 5.0), (60.0, True, 0.0, 0.0), (0.0, False, None, None)],
    ids=["a new one", "an old one", "one that is waited for"],
)
def test_how_long_a_message_gives_way(
    hospital: Hospital,
    monkeypatch: pytest.MonkeyPatch,
    age: float,
    *,
    can_wait: bool,
    shortest: float | None,
    longest: float | None,
) -> None:
    """By its age: those that stand behind one another in a lane do not wait one after the other."""
    asked: list[float] = []

    async def wait(_lull: Lull, most: float) -> None:
        asked.append(most)

    monkeypatch.setattr(Lull, "wait", wait)
    message = parse(adt(uuid.uuid4().hex[:12]))
    received = datetime.now(UTC) - timedelta(seconds=age)

    async def work() -> None:
        arrival = Arrival(message.data, "0" * 64, received, ("ADT", "", uuid.uuid4().hex), channel="adt")
        added = await hospital.store.hl7_inbox.add(arrival)
        job = hospital.messages._working.begin(Job(added.entry, message, ADT, can_wait=can_wait))
        await job.answer

    hospital.run(work())
    if shortest is None or longest is None:
        assert asked == []
    else:
        (most,) = asked
        assert shortest <= most <= longest
