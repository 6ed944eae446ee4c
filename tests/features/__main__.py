"""Write docs/features.md: `python -m tests.features`; `--check` only says what is wrong."""

import sys

from tests.features.page import PAGE

if __name__ == "__main__":
    sys.exit(PAGE.main())
