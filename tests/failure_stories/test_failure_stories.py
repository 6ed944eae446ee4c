"""The table of failure stories is complete and up to date."""

import subprocess
import sys

from tests.failure_stories.page import ids, page, wrong


def test_each_story_has_a_test() -> None:
    """Each that a test names was told, each has a test, and the page is current."""
    # In a process of its own, since pytest cannot collect while it runs.
    command = [sys.executable, "-m", "tests.failure_stories", "--check"]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stdout + told.stderr


def test_what_is_wrong_is_told() -> None:
    """A story without a test, and a test of a story that nobody told."""
    proofs = dict.fromkeys(ids(), ("tests/x.py::test_x",))
    assert len(ids()) == len(set(ids())) > 30
    assert list(wrong(proofs)) == []
    del proofs["late-ack"]
    proofs["no-such-story"] = ("tests/x.py::test_x",)
    assert [line.partition(" ")[0] for line in wrong(proofs)] == ["no-such-story", "late-ack"]
    assert "[test_x](../../tests/x.py) |" in page(proofs)
