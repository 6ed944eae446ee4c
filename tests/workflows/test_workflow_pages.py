"""The pages about the hospital's work are complete, true and up to date."""

import subprocess
import sys
from pathlib import Path

from fhir_server.workflows.pattern import Pattern, Rule, StateTable
from tests.workflows import features_page, patterns_page
from tests.workflows.catalogue import catalogue

_ROOT = Path(__file__).parents[2]
_STATE = Rule("W99.state", "A stay begins | and ends.", 422)
_PATTERN = Pattern(
    "W99",
    "Hotel",
    rules=(_STATE,),
    states=(StateTable("CarePlan", _STATE, {"on-hold": ("active",)}, ("on-hold",)),),
)


def test_the_pages_say_what_registry_and_tests_do() -> None:
    """Each rule is named by a test, each feature has a test or waits, and both pages are current."""
    # In a process of its own, since pytest cannot collect while it runs.
    command = [sys.executable, "-m", "tests.workflows", "--check"]
    told = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stdout + told.stderr


def test_all_features_of_the_five_documents_are_listed() -> None:
    """There are 214, and none is there twice."""
    counts = {source: sum(one.startswith(source) for one in catalogue()) for source in "01234"}
    assert counts == {"0": 46, "1": 43, "2": 16, "3": 55, "4": 54}


def test_what_is_wrong_with_features_is_told() -> None:
    """A feature without test and reason, one with both, and a test of no known feature."""
    proofs = {one.id: ("tests/x.py::test_x",) for one in catalogue().values() if not one.why}
    assert list(features_page.wrong(proofs)) == []
    del proofs["4-03"]
    proofs |= {"1-24": ("tests/x.py::test_x",), "9-99": ("tests/x.py::test_x",)}
    told = [line.partition(" ")[0] for line in features_page.wrong(proofs)]
    assert set(told) == {"9-99", "1-24", "4-03"}


def test_a_feature_is_shown_with_what_proves_it() -> None:
    """Its call and the test; a part of it may wait all the same."""
    text = features_page.page({"4-03": ("tests/x.py::test_x",), "3-14": ("tests/x.py::test_y",)})
    assert "`Patient.identifier` of type MR | [test_x](../../tests/x.py) |" in text
    assert "| portal | [test_y](../../tests/x.py). waits for part: portal |" in text
    assert all(f"\n| {one} |" in text for one in catalogue())


def test_what_is_wrong_with_patterns_is_told() -> None:
    """A rule that no test names, one that is called otherwise, and states whose rule is not listed."""
    assert list(patterns_page.wrong({"W99.state": ("x",)}, [_PATTERN])) == []
    assert list(patterns_page.wrong({}, [_PATTERN])) == ["W99.state is named by no test"]
    other = Pattern("W98", "Inn", rules=(_STATE,))
    assert "is not called so" in next(iter(patterns_page.wrong({"W99.state": ("x",)}, [other])))
    without = Pattern("W99", "Hotel", states=_PATTERN.states)
    assert list(patterns_page.wrong({}, [without])) == ["W99.state is not in the rules of W99"]


def test_a_pattern_is_shown_with_states_and_rules() -> None:
    """As a diagram and as tables, with the test, and how to switch it off."""
    text = patterns_page.page({"W99.state": ("tests/x.py::test_x",)}, [_PATTERN])
    assert '    state "on-hold" as on_hold\n' in text
    assert "    [*] --> on_hold\n    on_hold --> active\n" in text
    assert "| `active` | final |" in text
    assert (
        "| `W99.state` | A stay begins \\| and ends. | 422 `business-rule` | [test_x](../tests/x.py) |"
        in text
    )
    assert "FHIR_WORKFLOWS_OFF=W99" in text
