"""The file of channels names destinations; what is wrong with one is told with its line."""

from pathlib import Path

import pytest

from adapters.channel_file import WrongChannels, load_channels
from adapters.destinations import Destination, WrongDestination, load_destinations

_CHANNEL = """\
[[channel]]
name = "lab"
sending_application = "LIS"
sending_facility = "LAB"
time_zone = "Europe/Berlin"
authorities = { GENHOSP = "urn:oid:2.999.1" }

[channel.destination]
host = "lab.example.org"
port = 2575
messages = ["OML^O21", "ADT"]
version = "2.3.1"
charset = "8859/1"

[[destination]]
name = "billing"
folder = "out"
messages = ["DFT"]
charges = "invoices"
"""


def _load(folder: Path, text: str) -> tuple[Destination, ...]:
    path = folder / "channels.toml"
    path.write_text(text)
    return load_destinations(path)


def test_destinations_of_channels_and_alone(tmp_path: Path) -> None:
    """That of a channel has the channel's name, authorities and time zone, and answers its sender."""
    lab, billing = sorted(_load(tmp_path, _CHANNEL), key=lambda one: one.name, reverse=True)
    assert (lab.name, lab.receiving_application, lab.receiving_facility) == ("lab", "LIS", "LAB")
    assert (lab.authorities, lab.time_zone.key) == ({"GENHOSP": "urn:oid:2.999.1"}, "Europe/Berlin")
    assert (lab.codec, lab.is_before("2.4"), lab.is_before("2.3.1")) == ("iso8859-1", True, False)
    assert (billing.folder, billing.charges) == (tmp_path / "out", "invoices")


def test_a_file_may_have_destinations_of_channels_only(tmp_path: Path) -> None:
    """Neither kind of table is needed for the other."""
    channels, _, alone = _CHANNEL.partition("[[destination]]")
    assert [one.name for one in _load(tmp_path, channels)] == ["lab"]
    load_destinations.cache_clear()
    assert [one.name for one in _load(tmp_path, f"[[destination]]{alone}")] == ["billing"]
    load_destinations.cache_clear()
    assert _load(tmp_path, "") == ()


def test_both_are_in_the_whole_file(tmp_path: Path) -> None:
    """The reader of the whole file knows them as well, and gives each channel its own."""
    path = tmp_path / "channels.toml"
    path.write_text(_CHANNEL)
    found = load_channels(path)
    assert {one.name for one in found.destinations} == {"lab", "billing"}
    assert found.channels[0].destination in found.destinations


def test_messages_are_wanted_by_code_or_event(tmp_path: Path) -> None:
    """A code stands for all of its events, and the order of older versions for that of newer ones."""
    lab = next(one for one in _load(tmp_path, _CHANNEL) if one.name == "lab")
    assert lab.wants("ADT^A01")
    assert lab.wants("ORM^O01")
    assert not lab.wants("ORU^R01")


@pytest.mark.parametrize(
    ("change", "line", "told"),
    [
        (("port = 2575", 'port = "x"'), 10, "port is a number"),
        (("port = 2575", "port = 0"), 10, "port is a number"),
        (('version = "2.3.1"', 'version = "3"'), 12, "version is one of"),
        (('charset = "8859/1"', 'charset = "EBCDIC"'), 13, "charset is a name of table 0211"),
        (('messages = ["OML^O21", "ADT"]', 'messages = ["O21"]'), 11, "messages is a list"),
        (('messages = ["OML^O21", "ADT"]', "messages = []"), 11, "messages is a list"),
        (('messages = ["OML^O21", "ADT"]', ""), 8, "messages is missing"),
        (('host = "lab.example.org"', 'hosts = "lab.example.org"'), 9, "hosts is nothing that is known"),
        (('host = "lab.example.org"\n', ""), 8, "folder"),
        (("port = 2575\n", ""), 8, "port is missing"),
        (('name = "billing"', 'name = "lab"'), 16, "name lab is that of another"),
        (('name = "billing"', 'name = "Billing 1"'), 16, "name has lower case"),
        (('charges = "invoices"', 'charges = "all"'), 19, "charges is one of"),
        (('charges = "invoices"', 'certificate = "x.pem"'), 19, "certificate is given with the other"),
        (('charges = "invoices"', 'server_name = "x"'), 19, "server_name is for tls"),
        (('charges = "invoices"', 'tls = "yes"'), 19, "tls is true or false"),
        (('charges = "invoices"', 'time_zone = "Berlin"'), 19, "time_zone is a name"),
        (('charges = "invoices"', "retries = 1.5"), 19, "retries is a number"),
        (('charges = "invoices"', "retries = true"), 19, "retries is a number"),
        (('charges = "invoices"', "answer_seconds = 0"), 19, "answer_seconds is a number"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(
    tmp_path: Path, change: tuple[str, str], line: int, told: str
) -> None:
    """A wrong table is refused with the line and the reason."""
    assert change[0] in _CHANNEL
    text = _CHANNEL.replace(*change)
    with pytest.raises(WrongDestination, match=told) as refused:
        _load(tmp_path, text)
    assert refused.value.line == line
    with pytest.raises(WrongChannels, match=f"line {line}: .*{told}"):
        load_channels(tmp_path / "channels.toml")
