"""Write docs/smart-requirements.md: `python -m tests.smart_requirements`; or only check it: `--check`."""

import sys

from tests.smart_requirements.page import PAGE

if __name__ == "__main__":
    sys.exit(PAGE.main())
