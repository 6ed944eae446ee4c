"""What every refusal of this server must look like, and that it leaves nothing behind."""

from typing import Any

from pymongo.database import Database

from tests.fhir_server.faults.raw_http import Answer

# Stands in whatever is sent and must not be told to anybody: no answer and no line of the log may have it.
CANARY = "Zq9Canary"

_LONGEST_BODY = 1_000_000


def check_refused(answer: Answer | None, *statuses: int) -> None:
    """Check that a request was refused, by 400 or 422 unless `statuses` are given.

    The answer is an OperationOutcome of a reasonable size without a word of what was sent.
    """
    assert answer is not None
    assert answer.status in (statuses or (400, 422)), (answer.status, answer.body[:500])
    assert answer.is_outcome
    assert CANARY.encode() not in answer.body
    assert len(answer.body) < _LONGEST_BODY


def documents(database: Database[dict[str, Any]]) -> int:
    """Return how many versions of resources there are; what the server notes for itself does not count."""
    names = [name for name in database.list_collection_names() if name[0].isupper() or name == "history"]
    return sum(database[name].count_documents({}) for name in names)
