"""An MLLP client that others wrote: `mllp_send` of the PyPI package hl7, in an environment of its own.

Its import name is one of ours, so that it cannot be in the same environment. https://python-hl7.readthedocs.io/
"""

import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from adapters.channels import Channels
from fhir_server.settings import Settings
from hl7.parser import parse
from tests.adapters.senders import adt
from tests.fhir_server.hl7v2.conftest import ADT
from tests.fhir_server.hl7v2.hospital import running

_PACKAGE = "hl7==0.4.5"
_INSTALL_SECONDS = 120


@pytest.fixture(scope="module")
def mllp_send(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program of the package; tests are skipped where the package index cannot be reached."""
    folder = tmp_path_factory.mktemp("python-hl7")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True, timeout=_INSTALL_SECONDS)
    install = [folder / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check", _PACKAGE]
    try:
        subprocess.run(install, check=True, capture_output=True, timeout=_INSTALL_SECONDS)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        pytest.skip(f"{_PACKAGE} cannot be installed here")
    return folder / "bin" / "mllp_send"


def test_messages_of_another_client_are_answered(mllp_send: Path, settings: Settings, tmp_path: Path) -> None:
    """Three messages in one file over one connection: three answers, as the client prints them."""
    ids = [uuid.uuid4().hex[:12] for _ in range(3)]
    file = tmp_path / "messages.hl7"
    file.write_bytes(b"".join(b"\x0b" + adt(one, person=one) + b"\x1c\r" for one in ids))
    with running(settings, Channels((ADT,))) as hospital:
        arguments = ["--port", str(hospital.port), "--file", str(file), "127.0.0.1"]
        printed = subprocess.run([mllp_send, *arguments], capture_output=True, check=True, timeout=60).stdout
    parts = printed.replace(b"\n", b"\r").split(b"\x1c")
    answers = [parse(part[part.index(b"MSH") :]) for part in parts if b"MSH" in part]
    codes = [(msa.get(1), msa.get(2)) for one in answers if (msa := one.first("MSA")) is not None]
    assert codes == [("AA", one) for one in ids], printed
