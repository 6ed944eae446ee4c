"""The table of features is complete, true and up to date."""

import subprocess
import sys
from pathlib import Path

from tests.features.catalogue import catalogue
from tests.features.page import page, wrong

_ROOT = Path(__file__).parents[2]


def test_the_page_says_what_the_tests_prove() -> None:
    """Each feature that a test names is listed, each listed has a test or a reason, the page is current."""
    # In a process of its own, since pytest cannot collect while it runs.
    command = [sys.executable, "-m", "tests.features", "--check"]
    told = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stdout + told.stderr


def test_what_is_wrong_is_told() -> None:
    """A feature without test and reason, one with both, and a test of no known feature."""
    proofs = {feature.id: ("tests/x.py::test_x",) for feature in catalogue().values() if not feature.why}
    assert list(wrong(proofs)) == []
    del proofs["http.read"]
    proofs |= {"http.format.turtle": ("tests/x.py::test_x",), "http.frobnicate": ("tests/x.py::test_x",)}
    told = list(wrong(proofs))
    assert [line.partition(" ")[0] for line in told] == ["http.frobnicate", "http.read", "http.format.turtle"]


def test_the_page_has_a_row_for_each_feature() -> None:
    """The address of the specification, what it is, and the tests or the reason."""
    text = page({"http.read": ("tests/x.py::test_x",)})
    assert (
        "[`http.read`](https://hl7.org/fhir/R4/http.html#read) | read | yes | [test_x](../tests/x.py) |"
        in text
    )
    assert all(f"| [`{feature_id}`]" in text for feature_id in catalogue())
