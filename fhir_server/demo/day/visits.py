"""A booking: found, held, booked once, told of, and kept."""

import base64
from datetime import UTC, datetime, timedelta

from fhir_server.demo.day.house import mail_folder
from fhir_server.demo.day.trace import Trace


def book(day: Trace) -> None:
    """Find a free time, hold it, book it, and have it confirmed by e-mail; then the patient arrives."""
    patient = f"Patient/{day.known['patient']['id']}"
    start = datetime.now(UTC)
    period = f"start={start:%Y-%m-%dT%H:%M:%SZ}&end={start + timedelta(days=14):%Y-%m-%d}"
    found = day.send(
        "AD", "GET", f"/Appointment/$find?{period}&patient-reference={patient}&_count=2", status=200
    )
    offered = [
        entry["resource"] for entry in found["entry"] if entry["resource"]["resourceType"] == "Appointment"
    ]
    day.check(offered, "no free time is offered")
    day.tell("AD", "asks for free times", f"{found['total']} are offered, the first at {offered[0]['start']}")
    held = day.call("AD", "Appointment/$hold", appt_resource=offered[0])["entry"][0]["resource"]
    day.tell("AD", "holds the first for her", f"Appointment/{held['id']} is {held['status']}")
    again = {"name": "appt-resource", "resource": offered[0]}
    parameters = {"resourceType": "Parameters", "parameter": [again]}
    day.send("AD", "POST", "/Appointment/$hold", parameters, status=(404, 409))
    day.tell("AD", "holds it for somebody else", "refused: it is taken")
    booked = day.call("AD", "Appointment/$book", appt_id=held["id"])["entry"][0]["resource"]
    day.check(booked["status"] == "booked", f"the appointment is {booked['status']}")
    day.tell("AD", "books it", f"Appointment/{booked['id']} is {booked['status']}")
    mail = mail_folder(day.house.folder)
    message = day.wait_for("the confirmation", lambda: list(mail.glob("*.eml")))[0]
    day.keep("confirmation.eml", message.read_bytes())
    day.tell("AD", "sees that she was told", "one e-mail, and reminders a day and two hours before")
    calendar = day.send("AD", "GET", f"/Appointment/{booked['id']}/$ical", status=200)
    day.keep("appointment.ics", base64.b64decode(calendar["data"]))
    arrived = day.update("RN", {**day.read("RN", f"Appointment/{booked['id']}"), "status": "arrived"})
    (encounter,) = day.search("RN", f"Encounter?appointment=Appointment/{arrived['id']}")
    day.known["encounter"] = encounter
    day.tell("RN", "checks her in", f"Encounter/{encounter['id']} is {encounter['status']}")
