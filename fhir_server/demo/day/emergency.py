"""The emergency department: somebody whom nobody knows, urgent, and not overlooked."""

from fhir_server.demo.day.trace import Trace


def triage(day: Trace) -> None:
    """Check in an unknown patient, find them at the head of the queue, and have their call accepted."""
    listed = [
        {"name": "unknown", "valueBoolean": True},
        {"name": "complaint", "valueString": "Chest pain"},
        {"name": "esi", "valueInteger": 2},
    ]
    parameters = {"resourceType": "Parameters", "parameter": listed}
    visit = day.send("RN", "POST", "/Encounter/$er-checkin", parameters, status=(200, 201))
    reference = f"Encounter/{visit['id']}"
    day.tell("RN", "checks in somebody unknown, ESI 2", f"{reference} is {visit['status']}")
    queue = day.send("RN", "GET", "/Encounter/$er-queue", status=200)
    waiting = [entry["item"]["reference"] for entry in queue.get("entry", ())]
    day.check(reference in waiting, "who is checked in is not in the queue")
    day.tell("RN", "looks at the queue", f"place {waiting.index(reference) + 1} of {len(waiting)}")
    day.send(
        "RN",
        "POST",
        "/Encounter/$er-checkin",
        {"resourceType": "Parameters", "parameter": [*listed[:2], {"name": "esi", "valueInteger": 6}]},
        status=(400, 422),
    )
    day.tell("RN", "triages by ESI 6", "refused: it goes from 1 to 5")
