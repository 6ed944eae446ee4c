"""The demo hospital's stock is what its story says, once its movements are booked.

docs/demo.md
"""

from datetime import date

import httpx

from fhir_server.demo.generation import hospital_parts
from fhir_server.demo.loading import book_stock, load_demo
from fhir_server.loader.loading import Report
from fhir_server.loader.submission import Failure


class _Watch:
    def failed(self, failure: Failure) -> None:
        """Fail with it."""
        raise AssertionError(failure)

    def advanced(self, report: Report) -> None:
        """Nothing to show."""


def test_the_demo_has_its_stock(client: httpx.Client, base_url: str) -> None:
    """Of what is nearly gone there is as little as the flags say, and there is one flag for each."""
    load_demo(base_url, hospital_parts(date(2026, 11, 27), patients=12), Report(), _Watch())
    book_stock(base_url)
    told = client.post("/$rebuild-stock").json()["parameter"]
    assert told == [{"name": "booked", "valueInteger": 0}]
    assert client.get("/$verify-stock").json()["parameter"][0]["valueBoolean"] is True

    def there(item: str, place: str) -> list[float]:
        found = client.get(f"/Location/{place}/$stock", params={"item": item}).json()
        return [one["resource"]["valueQuantity"]["value"] for one in found["entry"]]

    pharmacy = client.get("/Location", params={"name:contains": "Pharmacy"}).json()["entry"][0]["resource"][
        "id"
    ]
    assert there("Medication/medication-salbutamol-a", pharmacy) == [3]
    assert there("Medication/medication-naproxen-a", pharmacy) == [500]
    store = client.get("/SupplyDelivery/delivery-respirator").json()["destination"]["reference"].split("/")[1]
    assert there("Device/device-respirator", store) == [150]
    flags = client.get("/Flag", params={"subject": "Medication/medication-salbutamol-a"}).json()["entry"]
    active = [one["resource"]["code"]["text"] for one in flags if one["resource"]["status"] == "active"]
    assert active == ["Low stock: 3 left"]
