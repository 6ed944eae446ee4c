"""The table of features, docs/features.md, from the catalogue and the tests; and what is wrong with it."""

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from tests.features.catalogue import CHAPTERS, Feature, catalogue
from tests.proofs import ProofPage, Proofs, disagreements, links

_HEAD = """\
# Features of R4, and the tests that prove them

Every feature of the chapters "RESTful API", "Search", "_filter", "Operations" and "Asynchronous" of
[FHIR R4](https://hl7.org/fhir/R4/), and the tests that name it by `@pytest.mark.feature("...")`.
`python -m tests.features` writes this page; a test fails if it is out of date.
"""


def wrong(proofs: Proofs) -> Iterator[str]:
    """Tell what is wrong: tests of unknown features, features with neither test nor reason, or with both."""
    yield from disagreements(proofs, {feature.id: feature.why for feature in catalogue().values()})


def page(proofs: Proofs) -> str:
    """Return the text of the page."""
    features = catalogue().values()
    supported = sum(not feature.why for feature in features)
    lines = [_HEAD, f"{supported} of {len(features)} are supported.\n"]
    for chapter, of_chapter in groupby(features, key=lambda feature: feature.chapter):
        lines.append(f"## {CHAPTERS[chapter]}\n")
        for group, of_group in groupby(of_chapter, key=lambda feature: feature.group):
            lines += [f"### {group}\n", "| feature | what | | tests |", "|---|---|---|---|"]
            lines += [_row(feature, proofs) for feature in of_group]
            lines.append("")
    return "\n".join(lines).rstrip("\n") + "\n"


def _row(feature: Feature, proofs: Proofs) -> str:
    what = feature.what.replace("|", "\\|")
    told = feature.why or links(proofs.get(feature.id, ()))
    mark = "no" if feature.why else "yes"
    return f"| [`{feature.id}`]({feature.address}) | {what} | {mark} | {told} |"


PAGE = ProofPage(Path(__file__).parents[2] / "docs/features.md", "feature", page, wrong)
