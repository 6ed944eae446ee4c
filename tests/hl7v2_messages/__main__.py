"""Write docs/hl7v2/messages.md: `python -m tests.hl7v2_messages`; `--check` only says what is wrong.

FHIR_TEST_MONGO_URL names a MongoDB to use; without it one is started. Without ../shared nothing is done.
"""

import asyncio
import os
import sys
import tempfile
import uuid
from pathlib import Path

from fhir_server.logs import configure_logs
from fhir_server.settings import Settings
from fhir_server.store.embedded import running_mongo
from tests.hl7v2_messages.page import PATH, files, text
from tests.hl7v2_messages.sending import sent


def main() -> int:
    """Return 0 if the page is what the messages are answered."""
    if not files():
        sys.stdout.write("there are no messages: ../shared is missing\n")
        return 0
    page = _page()
    if "--check" not in sys.argv[1:]:
        PATH.write_text(page, encoding="utf-8")
        return 0
    if PATH.is_file() and PATH.read_text(encoding="utf-8") == page:
        return 0
    sys.stdout.write("docs/hl7v2/messages.md is out of date: its first lines say how to write it\n")
    return 1


def _page() -> str:
    given = os.environ.get("FHIR_TEST_MONGO_URL")
    with (
        tempfile.TemporaryDirectory(prefix="fhir-test-") as folder,
        running_mongo(Settings(mongo_url=given, data_dir=Path(folder))) as mongo,
    ):
        name = f"test_{uuid.uuid4().hex[:12]}"
        settings = Settings(mongo_url=mongo.url, database=name, auth="off", log_level="error")
        configure_logs(settings)
        return text(asyncio.run(sent(settings, files())))


if __name__ == "__main__":
    sys.exit(main())
