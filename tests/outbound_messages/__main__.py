"""Write docs/hl7v2/outbound.md: `python -m tests.outbound_messages`; `--check` only says what is wrong."""

import sys

from tests.outbound_messages.page import PATH, page


def main() -> int:
    """Return 0 if the page is that of the tables."""
    if "--check" not in sys.argv[1:]:
        PATH.write_text(page(), encoding="utf-8")
        return 0
    if PATH.is_file() and PATH.read_text(encoding="utf-8") == page():
        return 0
    sys.stdout.write("docs/hl7v2/outbound.md is out of date: its first lines say how to write it\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
