"""What is done on the day, and whether it was answered as it has to be: a readable trace, and the papers."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console

from fhir_server.demo.day.house import House
from fhir_server.smart.principal import ROLES
from resources.json_format import dumps, parse

Resource = dict[str, Any]

# What others do a moment later: the agenda looks every half second.
_PATIENCE_SECONDS = 30.0
_PAUSE_SECONDS = 0.1
_SHOWN = 600


class WentWrong(Exception):
    """Something on the day was not as it has to be; the message says what, and what was answered."""


@dataclass(slots=True)
class Trace:
    """The day as it goes: whoever acts does so through this, so that it is told and checked.

    `papers` is the folder for PDFs and other files, and `saved` what was put into it. `known` is what one
    part of the day leaves to the next.
    """

    house: House
    console: Console
    papers: Path
    saved: list[Path] = field(default_factory=list)
    known: dict[str, Resource] = field(default_factory=dict)
    _clients: dict[str, httpx.Client] = field(default_factory=dict)
    _stack: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> "Trace":
        """Open a client for each role."""
        self.papers.mkdir(parents=True, exist_ok=True)
        for role in self.house.tokens:
            self._clients[role] = self._stack.enter_context(self.house.client(role))
        return self

    def __exit__(self, *_exception: object) -> None:
        """Close them."""
        self._stack.close()

    def chapter(self, title: str) -> None:
        """Begin a part of the day."""
        self.console.print(f"\n[bold]{title}[/bold]")

    def tell(self, role: str, what: str, result: str = "") -> None:
        """Print one line: who did what, and what came of it."""
        who = ROLES.get(role, role)
        line = f"  {who:15} {what}" + (f"  [dim]{result}[/dim]" if result else "")
        self.console.print(line, soft_wrap=True, highlight=False)

    def send(
        self,
        role: str,
        method: str,
        path: str,
        body: Any = None,
        *,
        status: int | Sequence[int] = (200, 201),
        headers: Mapping[str, str] | None = None,
    ) -> Resource:
        """Send a request with the token of `role`, and return the resource that was answered.

        Raises WentWrong if the answer has another status.
        """
        content = None if body is None else dumps(body)
        answer = self._clients[role].request(method, path, content=content, headers=headers)
        wanted = (status,) if isinstance(status, int) else status
        if answer.status_code not in wanted:
            asked = f"{role} {method} {path}"
            raise WentWrong(
                f"{asked} was answered {answer.status_code}, not {wanted}: {answer.text[:_SHOWN]}"
            )
        found: Resource = parse(answer.content) if answer.content else {}
        return found

    def create(self, role: str, resource: Resource) -> Resource:
        """Have somebody create a resource."""
        return self.send(role, "POST", f"/{resource['resourceType']}", resource, status=201)

    def read(self, role: str, reference: str) -> Resource:
        """Have somebody read a resource."""
        return self.send(role, "GET", f"/{reference}", status=200)

    def search(self, role: str, query: str) -> list[Resource]:
        """Have somebody search; return the matches and what was included."""
        found = self.send(role, "GET", f"/{query}", status=200)
        return [entry["resource"] for entry in found.get("entry", ())]

    def update(self, role: str, resource: Resource) -> Resource:
        """Have somebody replace the version of a resource that they saw."""
        path = f"/{resource['resourceType']}/{resource['id']}"
        version = {"if-match": f'W/"{resource["meta"]["versionId"]}"'}
        return self.send(role, "PUT", path, resource, status=200, headers=version)

    def call(self, role: str, path: str, **values: Any) -> Resource:
        """Have somebody call an operation with `value[x]`s or resources as its parameters."""
        listed = [one for name, value in values.items() for one in _parameters(name, value)]
        return self.send(role, "POST", f"/{path}", {"resourceType": "Parameters", "parameter": listed})

    def refused(self, role: str, method: str, path: str, body: Any, status: int, rule: str = "") -> None:
        """Have somebody try what they may not do; raise WentWrong if it is not refused, or not by `rule`."""
        outcome = self.send(role, method, path, body, status=status)
        if rule and rule not in json.dumps(outcome, default=str):
            raise WentWrong(f"{role} {method} {path} was refused, but not by {rule}: {outcome}")

    def wait_for(self, what: str, look: Callable[[], Any]) -> Any:
        """Return what `look` finds as soon as it finds something; raise WentWrong if that takes too long."""
        give_up = time.monotonic() + _PATIENCE_SECONDS
        while not (found := look()):
            if time.monotonic() > give_up:
                raise WentWrong(f"{what} did not come within {_PATIENCE_SECONDS:.0f} s")
            time.sleep(_PAUSE_SECONDS)
        return found

    def check(self, holds: object, what: str) -> None:
        """Raise WentWrong unless something is as it has to be."""
        if not holds:
            raise WentWrong(what)

    def save(self, role: str, name: str, reference: str) -> Path:
        """Save the content of a Binary among the papers; raise WentWrong if it is no PDF."""
        answer = self._clients[role].get(f"/{reference}", headers={"accept": "application/pdf"})
        self.check(answer.status_code == 200, f"{reference}: {answer.status_code} {answer.text[:_SHOWN]}")
        self.check(answer.content.startswith(b"%PDF-"), f"{reference} is no PDF")
        return self.keep(name, answer.content)

    def paper(self, role: str, name: str, query: str) -> Path:
        """Save the PDF that a search for DocumentReferences finds, as soon as it is made."""

        def look() -> str | None:
            found = self.search(role, f"DocumentReference?{query}")
            return found[0]["content"][0]["attachment"]["url"] if found else None

        url = self.wait_for(f"the paper {name}", look)
        return self.save(role, name, url.removeprefix(f"{self.house.base_url}/"))

    def keep(self, name: str, content: bytes) -> Path:
        """Keep a file among the papers."""
        path = self.papers / name
        path.write_bytes(content)
        self.saved.append(path)
        return path


def _parameters(name: str, value: Any) -> list[Resource]:
    values = value if isinstance(value, list) else [value]
    return [_parameter(name.rstrip("_").replace("_", "-"), one) for one in values]


def _parameter(name: str, value: Any) -> Resource:
    if isinstance(value, dict) and "resourceType" in value:
        return {"name": name, "resource": value}
    if isinstance(value, dict) and len(value) == 1 and next(iter(value)).startswith("value"):
        return {"name": name, **value}
    if isinstance(value, bool):
        return {"name": name, "valueBoolean": value}
    if isinstance(value, int):
        return {"name": name, "valueInteger": value}
    return {"name": name, "valueString": str(value)}
