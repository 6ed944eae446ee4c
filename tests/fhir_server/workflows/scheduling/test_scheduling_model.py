"""Whatever is done to appointments in whichever order: nobody is twice at one time, and Slots agree."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar

import hypothesis.strategies as st
from hypothesis import HealthCheck, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from fhir_server.workflows.scheduling.vocabulary import ACTIVE, overlap, times
from tests.fhir_server.workflows.scheduling.clinic import REASON, Clinic
from tests.sweeps import IS_WHOLE

Resource = dict[str, Any]
_REFUSED = {200, 201, 403, 404, 409, 412, 422}
_NUMBERS = st.integers(0, 5)
_WHO = st.sampled_from(["p", "q"])
_LIVE = ("pending", "booked")


class Desk(RuleBasedStateMachine):
    """Two patients and two doctors, with three times of a Slot each."""

    clinic: ClassVar[Clinic]

    def __init__(self) -> None:
        """Open the Slots."""
        super().__init__()
        first = [self.clinic.slot("s") for _ in range(3)]
        second = [self.clinic.slot("s2", start=one["start"], end=one["end"]) for one in first]
        self.slots = [*first, *second]
        self.made: list[str] = []

    def note(self, answer: Any) -> None:
        """Keep the id of what was stored; a refusal is one of those that there are."""
        assert answer.status_code in _REFUSED, answer.text
        if answer.status_code in (200, 201):
            body = answer.json()
            found = body["entry"][0]["resource"] if body["resourceType"] == "Bundle" else body
            self.made = [*dict.fromkeys([*self.made, found["id"]])]

    def live(self, number: int) -> Resource:
        """Return an Appointment as it is now."""
        return self.clinic.read({"resourceType": "Appointment", "id": self.made[number % len(self.made)]})

    @rule(number=_NUMBERS, who=_WHO)
    def book(self, number: int, who: str) -> None:
        """Book a Slot."""
        self.note(self.clinic.call("AD", "$book", self.clinic.appointment(self.slots[number], who)))

    @rule(number=_NUMBERS, who=_WHO)
    def hold(self, number: int, who: str) -> None:
        """Hold one."""
        self.note(self.clinic.call("AD", "$hold", self.clinic.appointment(self.slots[number], who)))

    @rule(number=_NUMBERS, other=_NUMBERS)
    def book_at_once(self, number: int, other: int) -> None:
        """Let both patients want two Slots at the same moment."""
        wanted = [self.clinic.appointment(self.slots[one], who) for one in (number, other) for who in "pq"]
        with ThreadPoolExecutor(4) as pool:
            for answer in pool.map(lambda one: self.clinic.post("AD", one), wanted):
                self.note(answer)

    @precondition(lambda self: self.made)
    @rule(number=_NUMBERS, other=_NUMBERS)
    def change(self, number: int, other: int) -> None:
        """Move an Appointment."""
        wanted = {"resourceType": "Appointment", "id": self.live(number)["id"]}
        self.note(self.clinic.call("AD", "$book", wanted | self.clinic.moment(self.slots[other])))

    @precondition(lambda self: self.made)
    @rule(number=_NUMBERS)
    def cancel(self, number: int) -> None:
        """Cancel it."""
        self.note(self.clinic.put("AD", self.live(number), status="cancelled", cancelationReason=REASON))

    @precondition(lambda self: self.made)
    @rule(number=_NUMBERS)
    def reject(self, number: int) -> None:
        """Answer that the doctor declines."""
        asked = self.live(number)
        for doctor in ("dr", "dr2"):
            answer = self.clinic.answered("AD", asked, f"Practitioner/{doctor}", "declined")
            assert answer.status_code in _REFUSED, answer.text

    @precondition(lambda self: self.made)
    @rule(number=_NUMBERS)
    def expire(self, number: int) -> None:
        """Let its time be over."""
        # The agenda carries it out when it likes, beside whatever is done next.
        self.clinic.due(self.live(number), "W3.hold-expires")

    @invariant()
    def nobody_is_twice(self) -> None:
        """Compare the Slots with the Appointments, and these with each other."""
        with self.clinic.database.client.start_session(snapshot=True) as session:
            ids = {"_id": {"$in": self.made}}
            there = [
                one["resource"] for one in self.clinic.database["Appointment"].find(ids, session=session)
            ]
            its_slots = {"_id": {"$in": [one["id"] for one in self.slots]}}
            slots = [one["resource"] for one in self.clinic.database["Slot"].find(its_slots, session=session)]
        active = [one for one in there if one["status"] in ACTIVE]
        expected = {one["id"]: "free" for one in slots}
        for one in active:
            slot = one["slot"][0]["reference"].partition("/")[2]
            assert expected[slot] == "free"
            expected[slot] = "busy-tentative" if one["status"] == "pending" else "busy"
        assert {one["id"]: one["status"] for one in slots} == expected
        for place, one in enumerate(active):
            for other in active[:place]:
                mine, theirs = times(one), times(other)
                assert mine is not None
                assert theirs is not None
                assert not (overlap(mine, theirs) and _people(one) & _people(other))

    def teardown(self) -> None:
        """Free what is left."""
        for one in self.made:
            appointment = self.clinic.read({"resourceType": "Appointment", "id": one})
            if appointment["status"] in _LIVE:
                self.clinic.put("AD", appointment, status="cancelled", cancelationReason=REASON)


def _people(appointment: Resource) -> set[str]:
    return {one["actor"]["reference"] for one in appointment["participant"]}


def test_no_order_of_things_books_twice(clinic: Clinic) -> None:
    """Book, hold, change, cancel, reject, let lapse, some of it at once."""
    bounds = settings(
        max_examples=100 if IS_WHOLE else 4,
        stateful_step_count=30 if IS_WHOLE else 15,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    Desk.clinic = clinic
    run_state_machine_as_test(Desk, settings=bounds)
