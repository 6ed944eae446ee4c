"""The page about what is told is that of the tables, and the tables are those that messages are made by."""

import subprocess
import sys

from adapters.from_fhir.messages import EVENTS
from hl7.structure import structure_of
from tests.adapters.from_fhir.invented import DESTINATION
from tests.adapters.from_fhir.test_structures import CASES
from tests.adapters.from_fhir.test_structures import sent as made


def test_the_page_is_up_to_date() -> None:
    """What the page says is what the server does."""
    command = [sys.executable, "-m", "tests.outbound_messages", "--check"]
    checked = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_each_event_of_the_page_has_a_message() -> None:
    """No event is promised that no test makes, and MSH-9.3 is that of table 0354."""
    assert {kind for kind, _, _ in CASES} == set(EVENTS)
    for _, before, after in CASES:
        message = made(before, after, DESTINATION.version)
        assert message.header.structure == structure_of(message.header)
