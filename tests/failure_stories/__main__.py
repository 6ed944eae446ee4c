"""Write docs/hl7v2/failure-stories.md: `python -m tests.failure_stories`; or only check it: `--check`."""

import sys

from tests.failure_stories.page import PAGE

if __name__ == "__main__":
    sys.exit(PAGE.main())
