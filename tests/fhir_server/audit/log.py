"""The audit log as an auditor reads it: by searches for AuditEvents."""

from typing import Any

import httpx

Resource = dict[str, Any]


class Log:
    """What came into the log since this was made; reading it adds to it as well, which is left out."""

    def __init__(self, auditor: httpx.Client) -> None:
        self._auditor = auditor
        self._before = {event["id"] for event in self._all()}

    def _all(self) -> list[Resource]:
        found: list[Resource] = []
        address = "/AuditEvent?_count=500&_sort=date"
        while address:
            page = self._auditor.get(address)
            page.raise_for_status()
            body = page.json()
            found += [entry["resource"] for entry in body.get("entry", ())]
            address = next((one["url"] for one in body["link"] if one["relation"] == "next"), "")
        return found

    def events(self) -> list[Resource]:
        """Return the events since, but those of AuditEvents that were read."""
        return [
            event for event in self._all() if event["id"] not in self._before and not _is_of_the_log(event)
        ]


def _is_of_the_log(event: Resource) -> bool:
    queried = query(event)
    return queried is not None and queried.startswith("AuditEvent")


def query(event: Resource) -> str | None:
    """Return what was asked, None if the event is not about a query."""
    import base64

    for entity in event["entity"]:
        if "query" in entity:
            return base64.b64decode(entity["query"]).decode()
    return None


def patients(event: Resource) -> list[str]:
    """Return the patients whom an event is about."""
    return [
        entity["what"]["reference"]
        for entity in event["entity"]
        if entity.get("role", {}).get("code") == "1"
    ]


def data(event: Resource) -> list[str]:
    """Return the references to the resources that an event is about."""
    return [
        entity["what"]["reference"]
        for entity in event["entity"]
        if entity.get("role", {}).get("code") == "4"
    ]
