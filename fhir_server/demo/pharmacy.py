"""The pharmacy's shelves: lots of each medicine with their expiry, and how much of them has been given out.

Stock is a ledger, not a number: receipts less issues. https://hl7.org/fhir/R4/medication.html
"""

from collections import Counter

from fhir_server.demo.clinical import find_medicine
from fhir_server.demo.datatypes import Resource, concept, identifier, link, local, resource, snomed, stamp
from fhir_server.demo.departments import MEDICINES_SUPPLIER
from fhir_server.demo.tables import rows
from fhir_server.demo.timeline import Timeline

# Days from today at which the lots expire: one soon, one much later. Of each, the earlier goes out first.
_EXPIRY = {"a": 150, "b": 520}
# Some lots run out of time soon, and one has: exercises for whoever keeps the shelves.
_EXPIRING_SOON = {"naproxen": 21, "amoxicillin": 12, "ceftriaxone": 26}
_EXPIRED = {"sumatriptan": -9}

_FORMS = {
    "tablet": snomed("385055001", "Tablet dose form"),
    "capsule": snomed("385049006", "Capsule"),
    "vial": snomed("385219001", "Injection solution"),
    "ampoule": snomed("385219001", "Injection solution"),
    "syringe": snomed("385219001", "Injection solution"),
}


class Pharmacy:
    """Hands out medicines, always from the lot that expires first of those that have not expired."""

    def __init__(self, timeline: Timeline) -> None:
        """Fill the shelves with two lots of everything."""
        self._timeline = timeline
        self.issued: Counter[str] = Counter()

    def lot(self, key: str) -> str:
        """Return the id of the Medication from which `key` is given out."""
        return f"medication-{key}-{'b' if key in _EXPIRED else 'a'}"

    def issue(self, key: str, quantity: int) -> dict[str, str]:
        """Take `quantity` units of medicine `key` from the shelf; returns a Reference to the lot."""
        lot = self.lot(key)
        self.issued[lot] += quantity
        return link("Medication", lot, find_medicine(key).name)

    def lots(self) -> list[Resource]:
        """Return all lots, the empty ones too."""
        return [self._lot(row["key"], letter) for row in rows("medicines") for letter in _EXPIRY]

    def lot_resource(self, key: str) -> Resource:
        """Return the Medication from which `key` is given out."""
        return self._lot(key, self.lot(key)[-1])

    def expiry(self, key: str, letter: str) -> int:
        """Return the number of days from today at which a lot expires."""
        early = {**_EXPIRING_SOON, **_EXPIRED}.get(key, _EXPIRY["a"])
        return early if letter == "a" else _EXPIRY["b"]

    def _lot(self, key: str, letter: str) -> Resource:
        one = find_medicine(key)
        form = _FORMS.get(one.unit)
        expires = self._timeline.at(self.expiry(key, letter))
        elements = {
            "identifier": [identifier(None, "stock-item", f"{key}/{letter}")],
            "code": concept(*one.codes, local("formulary", key, one.name), text=one.name),
            "status": "active",
            "manufacturer": MEDICINES_SUPPLIER.reference,
            "form": concept(form) if form else concept(text=one.unit),
            "batch": {"lotNumber": f"{key[:3].upper()}-{letter.upper()}1", "expirationDate": stamp(expires)},
        }
        return resource("Medication", f"medication-{key}-{letter}", elements)
