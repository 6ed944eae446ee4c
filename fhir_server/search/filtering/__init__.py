"""_filter: a search as one expression, in brackets and with `and`, `or` and `not`.

https://hl7.org/fhir/R4/search_filter.html
"""

from fhir_server.search.filtering.conditions import condition

__all__ = ["condition"]
