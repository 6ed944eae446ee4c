"""GraphQL over FHIR: the schema, made from the definitions, and what carries out a query.

https://hl7.org/fhir/R4/graphql.html, https://spec.graphql.org/October2021/
"""
