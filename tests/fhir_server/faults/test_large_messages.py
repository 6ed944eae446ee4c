"""HL7 v2 messages that are larger than anybody expects: a document of 30 MB, a report of 10,000 results."""

import uuid
from collections.abc import Iterator

import httpx
import pytest

from tests.adapters.senders import Sender, code, connected, error_codes
from tests.fhir_server.faults.message_crashes import CHANNELS
from tests.fhir_server.faults.server_process import ServerProcess, free_port, resident_bytes, running

_MEGABYTE = 2**20
_RESULTS = 10_000


@pytest.fixture(scope="module")
def port() -> int:
    """The port on which messages are taken."""
    return free_port()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, port: int) -> Iterator[ServerProcess]:
    """A server of one process, with all rules on."""
    folder = tmp_path_factory.mktemp("large")
    path = folder / "channels.toml"
    path.write_text(CHANNELS)
    environment = {"FHIR_CHANNELS": str(path), "FHIR_MLLP_PORT": str(port), "FHIR_WORKFLOWS_OFF": ""}
    with running(folder, environment=environment) as found:
        yield found


def _ask(sender: Sender, message: bytes) -> bytes:
    sender.socket.settimeout(120)
    return sender.ask(message)


def _head(event: str, control_id: str, person: str) -> list[str]:
    return [
        f"MSH|^~\\&|ADT|GENHOSP|FHIR|HOSPITAL|20260301120000||{event}|{control_id}|P|2.5.1",
        f"PID|1||{person}^^^GENHOSP^MR||{person.title()}muster^Mara||19800101|F",
    ]


def _document(control_id: str, megabytes: int) -> bytes:
    """Return an MDM^T02 with a document of so many megabytes in base64, which is not worth compressing."""
    noise = "".join(uuid.uuid4().hex for _ in range(megabytes * _MEGABYTE // 32))
    head, pid = _head("MDM^T02^MDM_T02", control_id, "papers")
    return "\r".join(
        [
            head,
            "EVN|T02|20260301120000",
            pid,
            "PV1|1|O",
            f"TXA|1|DS^Discharge summary|AP|20260301110000||||||||{control_id}^GENHOSP|||||AU",
            f"OBX|1|ED|PDF^Document||^application^pdf^Base64^{noise}||||||F",
            "",
        ]
    ).encode()


def _report(control_id: str) -> bytes:
    """Return an ORU^R01 with very many OBX."""
    rows = [
        *_head("ORU^R01^ORU_R01", control_id, "results"),
        f"OBR|1||{control_id}^LAB|58410-2^Panel^LN|||20260301110000||||||||||||||||||F",
        *(
            f"OBX|{number}|NM|T{number}^Test {number}^L||{number}.5|mmol/L|1-9|N|||F"
            for number in range(1, _RESULTS + 1)
        ),
        "",
    ]
    return "\r".join(rows).encode()


def test_a_document_of_some_megabytes_can_be_read_by_fhir(server: ServerProcess, port: int) -> None:
    """What fits into a resource is stored as it came."""
    with connected(port) as sender:
        answer = _ask(sender, _document("SMALL", 8))
    assert code(answer) == "AA", answer
    found = httpx.get(f"{server.base_url}/DocumentReference?identifier=SMALL", timeout=60).json()
    (attachment,) = [one["attachment"] for one in found["entry"][0]["resource"]["content"]]
    assert attachment["contentType"] == "application/pdf"
    assert len(attachment["data"]) == 8 * _MEGABYTE


def test_a_document_of_thirty_megabytes_is_refused_and_kept(server: ServerProcess, port: int) -> None:
    """AE with 104 (value too long), as no resource takes it; memory does not grow from one to the next."""
    sizes = []
    with connected(port) as sender:
        for number in range(8):
            answer = _ask(sender, _document(f"HUGE-{number}", 30))
            assert (code(answer), error_codes(answer)) == ("AE", ["104"])
            sizes.append(resident_bytes(server.pid))
    assert max(sizes) < 700 * _MEGABYTE
    assert sizes[-1] < sizes[1] + 200 * _MEGABYTE, sizes
    assert (
        httpx.get(f"{server.base_url}/DocumentReference?identifier=HUGE-0", timeout=60).json()["total"] == 0
    )


def test_a_report_of_ten_thousand_results_is_stored_whole(server: ServerProcess, port: int) -> None:
    """All of them are there when it is acknowledged."""
    with connected(port) as sender:
        answer = _ask(sender, _report("MANY"))
        for _ in range(10):
            # On a slow machine it is safe before it is done; who asks again is told when it is.
            if code(answer) != "AR":
                break
            assert error_codes(answer) == ["207"]
            answer = _ask(sender, _report("MANY"))
    assert code(answer) == "AA", answer[:2000]
    url = server.base_url
    found = httpx.get(f"{url}/DiagnosticReport?identifier=MANY", timeout=60).json()
    assert len(found["entry"][0]["resource"]["result"]) == _RESULTS
    count = httpx.get(
        f"{url}/Observation?subject:Patient.identifier=results&_summary=count", timeout=60
    ).json()
    assert count["total"] == _RESULTS
    assert resident_bytes(server.pid) < 900 * _MEGABYTE
