"""`python -m tests.resources.suites`: what HL7's suites of FHIRPath and patch give, as docs/test-suites.md.

It needs the suites beside the repository, in ../shared/data/fhir-test-cases.
"""

import sys
from collections import Counter
from pathlib import Path

from tests.resources.fhirpath.test_hl7_suite import NOT_PASSED, cases, passes
from tests.resources.patch import test_fhirpath_patch, test_json_patch, test_xml_patch

PAGE = Path(__file__).parents[2] / "docs" / "test-suites.md"

_HEAD = """# HL7's test suites

What the FHIRPath evaluator and the three kinds of patch give on the
[public test cases for R4](https://github.com/FHIR/fhir-test-cases/tree/master/r4), counted by
`.venv/bin/python -m tests.resources.suites`. `make test` runs them too, and fails if a test that is not
listed here is not passed, or one that is listed is.
"""
_PATCHES = (
    ("FHIRPath Patch", test_fhirpath_patch.hl7_cases),
    ("JSON Patch", test_json_patch.hl7_cases),
    ("XML Patch", test_xml_patch.hl7_cases),
)


def page() -> str:
    """Return the page of the figures that the suites give now."""
    lines = [_HEAD, "## Patch", "", "| suite | passed | of |", "|---|---|---|"]
    for name, suite in _PATCHES:
        results = [passed for _, passed in suite()]
        lines.append(f"| {name} | {sum(results)} | {len(results)} |")
    passed, total = Counter[str](), Counter[str]()
    misses: list[tuple[str, str]] = []
    for case in cases():
        total[case.group] += 1
        if passes(case):
            passed[case.group] += 1
        else:
            misses.append((case.name, NOT_PASSED.get(case.name, "not explained")))
    share = passed.total() / total.total()
    lines += ["", "## FHIRPath", "", f"{passed.total()} of {total.total()} tests are passed: {share:.1%}."]
    lines += ["", "| group | passed | of |", "|---|---|---|"]
    lines += [f"| {group} | {passed[group]} | {number} |" for group, number in total.items()]
    lines += ["", "Not passed:", "", "| test | reason |", "|---|---|"]
    lines += [f"| {name} | {reason} |" for name, reason in misses]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page())
    sys.stdout.write(f"{PAGE.name} is written\n")
