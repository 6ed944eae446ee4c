"""What an order set offers, once it is stored: https://hl7.org/fhir/R4/valueset-request-intent.html."""

from typing import Any

from fhir_server.workflows.pattern import Change

_IN_FORCE = ("active", "on-hold")


def is_put_in_force(change: Change) -> bool:
    """Tell whether a request is put in force as an option, by which nothing would be ordered."""
    return _is_in_force(change.after) and not _is_in_force(change.before)


def _is_in_force(request: Any) -> bool:
    is_option = request is not None and request.get("intent") == "option"
    return is_option and request.get("status") in _IN_FORCE
