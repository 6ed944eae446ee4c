"""Who may come in, by SMART App Launch, and what they may see and do.

https://hl7.org/fhir/smart-app-launch/STU2.2/
"""
