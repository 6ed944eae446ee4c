"""Write docs/features.md: `python -m tests.features`; `--check` only says what is wrong."""

import sys

from tests.features.collection import proofs
from tests.features.page import PAGE, page, wrong


def main() -> int:
    """Return 0 if catalogue, tests and page agree."""
    found = proofs()
    told = list(wrong(found))
    if "--check" in sys.argv[1:]:
        if not told and PAGE.read_text() != page(found):
            told.append("docs/features.md is out of date: run python -m tests.features")
    else:
        PAGE.write_text(page(found))
    sys.stdout.writelines(f"{line}\n" for line in told)
    return 1 if told else 0


if __name__ == "__main__":
    sys.exit(main())
