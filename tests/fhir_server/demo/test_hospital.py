"""What is true in any hospital: one patient to a bed or slot, money that adds up, stock that is there."""

from collections import Counter, defaultdict
from datetime import date, datetime
from decimal import Decimal
from itertools import pairwise
from random import Random
from typing import Any

from fhir_server.demo.datatypes import Resource
from fhir_server.demo.schedule import Diary
from fhir_server.demo.staff import Staff
from fhir_server.demo.timeline import Timeline

Of = dict[str, list[Resource]]


def moment(text: str) -> datetime:
    """Return a FHIR instant as a datetime."""
    return datetime.fromisoformat(text)


def target(reference: dict[str, Any]) -> str:
    """Return what a Reference refers to."""
    found: str = reference["reference"]
    return found


def code_of(concept: dict[str, Any]) -> str:
    """Return the first code of a CodeableConcept."""
    found: str = concept["coding"][0]["code"]
    return found


# --- Places -------------------------------------------------------------------------------------------------


def test_locations_are_in_each_other(hospital: dict[str, Resource], of_type: Of) -> None:
    """Site, building, ward, room, bed: each is part of the one before."""
    parents = {"bu": {"si"}, "wa": {"bu"}, "ro": {"wa", "bu"}, "bd": {"ro"}}
    for location in of_type["Location"]:
        form = code_of(location["physicalType"])
        if form == "si":
            assert "partOf" not in location
        else:
            assert code_of(hospital[target(location["partOf"])]["physicalType"]) in parents[form]


def test_a_bed_is_occupied_by_the_one_patient_in_it(of_type: Of) -> None:
    """operationalStatus is O exactly where one Encounter in progress has the bed."""
    taken = Counter(
        target(place["location"])
        for encounter in of_type["Encounter"]
        for place in encounter.get("location", [])
        if place["status"] == "active" and "/bed-" in target(place["location"])
    )
    assert max(taken.values()) == 1
    beds = {
        f"Location/{one['id']}": one["operationalStatus"]["code"]
        for one in of_type["Location"]
        if code_of(one["physicalType"]) == "bd"
    }
    assert len(beds) == 68
    assert {bed for bed, state in beds.items() if state == "O"} == set(taken)
    assert set(beds.values()) == {"O", "U", "H", "C", "K", "I"}


def test_every_ward_has_patients_and_room_for_more(of_type: Of) -> None:
    """There is something to see on each ward, and a free bed to plan with."""
    states = defaultdict(Counter)  # type: defaultdict[str, Counter[str]]
    for one in of_type["Location"]:
        if "operationalStatus" in one:
            states[one["id"].split("-")[1]][one["operationalStatus"]["code"]] += 1
    assert set(states) == {"ed", "2a", "2b", "3a", "3b", "4a", "4b", "icu"}
    assert all(state["O"] > 0 and state["U"] > 0 for state in states.values())


def test_reserved_beds_are_free_and_reserved_once(hospital: dict[str, Resource], of_type: Of) -> None:
    """A planned admission has a bed to itself, which nobody lies in now."""
    reserved = [
        target(place["location"])
        for encounter in of_type["Encounter"]
        if encounter["status"] == "planned"
        for place in encounter.get("location", [])
    ]
    assert reserved
    assert len(set(reserved)) == len(reserved)
    assert {hospital[bed]["operationalStatus"]["code"] for bed in reserved} == {"U"}


# --- Appointments -------------------------------------------------------------------------------------------


def test_slots_of_a_schedule_do_not_overlap(of_type: Of) -> None:
    """Each slot begins when the one before has ended, or later."""
    by_schedule = defaultdict(list)  # type: defaultdict[str, list[Resource]]
    for slot in of_type["Slot"]:
        by_schedule[target(slot["schedule"])].append(slot)
    assert len(by_schedule) == len(of_type["Schedule"])
    for slots in by_schedule.values():
        ordered = sorted(slots, key=lambda slot: str(slot["start"]))
        for before, after in pairwise(ordered):
            assert moment(before["start"]) < moment(before["end"]) <= moment(after["start"])


def test_no_slot_is_booked_twice(hospital: dict[str, Resource], of_type: Of) -> None:
    """A booked appointment has a busy slot, a pending one a tentative slot, at its time, all to itself."""
    held = {
        target(one["slot"][0]): one
        for one in of_type["Appointment"]
        if one["status"] in ("booked", "pending")
    }
    assert len(held) == sum(one["status"] in ("booked", "pending") for one in of_type["Appointment"])
    for slot, appointment in held.items():
        expected = "busy" if appointment["status"] == "booked" else "busy-tentative"
        assert hospital[slot]["status"] == expected
        assert (hospital[slot]["start"], hospital[slot]["end"]) == (appointment["start"], appointment["end"])
    given = {f"Slot/{one['id']}" for one in of_type["Slot"] if one["status"] in ("busy", "busy-tentative")}
    assert given == set(held)


def test_slots_given_to_one_patient_are_at_different_times(today: date) -> None:
    """However many appointments a patient makes, no two are at the same time, and something stays free."""
    timeline = Timeline(today)
    diary = Diary(timeline, Staff(timeline, 1))
    taken: set[str] = set()
    while booking := diary.book("general-practice", Random(7), "busy", taken):
        assert booking.slot["status"] == "busy"
    calendars = [one for one in diary.calendars if one.department.key == "general-practice"]
    busy = [slot["start"] for one in calendars for slot in one.slots if slot["status"] == "busy"]
    assert len(busy) == len(set(busy)) == len(taken) > 50
    assert all(any(slot["status"] == "free" for slot in one.slots) for one in calendars)


def test_nobody_has_two_appointments_at_a_time(of_type: Of) -> None:
    """Neither a patient nor a doctor nor a room is in two places."""
    seen = Counter(
        (target(participant["actor"]), one["start"])
        for one in of_type["Appointment"]
        if one["status"] in ("booked", "pending")
        for participant in one["participant"]
    )
    assert max(seen.values()) == 1


def test_free_slots_lie_ahead(of_type: Of, today: date) -> None:
    """Every schedule has free slots, all of them after today and on working days."""
    free = [one for one in of_type["Slot"] if one["status"] == "free"]
    assert {target(one["schedule"]) for one in free} == {
        f"Schedule/{one['id']}" for one in of_type["Schedule"]
    }
    for slot in of_type["Slot"]:
        start = moment(slot["start"])
        assert today < start.date()
        assert start.weekday() < 5


def test_slots_lie_within_working_hours(hospital: dict[str, Resource], of_type: Of) -> None:
    """Nobody can be booked when their role says that they are not there."""
    hours = {}
    for schedule in of_type["Schedule"]:
        for actor in schedule["actor"]:
            if target(actor).startswith("PractitionerRole/"):
                hours[f"Schedule/{schedule['id']}"] = hospital[target(actor)]["availableTime"][0]
    for slot in of_type["Slot"]:
        available = hours.get(target(slot["schedule"]))
        if available and "allDay" not in available:
            assert available["availableStartTime"] <= slot["start"][11:19]
            assert slot["end"][11:19] <= available["availableEndTime"]


def test_kept_appointments_led_to_a_visit(hospital: dict[str, Resource], of_type: Of) -> None:
    """A fulfilled appointment is that of exactly one Encounter, of the same patient on the same day."""
    visits = {target(one["appointment"][0]): one for one in of_type["Encounter"] if "appointment" in one}
    kept = {f"Appointment/{one['id']}" for one in of_type["Appointment"] if one["status"] == "fulfilled"}
    assert kept == set(visits)
    for name, visit in visits.items():
        appointment = hospital[name]
        assert appointment["participant"][0]["actor"] == visit["subject"]
        assert appointment["start"] == visit["period"]["start"]


# --- Money --------------------------------------------------------------------------------------------------


def test_invoices_add_up(hospital: dict[str, Resource], of_type: Of) -> None:
    """The total is the sum of all parts of all lines, and each line is one charge at the listed price."""
    prices = {
        one["url"]: one["propertyGroup"][0]["priceComponent"][0]["amount"]["value"]
        for one in of_type["ChargeItemDefinition"]
    }
    for invoice in of_type["Invoice"]:
        total = Decimal(0)
        for line in invoice["lineItem"]:
            item = hospital[target(line["chargeItemReference"])]
            base = line["priceComponent"][0]["amount"]["value"]
            assert base == item["priceOverride"]["value"]
            assert base == prices[item["definitionUri"][0]] * item["quantity"]["value"]
            total += sum(part["amount"]["value"] for part in line["priceComponent"])
        assert invoice["totalNet"]["value"] == invoice["totalGross"]["value"] == total > 0


def test_a_charge_stands_on_one_invoice_at_most(of_type: Of) -> None:
    """What is billed stands on one invoice; what is billable on none."""
    billed = Counter(
        target(line["chargeItemReference"]) for invoice in of_type["Invoice"] for line in invoice["lineItem"]
    )
    assert max(billed.values()) == 1
    assert set(billed) == {
        f"ChargeItem/{one['id']}" for one in of_type["ChargeItem"] if one["status"] == "billed"
    }


def test_paid_invoices_are_balanced(of_type: Of) -> None:
    """An invoice is balanced exactly if its payment is in the books, to the cent."""
    paid = {
        target(one["detail"][0]["request"]): one["paymentAmount"]["value"]
        for one in of_type["PaymentReconciliation"]
    }
    totals = {
        f"Invoice/{one['id']}": one["totalGross"]["value"]
        for one in of_type["Invoice"]
        if one["status"] == "balanced"
    }
    assert paid == totals
    assert any(one["status"] == "issued" for one in of_type["Invoice"])


def test_claims_add_up_and_are_for_the_insured(hospital: dict[str, Resource], of_type: Of) -> None:
    """A claim's total is the sum of its items; its coverage is the patient's, of the insurer it goes to."""
    for claim in of_type["Claim"]:
        assert claim["total"]["value"] == sum(item["net"]["value"] for item in claim["item"])
        for item in claim["item"]:
            assert item["net"]["value"] == item["unitPrice"]["value"] * item["quantity"]["value"]
        coverage = hospital[target(claim["insurance"][0]["coverage"])]
        assert coverage["beneficiary"] == claim["patient"]
        assert coverage["payor"] == [claim["insurer"]]


# --- Stock --------------------------------------------------------------------------------------------------


def test_nothing_was_given_out_that_was_not_there(hospital: dict[str, Resource], of_type: Of) -> None:
    """Of each lot no more was used than delivered, nothing after its expiry, and what is low is flagged."""
    stock = Counter()  # type: Counter[str]
    for delivery in of_type["SupplyDelivery"]:
        supplied = delivery["suppliedItem"]
        outward = delivery["supplier"]["reference"].startswith("Organization/department")
        stock[target(supplied["itemReference"])] += (-1 if outward else 1) * supplied["quantity"]["value"]
    for dispense in of_type["MedicationDispense"]:
        stock[target(dispense["medicationReference"])] -= dispense["quantity"]["value"]
    for given in of_type["MedicationAdministration"]:
        stock[target(given["medicationReference"])] -= int(given["dosage"]["dose"]["value"])
        expires = hospital[target(given["medicationReference"])]["batch"]["expirationDate"]
        assert given["effectiveDateTime"] < expires
    assert min(stock.values()) > 0
    flagged = {target(one["subject"]) for one in of_type["Flag"] if "Medication/" in target(one["subject"])}
    low = {item for item, left in stock.items() if left <= 50 and item.startswith("Medication/")}
    assert flagged == low
    assert len(low) == 3


def test_low_stock_has_been_ordered(hospital: dict[str, Resource], of_type: Of) -> None:
    """For everything that is low there is an order, and a task for somebody to buy it."""
    orders = {f"SupplyRequest/{one['id']}" for one in of_type["SupplyRequest"]}
    bought = {target(one["focus"]) for one in of_type["Task"] if one["id"].startswith("task-buy")}
    assert orders == bought
    assert len(orders) == len(of_type["Flag"])
    assert all(hospital[order]["status"] == "active" for order in orders)
