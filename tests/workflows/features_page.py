"""The table of features, docs/workflows/features.md, from the catalogue and the tests; and what is wrong."""

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from tests.proofs import ProofPage, Proofs, links
from tests.workflows.catalogue import SOURCES, Feature, catalogue

_HEAD = """\
# What hospitals ask for, and the tests that prove it

Each of the features that the sponsors' five documents ask for: the patterns of
[workflows.md](../workflows.md) that it follows, the call that does it, and the tests that name it by
`@pytest.mark.workflow("...")`; or the part of this project that it waits for.
`python -m tests.workflows` writes this page; a test fails if it is out of date.
"""


def wrong(proofs: Proofs) -> Iterator[str]:
    """Tell what is wrong: tests of unknown features, and features with neither test nor reason."""
    for proved in sorted(proofs.keys() - catalogue().keys()):
        yield f"{proved} is proved by {proofs[proved][0]}, but is not in the catalogue"
    for feature in catalogue().values():
        if not feature.why and feature.id not in proofs:
            yield f"{feature.id} has no test, and no reason why"
        if feature.reason and feature.id in proofs:
            yield f"{feature.id} has a reason why there is no test, but {proofs[feature.id][0]} proves it"


def page(proofs: Proofs) -> str:
    """Return the text of the page."""
    features = catalogue().values()
    proved = sum(feature.id in proofs for feature in features)
    waiting = sum(bool(feature.waits) and feature.id not in proofs for feature in features)
    lines = [_HEAD, f"{proved} of {len(features)} are proved by tests, {waiting} wait for a later part.\n"]
    for source, of_source in groupby(features, key=lambda feature: feature.id[0]):
        lines += [
            f"## {SOURCES[source]}\n",
            "| | feature | patterns | call | tests |",
            "|---|---|---|---|---|",
        ]
        lines += [_row(feature, proofs) for feature in of_source]
        lines.append("")
    return "\n".join(lines).rstrip("\n") + "\n"


def _row(feature: Feature, proofs: Proofs) -> str:
    tests = links(proofs.get(feature.id, ()), up="../../")
    told = ". ".join(part for part in (tests, feature.why) if part)
    return f"| {feature.id} | {feature.what} | {' '.join(feature.patterns)} | {feature.call} | {told} |"


PAGE = ProofPage(Path(__file__).parents[2] / "docs/workflows/features.md", "workflow", page, wrong)
