"""The server for a day: one of its own, with the demo hospital in it and somebody of each role."""

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx

from fhir_server.commands.databases import with_store
from fhir_server.demo.generation import hospital_parts, today
from fhir_server.demo.loading import load_demo
from fhir_server.demo.tables import rows
from fhir_server.demo.users import add_users, new_users
from fhir_server.loader.loading import Report
from fhir_server.loader.signing_in import BearerToken
from fhir_server.loader.submission import Failure
from fhir_server.processes.parent_death import ending_with
from fhir_server.settings import Settings
from fhir_server.smart.accounts.passwords import Passwords
from fhir_server.smart.oauth.operator_tokens import EVERYTHING, issue_token
from fhir_server.store import Store

PATIENTS = 30
_LIFETIME = timedelta(hours=1)
_START_SECONDS = 180.0
_HEADERS = {"accept": "application/fhir+json", "content-type": "application/fhir+json"}


@dataclass(frozen=True, slots=True)
class House:
    """A hospital that is open: its base address, its folder, and for each role somebody with a token.

    `everything` is the token of the operator. `people` are the resources that the roles stand for, such as
    `Practitioner/1` for DR.
    """

    base_url: str
    folder: Path
    tokens: Mapping[str, str]
    people: Mapping[str, str]
    everything: str

    def client(self, role: str) -> httpx.Client:
        """Return a client with the token of somebody of `role`."""
        headers = _HEADERS | {"authorization": f"Bearer {self.tokens[role]}"}
        return httpx.Client(base_url=self.base_url, headers=headers, timeout=60.0)


@contextmanager
def open_house(patients: int = PATIENTS) -> Iterator[House]:
    """Start a server with the demo hospital; stop it and remove its records afterwards.

    Raises RuntimeError if it does not start, or does not take the records.
    """
    with tempfile.TemporaryDirectory(prefix="fhir-day-") as name:
        folder = Path(name)
        port = _free_port()
        process = _serve(folder, port)
        try:
            base_url = f"http://127.0.0.1:{port}/fhir"
            _await(process, base_url, folder)
            house = _with_people(folder, base_url)
            _load(house, patients)
            yield house
        finally:
            process.terminate()
            process.wait(timeout=60)


def mail_folder(folder: Path) -> Path:
    """Return where the server of a day puts the mail that it sends."""
    return folder / "mail"


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _serve(folder: Path, port: int) -> subprocess.Popen[bytes]:
    mail = mail_folder(folder)
    mail.mkdir()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FHIR_")}
    environment |= {"FHIR_MAIL_DIR": str(mail), "FHIR_LOG_LEVEL": "warning"}
    options = ["--port", str(port), "--data-dir", name_of(folder)]
    command = [sys.executable, "-m", "fhir_server", "serve", *options]
    with (folder / "server.log").open("wb") as log:
        return subprocess.Popen(  # noqa: S603 - our own program
            command, env=environment, stdout=log, stderr=log, preexec_fn=ending_with(os.getpid())
        )


def name_of(folder: Path) -> str:
    """Return the data directory of the server of a day."""
    return str(folder / "data")


def _await(process: subprocess.Popen[bytes], base_url: str, folder: Path) -> None:
    """Return when the server can be used; raise RuntimeError with the end of its log if it ends instead."""
    give_up = datetime.now(UTC) + timedelta(seconds=_START_SECONDS)
    while datetime.now(UTC) < give_up:
        if process.poll() is not None:
            break
        try:
            if httpx.get(f"{base_url.removesuffix('/fhir')}/health/ready", timeout=5.0).status_code == 200:
                return
        except httpx.RequestError:
            pass
    log = (folder / "server.log").read_text(errors="replace")
    raise RuntimeError(f"the server does not start: {log[-2000:]}")


def _with_people(folder: Path, base_url: str) -> House:
    settings = Settings(mongo_url=None, data_dir=Path(name_of(folder)))

    async def work(store: Store) -> tuple[dict[str, str], str]:
        passwords = Passwords(settings.password_rounds, settings.password_memory_kib)
        await add_users(new_users(), store.accounts, passwords)
        tokens = {}
        now = datetime.now(UTC)
        for row in rows("users"):
            account = await store.accounts.called(row["user_name"])
            made = await issue_token(store.oauth.grants, EVERYTHING, _LIFETIME, now, account)
            tokens[row["role"]] = made.token
        everything = await issue_token(store.oauth.grants, EVERYTHING, _LIFETIME, now)
        return tokens, everything.token

    tokens, everything = with_store(settings, work)
    people = {row["role"]: row["fhir_user"] for row in rows("users")}
    return House(base_url, folder, tokens, people, everything)


def _load(house: House, patients: int) -> None:
    report, watcher = Report(), _Watcher()
    parts = hospital_parts(today(), patients=patients)
    load_demo(house.base_url, parts, report, watcher, auth=BearerToken(house.everything))
    if report.failures:
        told = "; ".join(watcher.reasons[:3])
        raise RuntimeError(f"{report.failures} demo records were not taken: {told}")


class _Watcher:
    """Keeps what is told of records that were not taken."""

    def __init__(self) -> None:
        """Begin with none."""
        self.reasons: list[str] = []

    def failed(self, failure: Failure) -> None:
        """Keep why something was not taken."""
        self.reasons.append(str(failure))

    def advanced(self, report: Report) -> None:
        """Tell nobody how far the load is."""
