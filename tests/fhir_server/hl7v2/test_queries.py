"""QBP^Q22 and QBP^Q11: who fits, what vaccinations they had, and which queries are not answered."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from adapters.answering import Answering
from fhir_server.hl7v2.applying import Applying
from fhir_server.settings import Settings
from hl7.errors import HL7Error
from hl7.message import Message
from hl7.parser import parse
from tests.fhir_server.hl7v2.records import ADT, MR, Records, hospital, message, msh

# Names and numbers; the last two are twins of whom the query does not say which.
_PEOPLE = (
    ("1", "Muster^Mara^Ida", "19800203", "F"),
    ("2", "Muster^Max", "19800203", "F"),
    ("3", "Zwilling^Änne", "20240501", "F"),
    ("4", "Zwilling^Rosa", "20240501", "F"),
    ("5", "Ungeimpft^Ute", "20230101", "F"),
)


@pytest.fixture(scope="module")
def records(settings: Settings) -> Iterator[Records]:
    """The records of a hospital with some people, one of whom had vaccinations."""
    with hospital(settings) as found:
        for number, name, born, sex in _PEOPLE:
            found.send(
                msh("ADT^A28"), "EVN|A28|20240101", f"PID|1||{number}^^^GENHOSP^MR||{name}||{born}|{sex}"
            )
        found.send(
            msh("VXU^V04"),
            "PID|1||1^^^GENHOSP^MR||Muster^Mara^Ida||19800203|F",
            "ORC|RE|P1^GENHOSP|F1^GENHOSP|||||||||D7^Weiß^Eva^^^^^^GENHOSP",
            "RXA|0|1|20240301||08^Hep B, adolescent^CVX|0.5|mL^^UCUM||||||||LOT7|20251231|MSD^Merck^MVX|||CP",
            "RXR|IM^^HL70162|LA^^HL70163",
            "OBX|1|CE|64994-7^Eligibility^LN|1|V02^Medicaid^HL70064||||||F",
            "ORC|RE||F2^GENHOSP",
            "RXA|0|1|20230301||03^MMR^CVX|999||||||||||||00^Parental decision^NIP002||RE",
            "ORC|RE||F3^GENHOSP",
            "RXA|0|1|20220301||21^Varicella^CVX|999||||||||||||||CP|D",
        )
        _forecast(found)
        yield found


def _forecast(records: Records) -> None:
    patient = {"reference": f"Patient/{records.one('Patient', '1')['id']}"}
    given = next(one for one in records.all("Immunization") if one.get("lotNumber"))
    hepatitis = {"coding": [{"system": "http://snomed.info/sct", "code": "66071002"}]}
    records.put(
        {
            "resourceType": "ImmunizationEvaluation",
            "id": "e1",
            "status": "completed",
            "patient": patient,
            "targetDisease": hepatitis,
            "immunizationEvent": {"reference": f"Immunization/{given['id']}"},
            "doseStatus": {"coding": [{"code": "valid"}]},
            "doseNumberPositiveInt": 1,
        }
    )
    due = {"coding": [{"system": "http://loinc.org", "code": "30980-7"}]}
    records.put(
        {
            "resourceType": "ImmunizationRecommendation",
            "id": "r1",
            "patient": patient,
            "date": "2024-03-02T09:00:00Z",
            "recommendation": [
                {
                    "vaccineCode": [{"coding": [{"system": "http://hl7.org/fhir/sid/cvx", "code": "08"}]}],
                    "forecastStatus": {"coding": [{"code": "due"}]},
                    "dateCriterion": [{"code": due, "value": "2024-04-01"}],
                    "doseNumberPositiveInt": 2,
                }
            ],
        }
    )


def _answer(records: Records, *segments: str) -> Message:
    applied = records.send(msh(segments[0], "Q"), *segments[1:])
    assert applied.response is not None
    assert applied.status == "unchanged"
    return parse(applied.response)


@pytest.mark.parametrize(
    ("asked", "numbers"),
    [
        ("@PID.5.1^Muster", ["1", "2"]),
        ("@PID.5.1^Muster~@PID.5.2^Max", ["2"]),
        ("@PID.3.1^1~@PID.3.4^GENHOSP", ["1"]),
        ("@PID.3.1^1~@PID.3.4^OTHER", []),
        ("@PID.7^19800203~@PID.8^F", ["1", "2"]),
    ],
)
def test_candidates(records: Records, asked: str, numbers: list[str]) -> None:
    """All that is asked for has to fit; the answer has QAK, the query, and a PID for each."""
    answer = _answer(records, "QBP^Q22^QBP_Q21", f"QPD|Q22^Find^HL7|TAG|{asked}", "RCP|I")
    assert (answer.header.trigger_event, answer.all("MSA")[0].get(2)) == ("K22", "Q")
    assert answer.all("QAK")[0].get(2) == ("OK" if numbers else "NF")
    assert sorted(one.get(3) for one in answer.all("PID")) == numbers
    assert [one.get(1) for one in answer.all("PID")] == [str(place + 1) for place in range(len(numbers))]
    assert all(one.get(3, 4) == "GENHOSP" for one in answer.all("PID"))


@pytest.mark.parametrize(
    ("limit", "status", "count"), [("1^RD", "TM", 0), ("2^RD", "OK", 2), ("2", "OK", 2), ("", "OK", 2)]
)
def test_more_than_were_wanted(records: Records, limit: str, status: str, count: int) -> None:
    """Of more people than RCP-2 allows none is told, and that they are too many."""
    answer = _answer(records, "QBP^Q22^QBP_Q21", "QPD|Q22^Find^HL7|TAG|@PID.5.1^Muster", f"RCP|I|{limit}")
    assert answer.all("QAK")[0].get(2) == status
    assert len(answer.all("PID")) == count


def test_a_character_set_that_lacks_a_letter(records: Records) -> None:
    """Who asks in ASCII is answered in ASCII, without the marks on letters."""
    answer = _answer(records, "QBP^Q22^QBP_Q21", "QPD|Q22^Find^HL7|TAG|@PID.3.1^3", "RCP|I")
    asked = message(msh("QBP^Q22^QBP_Q21") + "||||||ASCII", "QPD|Q22^Find^HL7|TAG|@PID.3.1^3", "RCP|I")
    ascii_answer = records.run(records._send(asked, ADT)).response
    assert ascii_answer is not None
    assert answer.all("PID")[0].get(5, 2) == "Änne"
    assert parse(ascii_answer).all("PID")[0].get(5, 2) == "Anne"


@pytest.mark.parametrize(
    ("query", "code", "place"),
    [
        ("Q22|QPD|Q22^Find^HL7|TAG|", "101", "QPD^1^3"),
        ("Q22|QPD|Q22^Find^HL7|TAG|@PID.19^1", "103", "QPD^1^3^1"),
        ("Q22|QPD|Q22^Find^HL7|TAG|@PID.7^x", "102", "QPD^1^3^1"),
        ("Q22|QPD|Q22^Find^HL7|TAG|@PID.5.1^Muster\rRCP|D", "103", "RCP^1^1"),
        ("Q22|QPD|Q22^Find^HL7|TAG|@PID.5.1^Muster\rRCP|I|10^PG", "103", "RCP^1^2"),
        ("Q22|QPD|Q22^Find^HL7|TAG|@PID.5.1^Muster\rRCP|I|0^RD", "102", "RCP^1^2"),
        ("Q22|QPD|Q22^Find^HL7|TAG|@PID.5.1^Muster\rRCP|I|٣^RD", "102", "RCP^1^2"),
        ("Q11|QPD|Z99^Secrets^HL7|TAG||Muster^Mara||19800203", "103", "QPD^1^1"),
        ("Q11|QPD|Z34^History^CDCPHINVS|TAG|1^^^GENHOSP^MR|||19800203", "101", "QPD^1^4"),
        ("Q11|QPD|Z34^History^CDCPHINVS|TAG|1^^^GENHOSP^MR|Muster^Mara", "101", "QPD^1^6"),
        ("Q11|QPD|Z34^History^CDCPHINVS|TAG||Muster^Mara||no date", "102", "QPD^1^6"),
    ],
)
def test_queries_that_are_refused(records: Records, query: str, code: str, place: str) -> None:
    """A query that asks for nothing, or for what nobody may ask, is refused; QAK says so too."""
    event, _, rest = query.partition("|")
    segments = (msh(f"QBP^{event}", "Q"), *rest.split("\r"))
    with pytest.raises(HL7Error) as refused:
        records.send(*segments)
    assert (refused.value.code, str(refused.value.location).startswith(place)) == (code, True)
    answering = Answering(lambda: records.context().now(), lambda: "A1")
    data = answering.refused(message(*segments), refused.value)
    assert data is not None
    answer = parse(data)
    assert answer.header.message_code == "RSP"
    assert (answer.all("MSA")[0].get(1), answer.all("QAK")[0].get(2)) == ("AE", "AE")
    assert (answer.all("QAK")[0].get(1), answer.all("ERR")[0].get(3)) == ("TAG", code)
    assert not answer.all("PID")


_MARA = "1^^^GENHOSP^MR|Muster^Mara||19800203|F"


def _history(records: Records, person: str, name: str = "Z34", limit: str = "") -> Message:
    return _answer(records, "QBP^Q11^QBP_Q11", f"QPD|{name}^Query^CDCPHINVS|TAG|{person}", f"RCP|I|{limit}")


@pytest.mark.parametrize(
    ("person", "limit", "status", "profile", "people"),
    [
        (_MARA, "", "OK", "Z32", ["1"]),
        ("|MUSTER^Mara||19800203", "", "OK", "Z32", ["1"]),
        ("9^^^ELSEWHERE^MR|Muster^Mara||19800203", "", "OK", "Z32", ["1"]),
        ("|Muster^Ida||19800203", "", "OK", "Z32", ["1"]),
        ("2^^^GENHOSP^MR|Muster^Mara||19800203", "", "NF", "Z33", []),
        ("1^^^GENHOSP^MR|Muster^Mara||19800204", "", "NF", "Z33", []),
        ("1^^^GENHOSP^MR|Muster^Mara||19800203|M", "", "NF", "Z33", []),
        ("1^^^GENHOSP^MR|Must^Mara||19800203", "", "NF", "Z33", []),
        ("1^^^GENHOSP^MR|Muster^Eva^Mara||19800203", "", "NF", "Z33", []),
        ("|*||19800203", "", "NF", "Z33", []),
        ("|Muster||19800203", "", "OK", "Z31", ["1", "2"]),
        ("|Muster||19800203", "2^RD", "OK", "Z31", ["1", "2"]),
        ("|Muster||19800203", "1^RD", "TM", "Z33", []),
        (_MARA, "1^RD", "OK", "Z32", ["1"]),
        ("5^^^GENHOSP^MR|Ungeimpft^Ute||20230101", "", "OK", "Z32", ["5"]),
    ],
)
def test_whose_vaccinations(
    records: Records, person: str, limit: str, status: str, profile: str, people: list[str]
) -> None:
    """All that is said has to be so on record; of several only who they are is told, of too many nobody."""
    answer = _history(records, person, limit=limit)
    assert (answer.header.trigger_event, answer.header.structure) == ("K11", "RSP_K11")
    assert answer.segments[0].get(21) == profile
    assert answer.all("QAK")[0].get(2) == status
    assert sorted(one.get(3) for one in answer.all("PID")) == people
    assert bool(answer.all("RXA")) == (people == ["1"])


def test_a_history_of_vaccinations(records: Records) -> None:
    """What was given and what was refused is told, the earliest first; what was an error is not."""
    answer = _history(records, _MARA)
    refused, given = answer.all("RXA")
    assert (refused.get(3), refused.get(5), refused.get(20), refused.get(18)) == (
        "20230301",
        "03",
        "RE",
        "00",
    )
    told = [given.get(number) for number in (3, 5, 6, 7, 15, 16, 20)]
    assert told == ["20240301", "08", "0.5", "mL", "LOT7", "20251231", "CP"]
    assert given.get(17, 2) == "Merck"
    orc = answer.all("ORC")[1]
    assert (orc.get(2), orc.get(3), orc.get(12), orc.get(12, 2)) == ("P1", "F1", "D7", "Weiß")
    [route] = answer.all("RXR")
    assert (route.get(1), route.get(2)) == ("IM", "LA")
    [observed] = answer.all("OBX")
    assert (observed.get(3), observed.get(5)) == ("64994-7", "V02")


def test_what_is_due(records: Records) -> None:
    """Z44 tells of what is on record of how valid doses are, and of which are due, as well."""
    answer = _history(records, _MARA, "Z44")
    assert answer.segments[0].get(21) == "Z42"
    assert [one.get(5) for one in answer.all("RXA")] == ["03", "08", "998"]
    told = {one.get(3): one.get(5) for one in answer.all("OBX")}
    assert told["59781-5"] == "Y"
    assert (told["30979-9"], told["30980-7"], told["59783-1"]) == ("08", "20240401", "due")
    positions = [one.name for one in answer.segments if one.name in ("RXA", "OBX")]
    assert positions[-1] == "OBX"


def test_who_was_told_of_is_on_record(records: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each patient whom an answer has is put on record with the channel, and nobody else."""
    told: list[tuple[str, str | None, str]] = []

    class _Trail:
        async def tell(self, kind: str, patient: str | None, detail: str) -> None:
            told.append((kind, patient, detail))

    context = replace(records.context(), trail=_Trail())  # type: ignore[arg-type]
    applying = Applying(lambda _: context, records.book)
    monkeypatch.setattr(Records, "applying", applying)
    _history(records, "|Muster||19800203")
    _history(records, "|Nobody||19800203")
    ids = {records.one("Patient", number)["id"] for number in ("1", "2")}
    assert {one for _, one, _ in told} == {f"Patient/{one}" for one in ids}
    assert {(kind, detail) for kind, _, detail in told} == {("hl7v2-show", "Query of channel adt")}


def test_answers_to_our_messages_change_nothing(records: Records) -> None:
    """An ACK that comes in makes no resource."""
    assert records.send(msh("ACK"), "MSA|AA|X").status == "ignored"


def test_a_merged_record_is_not_told(records: Records) -> None:
    """The number of a record that went into another one finds the other one, once."""
    records.send(msh("ADT^A28"), "EVN|A28|20240101", "PID|1||8^^^GENHOSP^MR||Gleich^Gerda||19700101|F")
    records.send(msh("ADT^A28"), "EVN|A28|20240101", "PID|1||9^^^GENHOSP^MR||Gleich^Gerda||19700101|F")
    records.send(
        msh("ADT^A40"), "EVN|A40|20240201", "PID|1||8^^^GENHOSP^MR||Gleich^Gerda||19700101|F",
        "MRG|9^^^GENHOSP^MR",
    )  # fmt: skip
    answer = _history(records, "9^^^GENHOSP^MR|Gleich^Gerda||19700101")
    [pid] = answer.all("PID")
    assert pid.get(3) == "8"
    assert any(one["system"] == MR for one in records.one("Patient", "8")["identifier"])
