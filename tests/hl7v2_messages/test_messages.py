"""All messages of the public data set, sent the whole way: the page says what they are answered, and why."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from pymongo import MongoClient

from fhir_server.settings import Settings
from resources.validation import validate
from tests.hl7v2_messages import page
from tests.hl7v2_messages.expected import missing
from tests.hl7v2_messages.sending import Sent, sent

_DATABASE = "test-hl7v2-messages"


@pytest.fixture(scope="module")
def found(shared_data: Path, mongo_url: str) -> Iterator[list[Sent]]:
    """What became of the messages, by the rules of a hospital that keeps all of them."""
    assert shared_data / "hl7v2" == page.MESSAGES
    settings = Settings(mongo_url=mongo_url, database=_DATABASE, log_level="error", auth="off")
    yield asyncio.run(sent(settings, page.files()))
    with MongoClient[dict[str, object]](mongo_url) as client:
        client.drop_database(_DATABASE)


def test_page_is_up_to_date(found: list[Sent]) -> None:
    """docs/hl7v2/messages.md says what each of them is answered."""
    assert len(found) == 139
    assert page.PATH.read_text(encoding="utf-8") == page.text(found)


def test_what_is_stored_is_valid(found: list[Sent]) -> None:
    """Whatever a message said, what was made of it passes base validation."""
    wrong = [
        (one.name, stored["resourceType"], issue.diagnostics)
        for one in found
        for stored in one.resources
        for issue in validate(stored)
        if issue.severity in ("error", "fatal")
    ]
    assert wrong == []


def test_what_accepted_messages_say_is_there(found: list[Sent]) -> None:
    """AA means that nothing is lost: each group of segments made its resource."""
    assert [one for each in found if each.state != "refused" for one in missing(each)] == []


def test_what_is_refused_leaves_nothing(found: list[Sent]) -> None:
    """A message is applied as a whole or not at all; why it is not stands in the page, for each of them."""
    refused = {one.name: one for one in found if one.state == "refused"}
    assert {one.state for one in found} == {"applied", "refused"}
    assert [name for name, one in refused.items() if one.resources] == []
    assert all(one.reasons for one in refused.values())
    assert {name for name, one in refused.items() if page.is_taken(one)} == page.whys().keys()


def test_answers_are_what_the_inbox_says(found: list[Sent]) -> None:
    """AA goes with what was applied, AE and AR with what was refused; operators see what ERR tells."""
    for one in found:
        final = [each for each in one.answers if each.code != "CA"]
        assert {each.code for each in final} <= ({"AA"} if one.state == "applied" else {"AE", "AR"}), one.name
        for answer in final:
            assert [each.code for each in answer.errors] == [each.code for each in one.reasons], one.name
