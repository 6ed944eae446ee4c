"""W3, scheduling: appointments, the slots that they take, waiting lists and reminders.

https://hl7.org/fhir/R4/appointment.html
"""
