"""The authorization server: applications, their launches, and the tokens that they get.

https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html
"""
