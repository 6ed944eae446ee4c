"""The table of features, docs/features.md, from the catalogue and the tests; and what is wrong with it."""

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from tests.features.catalogue import CHAPTERS, Feature, catalogue
from tests.features.collection import Proofs

PAGE = Path(__file__).parents[2] / "docs/features.md"
_MOST_TESTS = 3
_HEAD = """\
# Features of R4, and the tests that prove them

Every feature of the chapters "RESTful API", "Search", "_filter", "Operations" and "Asynchronous" of
[FHIR R4](https://hl7.org/fhir/R4/), and the tests that name it by `@pytest.mark.feature("...")`.
`python -m tests.features` writes this page; a test fails if it is out of date.
"""


def wrong(proofs: Proofs) -> Iterator[str]:
    """Tell what is wrong: tests of unknown features, features with neither test nor reason, or with both."""
    known = catalogue()
    for feature_id in sorted(proofs.keys() - known.keys()):
        yield f"{feature_id} is proved by {proofs[feature_id][0]}, but is not in the catalogue"
    for feature in known.values():
        if not feature.why and feature.id not in proofs:
            yield f"{feature.id} has no test, and no reason why it is not supported"
        if feature.why and feature.id in proofs:
            yield f"{feature.id} is said not to be supported, but {proofs[feature.id][0]} proves it"


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
    tests = proofs.get(feature.id, ())
    named = [f"[{test.rpartition('::')[2]}](../{test.partition('::')[0]})" for test in tests[:_MOST_TESTS]]
    more = f" and {len(tests) - _MOST_TESTS} more" if len(tests) > _MOST_TESTS else ""
    told = feature.why or ", ".join(named) + more
    mark = "no" if feature.why else "yes"
    return f"| [`{feature.id}`]({feature.address}) | {what} | {mark} | {told} |"
