"""Discharge: a summary that a doctor signs, a bed to be cleaned, and a paper for home."""

from datetime import UTC, datetime, timedelta

from fhir_server.demo.day.trace import Trace


def discharge(day: Trace) -> None:
    """End the stay, with a summary, instructions and a follow-up."""
    encounter = f"Encounter/{day.known['encounter']['id']}"
    follow_up = datetime.now(UTC).date() + timedelta(days=14)
    listed = [
        {"name": "author", "valueReference": {"reference": day.house.people["DR"]}},
        {"name": "hospital-course", "valueString": "High potassium, corrected by infusion."},
        {"name": "instructions", "valueString": "Rest for a week; no salt substitutes."},
        {"name": "follow-up", "valueDate": follow_up.isoformat()},
        {"name": "disposition", "valueCode": "home"},
        {"name": "orders-reviewed", "valueBoolean": True},
    ]
    signed = [*listed, {"name": "sign", "valueBoolean": True}]
    told = {"resourceType": "Parameters", "parameter": signed}
    day.refused("RN", "POST", f"/{encounter}/$discharge", told, 403)
    day.tell("RN", "signs the discharge", "refused: a doctor does")
    answer = day.send("DR", "POST", f"/{encounter}/$discharge", told, status=200)
    found = {one["name"]: one["valueReference"]["reference"] for one in answer["parameter"]}
    day.check(day.read("DR", encounter)["status"] == "finished", "the stay is not over")
    day.tell("DR", "discharges her", f"{found['summary']}, follow-up {found.get('follow-up', '')}")
    day.paper("DR", "discharge-summary.pdf", f"related={found['summary']}&status=current")
    document = day.send("DR", "GET", f"/{found['summary']}/$document", status=200)
    day.check(document["type"] == "document", "the summary is no document")
    day.tell("DR", "hands over the summary", f"a document of {len(document['entry'])} resources, and as PDF")
