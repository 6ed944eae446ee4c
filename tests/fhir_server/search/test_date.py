"""date: both what is stored and what is asked are intervals. https://hl7.org/fhir/R4/search.html#date"""

import httpx
import pytest

from tests.fhir_server.search.searching import Resource, Row, check, refusal, row_id, store


def _procedure(name: str, **performed: object) -> Resource:
    subject = {"reference": "Patient/1"}
    return {"resourceType": "Procedure", "id": name, "status": "completed", "subject": subject, **performed}


def _moment(name: str, text: str) -> Resource:
    return _procedure(name, performedDateTime=text)


def _period(name: str, start: str = "", end: str = "") -> Resource:
    ends = {key: text for key, text in (("start", start), ("end", end)) if text}
    return _procedure(name, performedPeriod=ends)


def _order(name: str, timing: Resource) -> Resource:
    return {
        "resourceType": "ServiceRequest",
        "id": name,
        "status": "active",
        "intent": "order",
        "subject": {"reference": "Patient/1"},
        "occurrenceTiming": timing,
    }


def _plan(name: str, *dates: str) -> Resource:
    periods = [{"detail": {"status": "completed", "scheduledPeriod": {"start": d, "end": d}}} for d in dates]
    plan = {"resourceType": "CarePlan", "id": name, "status": "active", "intent": "plan", "activity": periods}
    return plan | {"subject": {"reference": "Patient/1"}}


PROCEDURES = [
    _moment("day", "2013-01-14"),
    _moment("midnight", "2013-01-14T00:00:00Z"),
    _moment("ten", "2013-01-14T10:00:00Z"),
    _moment("tenth", "2013-01-14T10:00:00.25Z"),
    _moment("next-day", "2013-01-15"),
    _moment("next-midnight", "2013-01-15T00:00:00Z"),
    _moment("month", "2013-01"),
    _moment("year", "2013"),
    _moment("next-year", "2014"),
    # 04:30 on the 15th in UTC
    _moment("evening-in-boston", "2013-01-14T23:30:00-05:00"),
    _period("night", "2013-01-14T22:00:00Z", "2013-01-15T06:00:00Z"),
    _period("week", "2013-01-14", "2013-01-20"),
    _period("since-12", "2012-12-01"),
    _period("until-14", "", "2014-02-01"),
    _procedure("never"),
]

# "from 21-Jan 2013 onwards" and its like, the periods of the specification's examples.
ENCOUNTERS = [
    {
        "resourceType": "Encounter",
        "id": name,
        "status": "finished",
        "class": {"code": "AMB"},
        "period": period,
    }
    for name, period in {
        "from-15-mar": {"start": "2013-03-15"},
        "from-21-jan": {"start": "2013-01-21"},
        "to-21-jan": {"end": "2013-01-21"},
        "14-mar": {"start": "2013-03-14", "end": "2013-03-14"},
        "15-jun-2015": {"start": "2015-06-15", "end": "2015-06-15"},
    }.items()
]

ORDERS = [
    _order("bounds", {"repeat": {"boundsPeriod": {"start": "2013-01-31", "end": "2013-03-24"}}}),
    _order("events", {"event": ["2013-02-10", "2013-01-31", "2013-03-24"]}),
    _order("no-limits", {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}}),
]

OTHERS = [
    _plan("twice", "2013-01-10", "2013-03-10"),
    _plan("once", "2013-02-10"),
    _plan("long", "2013-01", "2013-12"),
    {"resourceType": "Patient", "id": "leap", "birthDate": "2000-02-29"},
    {"resourceType": "Patient", "id": "first", "birthDate": "0001-01-01"},
    {"resourceType": "Patient", "id": "last", "birthDate": "9999-12-31"},
    {
        "resourceType": "DiagnosticReport",
        "id": "issued",
        "status": "final",
        "code": {"text": "x"},
        "issued": "2013-01-14T10:00:00Z",
    },
]


@pytest.fixture(scope="module", autouse=True)
def _stored(client: httpx.Client) -> None:
    store(client, [*PROCEDURES, *ENCOUNTERS, *ORDERS, *OTHERS])


_WITHIN_THE_DAY = "day midnight ten tenth"
_BEFORE_THE_DAY = "month year since-12 until-14"

TABLE: list[Row] = [
    ("date", "Procedure?date=eq2013-01-14", _WITHIN_THE_DAY),
    ("date", "Procedure?date=2013-01-14", _WITHIN_THE_DAY),
    (
        "date",
        "Procedure?date=ne2013-01-14",
        "next-day next-midnight month year next-year evening-in-boston night week since-12 until-14",
    ),
    ("date", "Procedure?date=lt2013-01-14T10:00", f"day midnight week {_BEFORE_THE_DAY}"),
    (
        "date",
        "Procedure?date=gt2013-01-14T10:00",
        "day next-day next-midnight month year next-year evening-in-boston night week since-12 until-14",
    ),
    ("date", "Encounter?date=ge2013-03-14", "from-15-mar from-21-jan 14-mar 15-jun-2015"),
    ("date", "Encounter?date=le2013-03-14", "from-21-jan to-21-jan 14-mar"),
    ("date", "Encounter?date=sa2013-03-14", "from-15-mar 15-jun-2015"),
    ("date", "Encounter?date=eb2013-03-14", "to-21-jan"),
    ("date", "Encounter?date=eq2013-03-14", "14-mar"),
    # only the outer limits of a schedule matter
    ("date", "ServiceRequest?occurrence=ge2013-02-01", "bounds events"),
    ("date", "ServiceRequest?occurrence=sa2013-01-30", "bounds events"),
    ("date", "ServiceRequest?occurrence=eb2013-03-25", "bounds events"),
    ("date", "ServiceRequest?occurrence=eb2013-03-24", ""),
    ("date", "ServiceRequest?occurrence=2013", "bounds events"),
    # what is not fully specified is an interval
    ("date", "Procedure?date=2013-01",
     f"{_WITHIN_THE_DAY} next-day next-midnight month evening-in-boston night week"),
    ("date", "Procedure?date=2013",
     f"{_WITHIN_THE_DAY} next-day next-midnight month year evening-in-boston night week"),
    ("date", "Procedure?date=2014", "next-year"),
    ("date", "Procedure?date=2013-01-14T10:00", "ten tenth"),
    ("date", "Procedure?date=2013-01-14T10:00:00Z", "ten tenth"),
    ("date", "Procedure?date=2013-01-14T10:00:00.25Z", "tenth"),
    ("date", "Procedure?date=2013-01-14T10:00:00.2Z", "tenth"),
    # a hundredth of a second is longer than the millisecond that is asked for
    ("date", "Procedure?date=2013-01-14T10:00:00.250Z", ""),
    ("date", "Procedure?date=2013-01-14T10:00:00.000Z", ""),
    # an instant has no width: it lies in the second and in the millisecond
    ("date", "DiagnosticReport?issued=2013-01-14T10:00:00Z", "issued"),
    ("date", "DiagnosticReport?issued=2013-01-14T10:00:00.000Z", "issued"),
    ("date", "DiagnosticReport?issued=gt2013-01-14T10:00:00.500Z", ""),
    ("prefix", "DiagnosticReport?issued=ge2013-01-14T10:00:00Z", "issued"),
    ("prefix", "DiagnosticReport?issued=le2013-01-14T10:00:00Z", "issued"),
    ("prefix", "DiagnosticReport?issued=gt2013-01-14T09:59", "issued"),
    ("prefix", "DiagnosticReport?issued=lt2013-01-14T10:00:00Z", ""),
    ("prefix", "DiagnosticReport?issued=sa2013-01-14T09:59:59Z", "issued"),
    ("prefix", "DiagnosticReport?issued=sa2013-01-14", ""),
    ("prefix", "DiagnosticReport?issued=eb2013-01-14T10:00:01Z", "issued"),
    ("prefix", "DiagnosticReport?issued=ne2013-01-14", ""),
    ("prefix", "DiagnosticReport?issued=ap2013-01-14", "issued"),
    ("prefix", "ServiceRequest?occurrence=ne2013-02", "bounds events"),
    ("prefix", "ServiceRequest?occurrence=gt2013-03-23", "bounds events"),
    ("prefix", "ServiceRequest?occurrence=gt2013-03-24", ""),
    ("prefix", "ServiceRequest?occurrence=lt2013-02", "bounds events"),
    ("prefix", "ServiceRequest?occurrence=le2013-01-30", ""),
    ("prefix", "ServiceRequest?occurrence=ap2013-02-10", "bounds events"),
    ("prefix", "Encounter?date=ap2013-03-14", "from-15-mar from-21-jan to-21-jan 14-mar"),
    ("prefix", "Encounter?date=ne2013-03-14", "from-15-mar from-21-jan to-21-jan 15-jun-2015"),
    # time zones are corrected for; the "+" may come unencoded, which makes it a space
    ("date", "Procedure?date=2013-01-15T04:30:00Z", "evening-in-boston"),
    ("date", "Procedure?date=2013-01-15T05:30:00+01:00", "evening-in-boston"),
    ("date", "Procedure?date=2013-01-15T05:30:00 01:00", "evening-in-boston"),
    ("date", "Procedure?date=2013-01-14T11:00+01:00", "ten tenth"),
    ("prefix", "Procedure?date=gt2013-01-14",
     "next-day next-midnight month year next-year evening-in-boston night week since-12 until-14"),
    ("prefix", "Procedure?date=lt2013-01-14", _BEFORE_THE_DAY),
    ("prefix", "Procedure?date=sa2013-01-14", "next-day next-midnight next-year evening-in-boston"),
    ("prefix", "Procedure?date=eb2013-01-15", f"{_WITHIN_THE_DAY}"),
    ("prefix", "Procedure?date=le2013-01-14", f"{_WITHIN_THE_DAY} {_BEFORE_THE_DAY}"),
    ("prefix", "Procedure?date=ge2014", "next-year since-12"),
    ("prefix", "Procedure?date=sa2013", "next-year"),
    ("combining", "Procedure?date=ge2013-01-14&date=lt2013-01-15T00:00:00Z",
     f"{_WITHIN_THE_DAY} night week month year since-12 until-14"),
    ("combining", "Procedure?date=2013-01-15,2014", "next-day next-midnight evening-in-boston next-year"),
    # of several values in a resource, one has to meet the whole condition
    ("combining", "CarePlan?activity-date=2013-02", "once"),
    ("combining", "CarePlan?activity-date=ge2013-02&activity-date=lt2013-02", "twice long"),
    ("prefix", "CarePlan?activity-date=sa2013-02", "twice long"),
    ("prefix", "CarePlan?activity-date=eb2013-02", "twice long"),
    ("date", "Patient?birthdate=2000-02-29", "leap"),
    ("date", "Patient?birthdate=2000-02", "leap"),
    ("date", "Patient?birthdate=0001", "first"),
    ("date", "Patient?birthdate=9999-12", "last"),
    ("date", "Patient?birthdate=lt2000-02-29", "first"),
    ("date", "Patient?birthdate=gt2000-02-29", "last"),
    ("modifiers", "Procedure?date:missing=true", "never"),
    ("modifiers", "Patient?birthdate:missing=false", "leap first last"),
]  # fmt: skip


@pytest.mark.feature("search.date")
@pytest.mark.feature("search.prefix")
@pytest.mark.parametrize("row", TABLE, ids=row_id)
def test_date(client: httpx.Client, row: Row) -> None:
    """Each search of the table finds what its rule says."""
    check(client, row)


def test_approximately_is_a_tenth_of_the_time_that_has_passed(client: httpx.Client) -> None:
    """https://hl7.org/fhir/R4/search.html#prefix: "10% of the gap between now and the date"."""
    store(client, [{"resourceType": "Patient", "id": f"ap-{year}", "birthDate": f"{year}"} for year in
                   (1900, 1920, 1935, 1945, 1990)])  # fmt: skip
    # Some 83 years ago in 2026: 8 years and more either way for as long as these tests may be run.
    found = "ap-1935 ap-1945"
    check(client, ("prefix", "Patient?birthdate=ap1940-06-15&_id=ap-1900,ap-1935,ap-1945,ap-1990", found))


@pytest.mark.parametrize(
    "text",
    [
        "x",
        "gt",
        "13-01-14",
        "2013-1-14",
        "2013-02-30",
        "2013-13",
        "0000",
        "2013-01-14T10",
        "2013-01-14T25:00",
        "2013-01-14T10:61",
        "2013-01-14T10:00:00+25:00",
        "23 May 2009",
        "2013-01-14,,2014",
        "２０１３",  # digits, but not FHIR's
        "gtgt2013",
        "2013-01-14T10:00:00Z|x",
    ],
)
def test_what_is_no_date_is_refused(client: httpx.Client, text: str) -> None:
    """https://hl7.org/fhir/R4/search.html#errors: 400 with what a date looks like, without the value."""
    issue = refusal(client, f"Procedure?date={text}")
    assert issue["diagnostics"].startswith("date: ")
    assert "YYYY-MM-DD" in issue["diagnostics"]


@pytest.mark.parametrize(
    "text",
    [
        "2013-01-14T10:00:00.1234567890123456789Z",  # any number of digits may follow
        "2012-12-31T23:59:60Z",  # a leap second
        "9999-12-31T23:59:59-14:00",  # after the last moment in UTC
        "0001-01-01T00:00:00+14:00",  # before the first
    ],
)
def test_any_valid_date_can_be_stored_and_is_found(client: httpx.Client, text: str) -> None:
    """https://hl7.org/fhir/R4/datatypes.html#dateTime: the extremes of what FHIR allows."""
    store(client, [_moment("extreme", text)])
    check(client, ("date", f"Procedure?date={text}&_id=extreme", "extreme"))
    client.delete("/Procedure/extreme")
