"""The file of channels: what it says, what is refused with its line, and whose message is of which."""

from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from adapters.channel_file import WrongChannels, load_channels
from adapters.channels import Channel, Channels, Listener, Peer, UnknownSender
from hl7.errors import UnsupportedMessage
from hl7.parser import parse
from tests.adapters.senders import adt
from tests.conftest import REPOSITORY

_GOOD = """[[channel]]
name = "lab"
sending_application = "LAB"
sending_facility = "GENHOSP"
time_zone = "Europe/Berlin"
"""


def _written(folder: Path, text: str) -> Path:
    path = folder / "channels.toml"
    path.write_text(text)
    return path


def test_the_example_is_good() -> None:
    """The file that comes with the server can be used as it is."""
    found = load_channels(REPOSITORY / "channels.example.toml")
    assert [one.name for one in found.channels] == ["lab", "adt", "billing"]
    assert found.channels[2].charset == "8859/1"
    assert found.listeners == ()


def test_a_whole_file_is_read(tmp_path: Path) -> None:
    """Every key of a channel and of a listener; paths are from the file's folder."""
    text = (
        _GOOD
        + """charset = "8859/1"
processing_id = "T"
authorities = { GENHOSP = "urn:oid:1.2.3" }
required_fields = ["PID-3", "PV1-2"]
unknown_authority = "urn"
unknown_code = "refuse"
unknown_loser = "refuse"
snapshot = true
peers = ["10.0.0.0/8", "cn=lab.example.org", "client=abc"]
encounter_a04 = "in-progress"

[[listener]]
name = "tls"
host = "0.0.0.0"
port = 2577
certificate = "cert.pem"
key = "key.pem"
certificate_authorities = "ca.pem"
channels = ["lab"]
idle_seconds = 60
max_bytes = 4096
"""
    )
    found = load_channels(_written(tmp_path, text))
    [channel] = found.channels
    assert channel.time_zone == ZoneInfo("Europe/Berlin")
    assert channel.authorities == {"GENHOSP": "urn:oid:1.2.3"}
    [listener] = found.listeners
    assert listener.key == tmp_path / "key.pem"
    assert (listener.idle_seconds, listener.max_bytes) == (60, 4096)
    assert found.on(listener).channels == found.channels


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("[[channel]\n", 1, "not TOML"),
        (_GOOD + "x = \n", 6, "not TOML"),
        ("[general]\n", 1, "there is no general"),
        ('channel = "lab"\n', 1, "[[channel]]"),
        (_GOOD.replace('name = "lab"', 'name = "The Lab"'), 2, "lower case"),
        (_GOOD.replace('name = "lab"\n', ""), 1, "name is missing"),
        (_GOOD.replace("LAB", ""), 3, "is a text"),
        (_GOOD.replace("Europe/Berlin", "Mars/Olympus"), 5, "IANA"),
        (_GOOD + 'colour = "red"\n', 6, "colour is nothing"),
        (_GOOD + 'processing_id = "X"\n', 6, "P, T, D"),
        (_GOOD + 'unknown_code = "guess"\n', 6, "keep, refuse"),
        (_GOOD + "snapshot = 1\n", 6, "true or false"),
        (_GOOD + 'required_fields = ["PID.3"]\n', 6, "PID-3"),
        (_GOOD + 'peers = ["lab.example.org"]\n', 6, "addresses"),
        (_GOOD + 'authorities = { X = "no uri" }\n', 6, "URI"),
        (_GOOD + _GOOD, 7, "two of the name"),
        (_GOOD + _GOOD.replace('"lab"', '"lab2"'), 6, "same sender"),
        (_GOOD + '[[listener]]\nname = "a"\nport = 1\nhost = "0.0.0.0"\n', 9, "plain = true"),
        (_GOOD + '[[listener]]\nname = "a"\nport = 1\nkey = "k"\n', 9, "the other of the two"),
        (_GOOD + '[[listener]]\nname = "a"\nport = 1\nchannels = ["b"]\n', 9, "no channel b"),
        (_GOOD + '[[listener]]\nname = "a"\n', 6, "port is a whole number"),
    ],
)
def test_a_wrong_file_is_refused_with_line_and_reason(
    tmp_path: Path, text: str, line: int, reason: str
) -> None:
    """Whoever wrote it finds the place."""
    with pytest.raises(WrongChannels) as refused:
        load_channels(_written(tmp_path, text.replace("\n\n", "\n")))
    message = str(refused.value)
    assert f"line {line}:" in message, message
    assert reason in message


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """With the reason of the system."""
    with pytest.raises(WrongChannels, match="cannot be read"):
        load_channels(tmp_path / "none.toml")


def _channel(**changes: object) -> Channel:
    values: dict[str, object] = {
        "name": "adt",
        "sending_application": "ADT",
        "sending_facility": "GENHOSP",
        "time_zone": ZoneInfo("UTC"),
    }
    return Channel(**(values | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("peers", "peer", "admitted"),
    [
        ((), Peer("127.0.0.1"), True),
        ((), Peer("::1"), True),
        ((), Peer("10.0.0.1"), False),
        ((), Peer("127.0.0.1", client="abc"), False),
        (("10.0.0.0/8",), Peer("10.1.2.3"), True),
        (("10.0.0.0/8",), Peer("127.0.0.1"), False),
        (("10.0.0.0/8",), Peer("10.1.2.3", client="abc"), False),
        (("cn=lab",), Peer("203.0.113.1", "lab"), True),
        (("cn=lab",), Peer("203.0.113.1", "other"), False),
        (("cn=lab",), Peer("203.0.113.1"), False),
        (("client=abc",), Peer("203.0.113.1", client="abc"), True),
    ],
)
def test_a_channel_admits_the_peers_that_it_names(
    peers: tuple[str, ...], peer: Peer, *, admitted: bool
) -> None:
    """By address, by certificate or by token; programs of this machine if it names nobody."""
    assert _channel(peers=peers).admits(peer) is admitted


def test_a_channel_is_found_by_the_sender_and_the_environment() -> None:
    """MSH-3, MSH-4 and MSH-11; production and training may be two channels of one sender."""
    channels = Channels((_channel(), _channel(name="training", processing_id="T")))
    local = Peer("127.0.0.1")
    assert channels.of(parse(adt()).header, local).name == "adt"
    assert channels.of(parse(adt(processing="T")).header, local).name == "training"
    with pytest.raises(UnsupportedMessage) as refused:
        channels.of(parse(adt(processing="D")).header, local)
    assert (refused.value.code, refused.value.answer) == ("202", "AR")
    with pytest.raises(UnknownSender):
        channels.of(parse(adt(sender="ADT|OTHER")).header, local)
    with pytest.raises(UnknownSender):
        channels.of(parse(adt()).header, Peer("192.0.2.1"))


def test_a_listener_beyond_this_machine_is_encrypted_or_said_to_be_plain() -> None:
    """The check of the file, at the listener itself."""
    assert Listener("a", "0.0.0.0", 1).is_open
    assert not Listener("a", "0.0.0.0", 1, plain=True).is_open
    assert not Listener("a", "::1", 1).is_open
