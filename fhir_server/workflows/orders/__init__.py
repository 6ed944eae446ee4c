"""Orders and results: from what is asked of a laboratory to what the patient may read of it (W7).

https://hl7.org/fhir/R4/servicerequest.html, https://hl7.org/fhir/R4/diagnosticreport.html
"""
