"""Write docs/hl7v2/failure-stories.md: `python -m tests.failure_stories`; or only check it: `--check`."""

import sys

from tests.failure_stories.page import PAGE


def main() -> int:
    """Return 0 if stories, tests and page agree."""
    told = PAGE.made(is_check="--check" in sys.argv[1:])
    sys.stdout.writelines(f"{line}\n" for line in told)
    return 1 if told else 0


if __name__ == "__main__":
    sys.exit(main())
