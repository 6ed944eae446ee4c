"""The page docs/hl7v2/failure-stories.md: what went wrong elsewhere, and the tests that it does not here."""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.proofs import ProofPage, Proofs, disagreements, links

_TABLE = Path(__file__).parent / "stories.toml"
_HEAD = """\
# What went wrong elsewhere

Failures of other interfaces for HL7 v2, from their public issues, and the tests that they do not happen here.
Tests name them by `@pytest.mark.failure_story("late-ack")`. `python -m tests.failure_stories` writes this
page; a test fails if it is out of date, or a story has no test.
"""


@dataclass(frozen=True)
class Story:
    """A failure: what happened, and which issues tell of it."""

    id: str
    what: str
    where: str


@cache
def catalogue() -> Mapping[str, tuple[Story, ...]]:
    """Return all stories by what they are about, in the order of the table."""
    table = tomllib.loads(_TABLE.read_text(encoding="utf-8"))
    return {
        part["title"]: tuple(Story(name, *told) for name, told in part["stories"].items())
        for part in table.values()
    }


def ids() -> list[str]:
    """Return the ids of all stories."""
    return [one.id for stories in catalogue().values() for one in stories]


def wrong(proofs: Proofs) -> Iterator[str]:
    """Tell what is wrong: stories without a test, and tests of stories that nobody told."""
    yield from disagreements(proofs, dict.fromkeys(ids(), ""))


def page(proofs: Proofs) -> str:
    """Return the text of the page."""
    lines = [_HEAD]
    for title, stories in catalogue().items():
        lines += [f"## {title}\n", "| story | what happened | where | tests |", "|---|---|---|---|"]
        lines += [_row(one, proofs) for one in stories]
        lines.append("")
    return "\n".join(lines).rstrip("\n") + "\n"


def _row(story: Story, proofs: Proofs) -> str:
    tests = links(proofs.get(story.id, ()), up="../../")
    return f"| {story.id} | {story.what} | {story.where} | {tests} |"


PAGE = ProofPage(Path(__file__).parents[2] / "docs/hl7v2/failure-stories.md", "failure_story", page, wrong)
