"""Order sets: PlanDefinitions that are applied to a patient, which gives drafts for a doctor to choose from.

https://hl7.org/fhir/R4/plandefinition.html
"""
