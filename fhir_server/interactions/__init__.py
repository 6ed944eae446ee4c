"""One file per RESTful interaction, named by the specification's own code (https://hl7.org/fhir/R4/valueset-type-restful-interaction.html)."""
