"""The table of SMART requirements is complete, true and up to date."""

import csv
import subprocess
import sys
from pathlib import Path

import pytest

from tests.smart_requirements.catalogue import catalogue
from tests.smart_requirements.page import page, wrong

_ROOT = Path(__file__).parents[2]
_LIST = _ROOT.parent / "shared/data/smart/requirements-2.2.0-server.csv"


def test_the_page_says_what_the_tests_prove() -> None:
    """Each that a test names is listed, each listed has a test or a reason, and the page is current."""
    # In a process of its own, since pytest cannot collect while it runs.
    command = [sys.executable, "-m", "tests.smart_requirements", "--check"]
    told = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stdout + told.stderr


def test_what_is_wrong_is_told() -> None:
    """A requirement without test and reason, one with both, and a test of no known requirement."""
    proofs = {one.id: ("tests/x.py::test_x",) for one in catalogue().values() if not one.why}
    assert list(wrong(proofs)) == []
    del proofs["smart-14"]
    proofs |= {"smart-82": ("tests/x.py::test_x",), "smart-9999": ("tests/x.py::test_x",)}
    told = list(wrong(proofs))
    assert [line.partition(" ")[0] for line in told] == ["smart-9999", "smart-14", "smart-82"]


def test_the_page_has_a_row_for_each_requirement() -> None:
    """Its address in the specification, how it binds, and the tests or the reason."""
    text = page({"smart-14": ("tests/x.py::test_x",)})
    address = "https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#considerations-for-pkce-support"
    assert f"| [smart-14]({address}) | SHALL | [test_x](../tests/x.py) |" in text
    assert all(f"| [{one}](" in text for one in catalogue())


@pytest.mark.skipif(not _LIST.exists(), reason="the list of requirements is not at ../shared/data")
def test_the_list_is_that_of_the_test_kit() -> None:
    """The same numbers, addresses and words."""
    with _LIST.open(newline="") as lines:
        listed = {f"smart-{row['ID']}": (row["URL"], row["Conformance"]) for row in csv.DictReader(lines)}
    assert {one.id: (one.address, one.word) for one in catalogue().values()} == listed
