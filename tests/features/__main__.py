"""Write docs/features.md: `python -m tests.features`; `--check` only says what is wrong."""

import sys

from tests.features.page import PAGE


def main() -> int:
    """Return 0 if catalogue, tests and page agree."""
    told = PAGE.made(is_check="--check" in sys.argv[1:])
    sys.stdout.writelines(f"{line}\n" for line in told)
    return 1 if told else 0


if __name__ == "__main__":
    sys.exit(main())
