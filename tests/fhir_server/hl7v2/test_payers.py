"""Who takes part in visits, and who pays: what later messages change of it."""

import pytest

from hl7.errors import HL7Error
from tests.fhir_server.hl7v2.records import ADT, Records, Resource, message, msh
from tests.fhir_server.hl7v2.test_visits import evn, pv1


def _pid(number: str) -> str:
    return f"PID|1||{number}^^^GENHOSP^MR||Muster^Mara||19800203|F||||||||||A{number}^^^GENHOSP"


def _send(records: Records, event: str, number: str, time: str, *more: str) -> tuple[str, ...]:
    visit = pv1(f"V{number}", f"W1^101^B{number}^GH")
    applied = records.send(
        msh(f"ADT^{event}", f"{event}{time}"), evn(event, time), _pid(number), visit, *more
    )
    return tuple(str(one.location) for one in applied.warnings)


def _guarantor(name: str, until: str = "") -> str:
    return f"GT1|1||{name}||||| 19790101|F||SPO||20240101|{until}".replace("| 1979", "|1979")


def _insurance(plan: str, insurer: str) -> str:
    return f"IN1|1|{plan}^Plan|{insurer}^^^GENHOSP|Kasse {insurer}^^{insurer}"


def _parties(records: Records, account: Resource) -> list[str]:
    people = {f"RelatedPerson/{one['id']}": one for one in records.all("RelatedPerson")}
    return [people[one["party"]["reference"]]["name"][0]["family"] for one in account.get("guarantor", ())]


def test_guarantors_and_insurances_of_an_account(records: Records) -> None:
    """They stand in the account of PID-18; a message has all of them, and one without any changes none."""
    _send(records, "A01", "5001", "20240105100000", _guarantor("Erste^Eva"), _insurance("P1", "K1"))
    account = records.one("Account", "A5001")
    assert _parties(records, account) == ["Erste"]
    assert account["guarantor"][0]["period"] == {"start": "2024-01-01"}
    assert [one["priority"] for one in account["coverage"]] == [1]
    assert (
        _send(records, "A08", "5001", "20240105110000", _guarantor("Erste^Eva"), _insurance("P1", "K1")) == ()
    )
    assert records.version(records.one("Account", "A5001")) == records.version(account)
    more = (
        _guarantor("Erste^Eva", "20240201"), _guarantor("Zweite^Zita"),
        _insurance("P2", "K2"), _insurance("P1", "K1"),
    )  # fmt: skip
    _send(records, "A08", "5001", "20240105120000", *more)
    after = records.one("Account", "A5001")
    assert after["id"] == account["id"]
    assert _parties(records, after) == ["Erste", "Zweite"]
    assert after["guarantor"][0]["period"]["end"] == "2024-02-01"
    plans = {f"Coverage/{one['id']}": one["class"][0]["value"] for one in records.all("Coverage")}
    assert [plans[one["coverage"]["reference"]] for one in after["coverage"]] == ["P2", "P1"]
    _send(records, "A08", "5001", "20240105130000")
    assert records.version(records.one("Account", "A5001")) == records.version(after)


def test_an_older_message_changes_no_account(records: Records) -> None:
    """What is older than what is known of patient and visit leaves their payers alone."""
    _send(records, "A01", "5002", "20240105100000", _guarantor("Neue^Nora"))
    _send(records, "A08", "5002", "20240104100000", _guarantor("Alte^Anna"))
    assert _parties(records, records.one("Account", "A5002")) == ["Neue"]


def test_an_account_that_is_closed_stays_closed(records: Records) -> None:
    """A guarantor that comes later does not open it again."""
    _send(records, "A01", "5003", "20240105100000")
    records.send(msh("BAR^P02", "b"), evn("P02", "20240106"), _pid("5003"))
    _send(records, "A08", "5003", "20240107100000", _guarantor("Neue^Nora"))
    account = records.one("Account", "A5003")
    assert (account["status"], _parties(records, account)) == ("inactive", ["Neue"])


def test_who_takes_part_and_leaves(records: Records) -> None:
    """ROL adds a participant; DE ends the same one, and takes a general practitioner away."""
    role = "ROL|1|{}|{}^X^HL70443|88^Rolle^Rosa^^^^^^GENHOSP"
    number, doctor = "5004", role.format("AD", "CP")
    visit = pv1("V5004", "W1^101^B5004^GH")
    first = (evn("A01", "20240105100000"), _pid(number), role.format("AD", "PP"), visit, doctor)
    records.send(msh("ADT^A01", "r1"), *first)
    encounter = records.one("Encounter", "V5004")
    assert [one["individual"]["display"] for one in encounter["participant"]] == ["Anna Arzt", "Rosa Rolle"]
    assert len(records.one("Patient", number)["generalPractitioner"]) == 1
    gone = role.format("DE", "CP")
    last = (evn("A08", "20240105120000"), _pid(number), role.format("DE", "PP"), visit, gone)
    records.send(msh("ADT^A08", "r2"), *last)
    after = records.one("Encounter", "V5004")
    assert after["id"] == encounter["id"]
    assert len(after["participant"]) == 2
    assert after["participant"][1]["period"]["end"] == "2024-01-05T12:00:00+01:00"
    assert "generalPractitioner" not in records.one("Patient", number)


def test_what_nothing_is_made_of_is_told(records: Records) -> None:
    """The sender learns of it, and all else of the message counts."""
    told = _send(records, "A01", "5005", "20240105100000", "ACC|20240101", "ZX1|a")
    assert told == ("ACC^1", "ZX1^1")
    assert records.one("Encounter", "V5005")["status"] == "in-progress"
    sent = message(msh("ADT^A08", "z"), evn("A08", "20240106"), _pid("5005"), "ZX1|a")
    with pytest.raises(Exception, match="PV1"):
        records.run(records._send(sent, ADT))


def test_the_account_of_another_patient(records: Records) -> None:
    """Nobody says who pays for it, opens or closes it, by a message about somebody else (204)."""
    _send(records, "A01", "5010", "20240105100000", _guarantor("Meine^Mia"))
    before = records.one("Account", "A5010")
    other = _pid("5011").replace("A5011", "A5010")
    visit = pv1("V5011", "W1^101^B5011^GH")
    for segments in (
        (msh("ADT^A01"), evn("A01", "20240105"), other, visit, _guarantor("Fremde^Frida")),
        (msh("BAR^P01"), evn("P01", "20240105"), other),
        (msh("BAR^P02"), evn("P02", "20240105"), other),
    ):
        with pytest.raises(HL7Error) as refused:
            records.send(*segments)
        assert (refused.value.code, str(refused.value.location)) == ("204", "PID^1^18")
    assert records.version(records.one("Account", "A5010")) == records.version(before)


def test_an_attender_who_left(records: Records) -> None:
    """That somebody is not responsible any more ends the time of nobody else."""
    _send(records, "A01", "5012", "20240105100000")
    left = "ROL|1|DE|AT^X^HL70443|88^Rolle^Rosa^^^^^^GENHOSP"
    visit = pv1("V5012", "W1^101^B5012^GH", attender="")
    records.send(msh("ADT^A08", "l"), evn("A08", "20240105120000"), _pid("5012"), visit, left)
    people = {one["individual"]["display"]: one for one in records.one("Encounter", "V5012")["participant"]}
    assert "end" not in people["Anna Arzt"].get("period", {})
    assert people["Rosa Rolle"]["period"]["end"] == "2024-01-05T12:00:00+01:00"
