"""docs/security.md: each attack has a test, and each test that is named is there."""

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[1] / "docs" / "security.md"
# What the page must speak of, whatever words it uses around them.
ATTACKS = (
    "code replay",
    "PKCE downgrade",
    "redirect",
    "mix-up",
    "alg=none",
    "key confusion",
    "another audience",
    "scope escalation on refresh",
    "session fixation",
    "timing",
    "open redirects",
    "SSRF",
    "another patient",
    "NoSQL operators",
    "header injection",
    "log injection",
    "decompression bombs",
    "XML entities",
    "path traversal in packages",
    "ReDoS",
)


def _rows() -> list[str]:
    table = PAGE.read_text().partition("## Attacks\n")[2]
    return [line for line in table.splitlines() if line.startswith("| ")][1:]


@pytest.mark.parametrize("attack", ATTACKS)
def test_the_attack_is_on_the_list(attack: str) -> None:
    """None of the attacks that the server was made against is left out."""
    assert [row for row in _rows() if attack in row.split("|")[1]]


@pytest.mark.parametrize("row", _rows(), ids=lambda row: row.split("|")[1].strip())
def test_its_tests_are_there(row: str) -> None:
    """A test that was renamed is renamed on the page."""
    named = re.findall(r"\[(test_\w+)\]\(\.\./([\w/.]+)\)", row)
    assert named
    for test, path in named:
        assert f"def {test}(" in (PAGE.parents[1] / path).read_text(), (path, test)
