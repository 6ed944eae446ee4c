"""Forms: questionnaires filled in before, checked when they come back, and made into records.

https://hl7.org/fhir/R4/questionnaire.html, https://hl7.org/fhir/uv/sdc/STU3/
"""
