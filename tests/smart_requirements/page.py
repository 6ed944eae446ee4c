"""The table of SMART requirements, docs/smart-requirements.md, from the catalogue and the tests."""

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from tests.proofs import ProofPage, Proofs, disagreements, links
from tests.smart_requirements.catalogue import BASE, Requirement, catalogue

_HEAD = f"""\
# Requirements of SMART App Launch 2.2, and the tests that prove them

Each requirement of [SMART App Launch 2.2.0]({BASE}) that binds a server,
by the number that [Inferno's test kit](https://github.com/inferno-framework/smart-app-launch-test-kit) gave
it, and the tests that name it by `@pytest.mark.requirement("smart-14")`; or the reason why there is none. The
number leads to where it stands.
`python -m tests.smart_requirements` writes this page; a test fails if it is out of date.
"""


def wrong(proofs: Proofs) -> Iterator[str]:
    """Tell what is wrong: tests of unknown requirements, ones with neither test nor reason, or with both."""
    yield from disagreements(proofs, {one.id: one.why for one in catalogue().values()})


def page(proofs: Proofs) -> str:
    """Return the text of the page."""
    requirements = catalogue().values()
    proved = sum(not one.why for one in requirements)
    lines = [_HEAD, f"Tests prove {proved} of {len(requirements)}.\n"]
    for document, of_document in groupby(requirements, key=lambda one: one.at.partition("#")[0]):
        lines += [
            f"## {document.removesuffix('.html')}\n",
            "| requirement | | tests, or why none |",
            "|---|---|---|",
        ]
        lines += [_row(one, proofs) for one in of_document]
        lines.append("")
    return "\n".join(lines).rstrip("\n") + "\n"


def _row(requirement: Requirement, proofs: Proofs) -> str:
    told = requirement.why or links(proofs.get(requirement.id, ()))
    return f"| [{requirement.id}]({requirement.address}) | {requirement.word} | {told} |"


PAGE = ProofPage(Path(__file__).parents[2] / "docs/smart-requirements.md", "requirement", page, wrong)
