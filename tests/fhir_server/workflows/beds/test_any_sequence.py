"""Whatever is done with beds, in whatever order and at once: one patient a bed, and its state says so.

https://hypothesis.readthedocs.io/en/latest/stateful.html
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import httpx
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from tests.fhir_server.workflows.encounters.ward import BED_STATES, Ward, moment

_BEDS, _PATIENTS = 3, 4
_bed = st.integers(0, _BEDS - 1)
_patient = st.integers(0, _PATIENTS - 1)
_SEVERAL = st.lists(_patient, min_size=2, max_size=4, unique=True)
_ALLOWED = {200, 201, 409, 412, 422}


class Beds(RuleBasedStateMachine):
    """A few beds, and more patients than beds."""

    http: httpx.Client

    @initialize()
    def open_ward(self) -> None:
        """Begin with clean beds."""
        self.ward = Ward(self.http)
        self.beds = [self.ward.bed() for _ in range(_BEDS)]
        self.encounters = [self.ward.begin("arrived") for _ in range(_PATIENTS)]

    def _call(self, name: str, patient: int, bed: int, **values: bool) -> httpx.Response:
        address = f"{self.encounters[patient]}/${name}"
        answer = self.ward.call(address, bed=self.beds[bed], **values)
        assert answer.status_code in _ALLOWED, answer.text
        return answer

    @rule(patient=_patient, bed=_bed)
    def admit(self, patient: int, bed: int) -> None:
        """Admit somebody."""
        self._call("admit", patient, bed)

    @rule(patient=_patient, bed=_bed)
    def reserve(self, patient: int, bed: int) -> None:
        """Reserve a bed."""
        self._call("admit", patient, bed, reserve=True)

    @rule(patient=_patient, bed=_bed)
    def transfer(self, patient: int, bed: int) -> None:
        """Move somebody."""
        self._call("transfer", patient, bed)

    @rule(patient=_patient)
    def leave(self, patient: int) -> None:
        """End an encounter, and let another patient come."""
        encounter = self.encounters[patient]
        period = {**self.ward.get(encounter)["period"], "end": moment(1)}
        answer = self.ward.set(encounter, status="finished", period=period)
        if answer.status_code != 200:
            answer = self.ward.set(encounter, status="cancelled")
        assert answer.status_code == 200, answer.text
        self.encounters[patient] = self.ward.begin("arrived")

    @rule(bed=_bed, code=st.sampled_from("UCHKO"))
    def set_state(self, bed: int, code: str) -> None:
        """Say what a bed is, which may be refused."""
        state = {"system": BED_STATES, "code": code}
        assert self.ward.set(self.beds[bed], operationalStatus=state).status_code in _ALLOWED

    @rule(bed=_bed)
    def clean(self, bed: int) -> None:
        """Complete what is to be done to a bed."""
        for task in self.ward.search(f"Task?focus={self.beds[bed]}&status=requested"):
            assert self.ward.patch(f"Task/{task['id']}", "/status", "completed").status_code == 200

    @rule(bed=_bed, patients=_SEVERAL, code=st.sampled_from("CU"))
    def all_at_once(self, bed: int, patients: list[int], code: str) -> None:
        """Admit and move some to one bed at the same time, while it is closed or opened."""
        state = {"system": BED_STATES, "code": code}
        work: list[Callable[[], object]] = [
            partial(self.ward.set, self.beds[bed], operationalStatus=state),
            *(partial(self._call, name, one, bed) for one in patients for name in ("admit", "transfer")),
        ]
        with ThreadPoolExecutor(len(work)) as pool:
            for done in [pool.submit(one) for one in work]:
                done.result()

    @invariant()
    def one_patient_a_bed(self) -> None:
        """No bed is of two, and it is occupied exactly if somebody lies in it."""
        for bed in self.beds:
            found = self.ward.search(f"Encounter?location={bed}")
            uses = [
                one["status"]
                for encounter in found
                if encounter["status"] not in ("finished", "cancelled")
                for one in encounter.get("location", ())
                if one["location"]["reference"] == bed and one["status"] in ("active", "reserved")
            ]
            assert len(uses) <= 1
            assert (self.ward.state(bed) == "O") == (uses == ["active"])
            if uses == ["reserved"]:
                assert self.ward.state(bed) in ("U", "H")


@pytest.mark.workflow("0-15")
def test_any_sequence(client: httpx.Client) -> None:
    """Sequences of admissions, reservations, transfers, discharges, closing and cleaning, also at once."""
    Beds.http = client
    chosen = settings(
        max_examples=6,
        stateful_step_count=12,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        derandomize=True,
        database=None,
        phases=[Phase.generate],
    )
    run_state_machine_as_test(Beds, settings=chosen)
