"""Requests that the client does not wait for. https://hl7.org/fhir/R4/async.html"""
