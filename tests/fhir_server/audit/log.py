"""The audit log as an auditor reads it: by searches for AuditEvents."""

import base64
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import httpx

Resource = dict[str, Any]


class Log:
    """What came into the log since this was made; that somebody reads the log is left out."""

    def __init__(self, auditor: httpx.Client) -> None:
        """Read as `auditor`."""
        self._auditor = auditor
        self._since = (datetime.now(UTC) - timedelta(seconds=1)).isoformat(timespec="milliseconds")
        self._before = {event["id"] for event in self._all()}

    def _all(self) -> list[Resource]:
        found: list[Resource] = []
        address = f"/AuditEvent?date=ge{quote(self._since)}&_count=500&_sort=date"
        while address:
            page = self._auditor.get(address)
            page.raise_for_status()
            body = page.json()
            found += [entry["resource"] for entry in body.get("entry", ())]
            address = next((one["url"] for one in body["link"] if one["relation"] == "next"), "")
        return found

    def events(self) -> list[Resource]:
        """Return the events since, in the order of what they tell of."""
        return [
            event for event in self._all() if event["id"] not in self._before and not _is_of_the_log(event)
        ]

    def told(self) -> set[tuple[str, str, tuple[str, ...], tuple[str, ...]]]:
        """Return what the events tell: interaction, outcome, the patient and the resources of each."""
        return {(subtype(one), one["outcome"], patients(one), data(one)) for one in self.events()}


def _is_of_the_log(event: Resource) -> bool:
    return (query(event) or "").startswith("AuditEvent")


def subtype(event: Resource) -> str:
    """Return the code of the interaction."""
    return str(event["subtype"][-1]["code"])


def query(event: Resource) -> str | None:
    """Return what was asked, None if the event is not about a query."""
    found = [entity["query"] for entity in event.get("entity", ()) if "query" in entity]
    return base64.b64decode(found[0]).decode() if found else None


def _references(event: Resource, role: str) -> tuple[str, ...]:
    return tuple(
        entity["what"]["reference"]
        for entity in event.get("entity", ())
        if entity.get("role", {}).get("code") == role
    )


def patients(event: Resource) -> tuple[str, ...]:
    """Return the patients whom an event is about."""
    return _references(event, "1")


def data(event: Resource) -> tuple[str, ...]:
    """Return the references to the resources that an event is about."""
    return _references(event, "4")


def person(event: Resource) -> Resource | None:
    """Return the agent that is a person."""
    found = [agent for agent in event["agent"] if agent["requestor"] and "network" not in agent]
    return found[0] if found else None


def application(event: Resource) -> str:
    """Return the id of the application."""
    found = [agent for agent in event["agent"] if "identifier" in agent["who"] and "network" in agent]
    return str(found[0]["who"]["identifier"]["value"])
