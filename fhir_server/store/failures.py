"""What MongoDB's errors mean to a FHIR client.

Codes: https://github.com/mongodb/mongo/blob/v6.0/src/mongo/base/error_codes.yml
"""

from collections.abc import Iterator
from contextlib import contextmanager

from bson.errors import BSONError
from pymongo.errors import (
    ConfigurationError,
    ConnectionFailure,
    DocumentTooLarge,
    ExecutionTimeout,
    OperationFailure,
    PyMongoError,
)

from resources.operation_outcome import (
    Conflict,
    ContentTooLarge,
    FhirError,
    InvalidContent,
    InvalidSearch,
    StoreUnavailable,
    TooCostly,
    error,
)

_WRITE_CONFLICT = 112
_TOO_DEEP = {15}  # Overflow: a document nested more than 200 levels
_TOO_LARGE = {10334, 17419, 17420, 257, 334}  # BSONObjectTooLarge and its kin, TransactionTooLarge
_NO_PATTERN = {51091}  # a regular expression that is longer than 32,764 bytes
_TOO_LONG = {290}  # TransactionExceededLifetimeLimitSeconds
_SNAPSHOT_GONE = {
    239,  # SnapshotTooOld
    246,  # SnapshotUnavailable
}
_INVALID_OPTIONS = 72
_UNAVAILABLE = {
    11600,  # InterruptedAtShutdown
    11602,  # InterruptedDueToReplStateChange
    10107,  # NotWritablePrimary
    13435,  # NotPrimaryNoSecondaryOk
    13436,  # NotPrimaryOrSecondary
    189,  # PrimarySteppedDown
    91,  # ShutdownInProgress
    239,  # SnapshotTooOld
    246,  # SnapshotUnavailable: a collection or index was made a moment ago
}


# The driver (4.20) falls over its own raw documents when a findAndModify could not be made safe, as by a
# MongoDB that is ending: https://github.com/mongodb/mongo-python-driver/pull/530
_RAW_DOCUMENT = "'RawBSONDocument' object has no attribute"


class SnapshotGone(Exception):
    """MongoDB cannot tell any more, or not yet, how things were at the moment that was asked for."""


def is_write_conflict(failure: PyMongoError) -> bool:
    """Tell whether a transaction lost against another one, and may win when it is tried again."""
    code = failure.code if isinstance(failure, OperationFailure) else None
    lost_connection = isinstance(failure, ConnectionFailure)
    return code == _WRITE_CONFLICT or (
        failure.has_error_label("TransientTransactionError") and not lost_connection
    )


@contextmanager
def translated_failures() -> Iterator[None]:
    """Turn the driver's errors into FhirErrors; none of these tells anything of the data."""
    try:
        yield
    except OverflowError as failure:
        message = "A number or moment is outside of what the database can compare with"
        raise InvalidSearch(error("value", message)) from failure
    except (PyMongoError, BSONError) as failure:
        raise _meaning(failure) from failure
    except AttributeError as failure:
        if _RAW_DOCUMENT not in str(failure):
            raise
        raise _unreachable() from failure


def _unreachable() -> StoreUnavailable:
    return StoreUnavailable(
        error("transient", "The database cannot be reached; nothing is known to be stored")
    )


def _meaning(failure: Exception) -> Exception:
    code = failure.code if isinstance(failure, OperationFailure) else None
    result: FhirError
    # The second is a moment in the future: the database was set back to an older state.
    if code in _SNAPSHOT_GONE or (code == _INVALID_OPTIONS and "atClusterTime" in str(failure)):
        return SnapshotGone()
    # A member that starts does not know of sessions yet, which the driver takes for how it is set up.
    if isinstance(failure, ConnectionFailure | ConfigurationError) or code in _UNAVAILABLE:
        result = _unreachable()
    elif isinstance(failure, DocumentTooLarge) or code in _TOO_LARGE:
        result = ContentTooLarge(
            error("too-long", "MongoDB takes no more than 16 MB in one resource, and no larger transaction")
        )
    elif isinstance(failure, ExecutionTimeout) or code in _TOO_LONG:
        message = (
            "This takes the database longer than one request may; ask for less, for example of one patient,"
            " with one code or by a date, or send it with Prefer: respond-async"
        )
        result = TooCostly(error("too-costly", message))
    elif code in _NO_PATTERN:
        result = InvalidSearch(error("too-long", "A value is too long to be looked for within others"))
    elif code in _TOO_DEEP or isinstance(failure, BSONError):
        result = InvalidContent(error("structure", "The resource is nested too deeply to be stored"))
    elif isinstance(failure, PyMongoError) and is_write_conflict(failure):
        result = Conflict(error("conflict", "Too many others write the same resources now; try again"))
    else:
        return failure
    return result
