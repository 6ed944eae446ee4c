"""A process that takes messages, for the tests of a module, and what lies in its database."""

from collections.abc import Iterator
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pymongo import MongoClient
from pymongo.database import Database

from adapters.channels import Channel, Channels
from fhir_server.settings import Settings
from tests.fhir_server.hl7v2.hospital import Hospital, running
from tests.fhir_server.hl7v2.records import Records
from tests.fhir_server.hl7v2.records import hospital as opened

BERLIN = ZoneInfo("Europe/Berlin")
ADT = Channel("adt", "ADT", "GENHOSP", BERLIN, required_fields=("PID-3",))
TRAINING = Channel("training", "ADT", "TRAINING", BERLIN, processing_id="T")
LATIN = Channel("latin", "OLD", "GENHOSP", BERLIN, charset="8859/1")
ELSEWHERE = Channel("elsewhere", "FAR", "GENHOSP", BERLIN, peers=("192.0.2.7",))
LAB = Channel("lab", "LAB", "GENHOSP", BERLIN)


@pytest.fixture(scope="module")
def channels() -> Channels:
    """The systems that send messages."""
    return Channels((ADT, TRAINING, LATIN, ELSEWHERE, LAB))


@pytest.fixture(scope="module")
def hospital(settings: Settings, channels: Channels) -> Iterator[Hospital]:
    """A process that takes their messages."""
    with running(settings, channels) as found:
        yield found


@pytest.fixture(scope="module")
def records(settings: Settings) -> Iterator[Records]:
    """The records of a hospital that keeps all its rules."""
    with opened(settings.model_copy(update={"workflows_off": None})) as found:
        yield found


@pytest.fixture
def kept(settings: Settings, mongo_client: MongoClient[dict[str, Any]]) -> Database[dict[str, Any]]:
    """The database of the process, to look into."""
    return mongo_client[settings.database]
