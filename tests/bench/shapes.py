"""Thirty shapes of search, each beside the bare MongoDB queries that would answer it.

A shape is asked about one patient, one name, one day or one code, so that its answer does not grow with the
hospital: what grows is what has to be passed over. https://hl7.org/fhir/R4/search.html
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pymongo.database import Database

Document = dict[str, Any]
Filter = dict[str, Any]

PAGE = 20
_LOINC = "http://loinc.org"
_UCUM = "http://unitsofmeasure.org"


@dataclass(frozen=True, slots=True)
class Step:
    """One find of a bare answer.

    `{name}` in a string stands for a value of the sample; the value PREVIOUS for a list made of what the step
    before found: `carried` is a path in its documents, and `form` what is made of each value there.
    """

    collection: str
    filter: Filter
    sort: tuple[tuple[str, int], ...] = (("seq", 1),)
    limit: int = PAGE + 1
    carried: str = "_id"
    form: str = "{}"
    skip: int = 0
    counts: bool = False


PREVIOUS = "<previous>"


@dataclass(frozen=True, slots=True)
class Shape:
    """A kind of search: its name, the search with placeholders, and the bare answer."""

    name: str
    search: str
    bare: Sequence[Step]
    follow: int = 0
    """How many `next` links are followed before the page that is timed."""


def _one(collection: str, sort: tuple[tuple[str, int], ...] = (("seq", 1),), **conditions: Any) -> list[Step]:
    return [Step(collection, _dotted(conditions), sort)]


def _dotted(conditions: Mapping[str, Any]) -> Filter:
    return {
        f"search.{name.replace('__', '.').replace('_', '-')}": value for name, value in conditions.items()
    }


_BY_PATIENT = {"search.patient": "{patient}"}
_BY_IDENTIFIER = Step("Patient", {"search.identifier": "{identifier}"}, form="Patient/{}")
_LATEST = (("search.date.lo", -1), ("seq", -1))

SHAPES: tuple[Shape, ...] = (
    Shape("token", "Observation?code={code}", _one("Observation", code="{code}")),
    Shape("token without a system", "Observation?code={bare_code}", _one("Observation", code="{bare_code}")),
    Shape("identifier", "Patient?identifier={identifier}", _one("Patient", identifier="{identifier}")),
    Shape("reference", "Observation?patient={patient}", _one("Observation", patient="{patient}")),
    Shape(
        "reference and token",
        "Observation?patient={patient}&code={code}",
        _one("Observation", patient="{patient}", code="{code}"),
    ),
    Shape(
        "reference and date range",
        "Observation?patient={patient}&date=ge{day}&date=lt{next_day}",
        [
            Step(
                "Observation",
                {**_BY_PATIENT, "search.date.lo": {"$gte": "{day:date}", "$lt": "{next_day:date}"}},
            )
        ],
    ),
    Shape(
        "date range",
        "Observation?date=ge{day}&date=lt{next_day}",
        [
            Step(
                "Observation",
                {"search.date.lo": {"$gte": "{day:date}", "$lt": "{next_day:date}"}},
                (("search.date.lo", 1), ("seq", 1)),
            )
        ],
    ),
    Shape(
        "birth date",
        "Patient?birthdate={birth_date}&family={family}",
        [Step("Patient", {"search.birthdate.lo": "{birth_date:date}", "search.family": "{folded_family}"})],
    ),
    Shape(
        "string prefix",
        "Patient?family={family}",
        [
            Step(
                "Patient",
                {
                    "search.family": {
                        "$elemMatch": {"$gte": "{folded_family}", "$lt": "{folded_family}\U0010ffff"}
                    }
                },
            )
        ],
    ),
    Shape(
        "string :exact",
        "Patient?family:exact={family}",
        [Step("Patient", {"search.family": "{folded_family}", "resource.name.family": "{family}"})],
    ),
    Shape(
        "name and gender",
        "Patient?name={family}&gender={gender}",
        [Step("Patient", {"search.name": "{folded_family}", "search.gender": "{gender}"})],
    ),
    Shape(
        "quantity",
        "Observation?patient={patient}&value-quantity=gt100",
        [Step("Observation", {**_BY_PATIENT, "search.value-quantity.v": {"$gt": 100}})],
    ),
    Shape(
        "composite",
        f"Observation?patient={{patient}}&code-value-quantity={_LOINC}|8302-2$gt100",
        [
            Step(
                "Observation",
                {**_BY_PATIENT, "search.code": f"{_LOINC}|8302-2", "search.value-quantity.v": {"$gt": 100}},
            )
        ],
    ),
    Shape(
        "composite of components",
        f"Observation?patient={{patient}}&component-code-value-quantity={_LOINC}|8480-6$gt100|{_UCUM}|mm[Hg]",
        [
            Step(
                "Observation",
                {
                    **_BY_PATIENT,
                    "search.component-code-value-quantity": {
                        "$elemMatch": {"a": f"{_LOINC}|8480-6", "b.v": {"$gt": 100}}
                    },
                },
            )
        ],
    ),
    Shape(
        "chain",
        "Observation?patient.identifier={identifier}",
        [_BY_IDENTIFIER, Step("Observation", {"search.patient": {"$in": PREVIOUS}})],
    ),
    Shape(
        "chain and token",
        "Observation?patient.identifier={identifier}&code={code}",
        [_BY_IDENTIFIER, Step("Observation", {"search.patient": {"$in": PREVIOUS}, "search.code": "{code}"})],
    ),
    Shape(
        "chain over two references",
        "DiagnosticReport?encounter.patient.identifier={identifier}",
        [
            _BY_IDENTIFIER,
            Step("Encounter", {"search.patient": {"$in": PREVIOUS}}, limit=0, form="Encounter/{}"),
            Step("DiagnosticReport", {"search.encounter": {"$in": PREVIOUS}}),
        ],
    ),
    Shape(
        "_has",
        "Patient?_has:Encounter:patient:_id={encounter}",
        [
            Step("Encounter", {"_id": "{encounter}"}, carried="search.patient"),
            Step("Patient", {"_id": {"$in": PREVIOUS}}),
        ],
    ),
    Shape(
        "_has beside a name",
        "Patient?family={family}&_has:Observation:patient:code={code}",
        [
            Step("Patient", {"search.family": "{folded_family}"}, form="Patient/{}"),
            Step("Observation", {"search.patient": {"$in": PREVIOUS}, "search.code": "{code}"}),
        ],
    ),
    Shape(
        "_include",
        "Observation?patient={patient}&_include=Observation:encounter",
        [
            Step("Observation", _BY_PATIENT, carried="search.encounter"),
            Step("Encounter", {"_id": {"$in": PREVIOUS}}, limit=0),
        ],
    ),
    Shape(
        "_include:iterate",
        "Observation?patient={patient}&_include=Observation:encounter"
        "&_include:iterate=Encounter:service-provider",
        [
            Step("Observation", _BY_PATIENT, carried="search.encounter"),
            Step("Encounter", {"_id": {"$in": PREVIOUS}}, limit=0, carried="search.service-provider"),
            Step("Organization", {"_id": {"$in": PREVIOUS}}, limit=0),
        ],
    ),
    Shape(
        "_revinclude",
        "Patient?_id={patient_id}&_revinclude=Condition:patient",
        [
            Step("Patient", {"_id": "{patient_id}"}, form="Patient/{}"),
            Step("Condition", {"search.patient": {"$in": PREVIOUS}}, limit=0),
        ],
    ),
    Shape(
        "sort by date, of a patient",
        "Observation?patient={patient}&_sort=-date",
        [Step("Observation", _BY_PATIENT, _LATEST)],
    ),
    Shape("sort by date, of all", "Observation?_sort=-date", [Step("Observation", {}, _LATEST)]),
    Shape(
        "latest changes",
        "Observation?_sort=-_lastUpdated",
        [Step("Observation", {}, (("updated", -1), ("seq", -1)))],
    ),
    Shape(
        "deep page",
        "Observation?code={code}",
        [Step("Observation", {"search.code": "{code}"}, skip=6 * PAGE)],
        follow=6,
    ),
    Shape(
        "count",
        "Observation?patient={patient}&_summary=count",
        [Step("Observation", _BY_PATIENT, counts=True)],
    ),
    Shape(
        "ids",
        "Observation?_id={ids}",
        [Step("Observation", {"_id": {"$in": ["{id0}", "{id1}", "{id2}"]}})],
    ),
    Shape(
        ":not, of a patient",
        "Encounter?patient={patient}&status:not=planned",
        [Step("Encounter", {**_BY_PATIENT, "$nor": [{"search.status": "planned"}]})],
    ),
    Shape(
        "compartment",
        "Patient/{patient_id}/Condition",
        [Step("Condition", _BY_PATIENT)],
    ),
    Shape(
        "_content, of a patient",
        "Condition?patient={patient}&_content=disorder",
        [
            Step(
                "Condition",
                {**_BY_PATIENT, "$or": [{"search._content": "disorder"}, {"search._text": "disorder"}]},
            )
        ],
    ),
    Shape(
        "_filter",
        "Observation?_filter=patient re {patient} and date ge {day}",
        [Step("Observation", {**_BY_PATIENT, "search.date.lo": {"$gte": "{day:date}"}})],
    ),
)


@dataclass(frozen=True, slots=True)
class Sample:
    """What one question is about: values by the names of placeholders, moments apart."""

    texts: Mapping[str, str]
    moments: Mapping[str, Any] = field(default_factory=dict)


def answer(database: Database[Any], shape: Shape, sample: Sample) -> int:
    """Carry out the bare answer of a shape; return how many documents its last step found."""
    previous: list[str] = []
    number = 0
    for step in shape.bare:
        filter_ = _filled(step.filter, sample, previous)
        collection = database[step.collection]
        if step.counts:
            return int(collection.count_documents(filter_))
        found = list(
            collection.find(filter_, {"search": 0} if step.carried == "_id" else None)
            .sort(list(step.sort))
            .skip(step.skip)
            .limit(step.limit)
        )
        number = len(found)
        previous = [step.form.format(value) for document in found for value in _at(document, step.carried)]
        if step.carried != "_id":
            previous = [reference.rpartition("/")[2] for reference in previous]
    return number


def _at(document: Any, path: str) -> list[str]:
    for name in path.split("."):
        document = document.get(name) if hasattr(document, "get") else None
    if document is None:
        return []
    return list(document) if isinstance(document, list) else [document]


def _filled(value: Any, sample: Sample, previous: list[str]) -> Any:
    if value == PREVIOUS:
        return previous
    if isinstance(value, dict):
        return {key: _filled(inner, sample, previous) for key, inner in value.items()}
    if isinstance(value, list):
        return [_filled(inner, sample, previous) for inner in value]
    if isinstance(value, str) and value.endswith(":date}"):
        return sample.moments[value[1:-6]]
    return value.format_map(sample.texts) if isinstance(value, str) and "{" in value else value
