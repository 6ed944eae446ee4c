"""Write docs/workflows.md and docs/workflows/features.md: `python -m tests.workflows`.

With `--check` it only says what is wrong.
"""

import sys
from collections.abc import Iterator

from tests.workflows import patterns_page
from tests.workflows.features_page import PAGE
from tests.workflows.mentions import mentions


def _patterns(*, is_check: bool) -> Iterator[str]:
    text = patterns_page.page(mentions())
    yield from patterns_page.wrong(mentions())
    if not is_check:
        patterns_page.PATH.write_text(text)
    elif patterns_page.PATH.read_text() != text:
        yield "docs/workflows.md is out of date: its first lines say how to write it"


def main() -> int:
    """Return 0 if registry, catalogue, tests and pages agree."""
    is_check = "--check" in sys.argv[1:]
    told = [*_patterns(is_check=is_check), *PAGE.made(is_check=is_check)]
    sys.stdout.writelines(f"{line}\n" for line in told)
    return 1 if told else 0


if __name__ == "__main__":
    sys.exit(main())
