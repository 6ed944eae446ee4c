"""What the errors of the database's driver mean to who asks (see store.failures)."""

import bson
import pytest
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from pymongo.helpers_shared import _check_command_response

from fhir_server.store.failures import translated_failures
from resources.operation_outcome import StoreUnavailable

_RAW: CodecOptions[RawBSONDocument] = CodecOptions(document_class=RawBSONDocument)


def _not_made_safe() -> RawBSONDocument:
    """Return what a MongoDB that is ending answers to a findAndModify, as the driver reads it."""
    concern = {"code": 11600, "codeName": "InterruptedAtShutdown", "errmsg": "interrupted at shutdown"}
    answer = {"ok": 1.0, "writeConcernError": concern, "errorLabels": ["RetryableWriteError"]}
    return bson.decode(bson.encode(answer), codec_options=_RAW)


def test_what_the_driver_falls_over_is_a_database_that_is_away() -> None:
    """The driver's own mistake does not look like one of ours, for which nobody would try again."""
    with pytest.raises(StoreUnavailable), translated_failures():
        _check_command_response(_not_made_safe(), None, parse_write_concern_error=True)


def test_mistakes_of_ours_stay_what_they_are() -> None:
    """Any other AttributeError goes on."""
    with pytest.raises(AttributeError), translated_failures():
        _ = object().update  # type: ignore[attr-defined]
