"""Resources and searches drawn by hypothesis, from few enough words that they often meet.

Each search asks for things that resources have, for things that they nearly have, and for nonsense.
"""

from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

Resource = dict[str, Any]
Strategy = st.SearchStrategy[Any]
Asked = tuple[str, str]

SYSTEMS = ("http://loinc.org", "urn:oid:1.2", "http://loinc.org/x")
CODES = ("a", "A", "b", "8480-6", "x|y", "p,q", "c$d", "e\\f")
UNITS: tuple[dict[str, str], ...] = (
    {"unit": "mg", "system": "http://unitsofmeasure.org", "code": "mg"},
    {"unit": "milligram", "system": "http://unitsofmeasure.org", "code": "mg"},
    {"unit": "mg"},
    {},
)
WORDS = (
    "Anne-Marie",
    "anne",
    "O'Brien",
    "Müller",
    "muller",
    "García López",
    "Lopez",
    "St. John",
    "søren",
    "Ab c",
)
NUMBERS = (
    "0",
    "1",
    "5",
    "5.4",
    "5.40",
    "-5.4",
    "99.5",
    "100",
    "100.0",
    "100.49",
    "104",
    "1e2",
    "1.0e2",
    "0.054",
)
_REFERENCE_FORMS = (
    "{}/1",
    "{}/2",
    "{}/1/_history/2",
    "http://here.example/fhir/{}/1",
    "http://there.example/fhir/{}/1",
    "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0",
)
MOMENTS = (
    "2013",
    "2013-01",
    "2013-12",
    "2013-01-14",
    "2013-01-15",
    "2013-01-14T10:00:00Z",
    "2013-01-14T10:00:00.5Z",
    "2013-01-14T10:00:00.500Z",
    "2013-01-14T23:30:00-05:00",
    "2013-01-15T04:30:00Z",
    "2014-02-28T00:00:00+14:00",
)
_OF_A_SECOND = [moment for moment in MOMENTS if moment.endswith("Z")]
PREFIXES = ("", "eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap")


def _some(strategy: Strategy, most: int = 2) -> Strategy:
    return st.lists(strategy, min_size=1, max_size=most)


def _record(**members: Strategy) -> Strategy:
    """Draw an object that has some of the members, at least one."""
    return st.sets(st.sampled_from(sorted(members)), min_size=1).flatmap(
        lambda names: st.fixed_dictionaries({name: members[name] for name in sorted(names)})
    )


CODING = _record(system=st.sampled_from(SYSTEMS), code=st.sampled_from(CODES), display=st.just("x"))
CONCEPT = _record(coding=_some(CODING), text=st.sampled_from(WORDS))
IDENTIFIER = _record(system=st.sampled_from(SYSTEMS), value=st.sampled_from(CODES))


def _reference(*types: str) -> Strategy:
    texts = st.builds(str.format, st.sampled_from(_REFERENCE_FORMS), st.sampled_from(types))
    return _record(reference=texts, display=st.just("x"))


PERIOD = st.builds(
    lambda bounds: {key: moment for key, moment in zip(("start", "end"), bounds, strict=True) if moment},
    st.sampled_from([(a, b) for i, a in enumerate(MOMENTS) for b in MOMENTS[i + 1 :]])
    .filter(lambda pair: pair[0][:10] < pair[1][:10])
    .flatmap(lambda pair: st.sampled_from([pair, (pair[0], None), (None, pair[1])])),
)
TIMING = _record(
    event=_some(st.sampled_from(MOMENTS)), repeat=st.fixed_dictionaries({"boundsPeriod": PERIOD})
)
_DECIMALS = st.sampled_from([Decimal(number) for number in NUMBERS if "e" not in number])
QUANTITY = st.builds(
    lambda value, unit: {**value, **unit},
    st.one_of(
        _DECIMALS.map(lambda number: {"value": number}),
        st.builds(
            lambda number, comparator: {"value": number, "comparator": comparator},
            _DECIMALS,
            st.sampled_from(["<", "<=", ">=", ">"]),
        ),
        st.just({"comparator": "<"}),
    ),
    st.sampled_from(UNITS),
)
_END = QUANTITY.map(lambda end: {key: part for key, part in end.items() if key != "comparator"})
RANGE = _record(low=_END, high=_END)
SAMPLED = st.builds(
    lambda origin, factor, data: {
        "origin": {"value": origin, **UNITS[0]},
        "period": 1,
        "dimensions": 1,
        "data": " ".join(data),
        **factor,
    },
    _DECIMALS,
    st.sampled_from([{}, {"factor": Decimal("0.1")}]),
    _some(st.sampled_from(["E", "U", "L", "1", "-5.4", "100"]), 4),
)
NAME = _record(
    family=st.sampled_from(WORDS), given=_some(st.sampled_from(WORDS)), text=st.sampled_from(WORDS)
)
ADDRESS = _record(city=st.sampled_from(WORDS), line=_some(st.sampled_from(WORDS)), use=st.just("home"))
CONTACT = st.fixed_dictionaries(
    {"system": st.sampled_from(["email", "phone"])}, optional={"value": st.sampled_from(CODES)}
)


def _choice(**types: Strategy) -> Strategy:
    """Draw one type of a choice of types, or none."""
    return st.one_of(
        st.just({}),
        *(st.fixed_dictionaries({key: strategy}) for key, strategy in types.items()),
    )


_VALUE = _choice(
    valueQuantity=QUANTITY,
    valueCodeableConcept=CONCEPT,
    valueString=st.sampled_from(WORDS),
    valueSampledData=SAMPLED,
    valueDateTime=st.sampled_from(MOMENTS),
    valuePeriod=PERIOD,
)
_EFFECTIVE = _choice(
    effectiveDateTime=st.sampled_from(MOMENTS),
    effectivePeriod=PERIOD,
    effectiveInstant=st.sampled_from(_OF_A_SECOND),
    effectiveTiming=TIMING,
)
_META = _record(
    tag=_some(CODING),
    profile=_some(st.sampled_from(["http://p.example/a", "http://p.example/a|1", "http://p.example/b"])),
    source=st.sampled_from(["urn:s", "urn:S"]),
)
_COMPONENT = st.builds(
    lambda code, value: {"code": code, **value},
    CONCEPT,
    _choice(valueQuantity=QUANTITY, valueCodeableConcept=CONCEPT, valueSampledData=SAMPLED),
)
OBSERVATION = st.builds(
    lambda plain, value, effective: {"resourceType": "Observation", **plain, **value, **effective},
    st.fixed_dictionaries(
        {},
        optional={
            "meta": _META,
            "status": st.sampled_from(["final", "preliminary"]),
            "code": CONCEPT,
            "category": _some(CONCEPT),
            "identifier": _some(IDENTIFIER),
            "subject": _reference("Patient", "Group"),
            "performer": _some(_reference("Practitioner", "Patient")),
            "component": _some(_COMPONENT),
        },
    ),
    _VALUE,
    _EFFECTIVE,
)
PATIENT = st.builds(
    lambda plain, deceased: {"resourceType": "Patient", **plain, **deceased},
    st.fixed_dictionaries(
        {},
        optional={
            "active": st.booleans(),
            "address": _some(ADDRESS),
            "birthDate": st.sampled_from([moment for moment in MOMENTS if "T" not in moment]),
            "communication": _some(st.fixed_dictionaries({"language": CONCEPT})),
            "gender": st.sampled_from(["male", "female"]),
            "generalPractitioner": _some(_reference("Practitioner", "Organization")),
            "identifier": _some(IDENTIFIER),
            "managingOrganization": _reference("Organization"),
            "name": _some(NAME),
            "telecom": _some(CONTACT),
        },
    ),
    _choice(deceasedDateTime=st.sampled_from(MOMENTS), deceasedBoolean=st.booleans()),
)
ENCOUNTER = st.fixed_dictionaries(
    {"resourceType": st.just("Encounter")},
    optional={
        "class": CODING,
        "length": QUANTITY,
        "period": PERIOD,
        "location": _some(
            st.fixed_dictionaries({"location": _reference("Location")}, optional={"period": PERIOD})
        ),
    },
)
RISK_ASSESSMENT = st.fixed_dictionaries(
    {"resourceType": st.just("RiskAssessment")},
    optional={"prediction": _some(_choice(probabilityDecimal=_DECIMALS))},
)
VALUE_SET = st.fixed_dictionaries(
    {"resourceType": st.just("ValueSet")},
    optional={
        "url": st.sampled_from(["http://v.example/a", "http://v.example/A", "http://v.example/a/b"]),
        "version": st.sampled_from(["1", "2"]),
        "useContext": _some(
            st.builds(
                lambda code, value: {"code": code, **value},
                CODING,
                _choice(valueQuantity=QUANTITY, valueRange=RANGE),
            )
        ),
    },
)
RESOURCES: dict[str, Strategy] = {
    "Encounter": ENCOUNTER,
    "Observation": OBSERVATION,
    "Patient": PATIENT,
    "RiskAssessment": RISK_ASSESSMENT,
    "ValueSet": VALUE_SET,
}


CODES_ASKED: dict[str, tuple[str, ...]] = {
    resource_type: tuple(codes.split())
    for resource_type, codes in {
        "Observation": """_id _tag _profile _source category code component-code combo-code date identifier
            patient performer status subject value-concept value-date value-quantity
            component-value-quantity combo-value-quantity value-string code-value-quantity
            code-value-concept code-value-string component-code-value-quantity
            combo-code-value-quantity""",
        "Patient": """active address address-city birthdate death-date email family gender
            general-practitioner given identifier language name organization telecom""",
        "Encounter": "class date length location location-period",
        "RiskAssessment": "probability",
        "ValueSet": "context-quantity url version context-type-quantity",
    }.items()
}
"""The parameters that are asked for, by resource type."""


def _escaped(text: str) -> str:
    for character in "\\,$|":
        text = text.replace(character, f"\\{character}")
    return text


_CODE = st.sampled_from(CODES).map(_escaped)
_SYSTEM = st.sampled_from((*SYSTEMS, "http://hl7.org/fhir/administrative-gender", "urn:none"))
_PREFIX = st.sampled_from(PREFIXES)
_WORDS = st.sampled_from(("final", "male", "true", "false", *(_escaped(code) for code in CODES)))
_PLAIN_TOKEN = st.one_of(_WORDS, _CODE)
_TOKEN = st.one_of(
    _PLAIN_TOKEN,
    st.builds("{}|{}".format, _SYSTEM, _WORDS),
    _WORDS.map("|{}".format),
    _SYSTEM.map("{}|".format),
)
_NUMBER = st.builds("{}{}".format, _PREFIX, st.sampled_from(NUMBERS))
_QUANTITY = st.one_of(
    _NUMBER,
    st.builds("{}||{}".format, _NUMBER, st.sampled_from(["mg", "milligram", "g"])),
    st.builds("{}|http://unitsofmeasure.org|{}".format, _NUMBER, st.sampled_from(["mg", "g", "milligram"])),
)
_STARTS = st.sampled_from(sorted({_escaped(word[:end]) for word in WORDS for end in (1, 3, 5, 99)}))
VALUES: dict[str, Strategy] = {
    "date": st.builds(
        "{}{}".format,
        _PREFIX,
        st.sampled_from((*MOMENTS, "2013-01-14T10:00", "2013-01-14T10:00Z", "1999", "2030-05-05")),
    ),
    "number": _NUMBER,
    "quantity": _QUANTITY,
    "reference": st.one_of(
        st.sampled_from(["1", "2", "3"]),
        st.builds(
            str.format,
            st.sampled_from((*_REFERENCE_FORMS, "{}/9", "{}/1/_history/1")),
            st.sampled_from(["Patient", "Group", "Practitioner", "Organization", "Location"]),
        ),
    ),
    "string": _STARTS,
    "token": _TOKEN,
    "uri": st.sampled_from(
        [
            "http://p.example/a",
            "http://p.example/a\\|1",
            "urn:s",
            "http://v.example/a",
            "http://v.example/a|2",
        ]
    ),
}
# Elements of these types have no system, so that asking for one is an error.
_WITHOUT_SYSTEM = frozenset({"_id", "email", "telecom", "active"})
_MODIFIERS = {"string": (":exact", ":contains"), "token": (":not",)}


def _several(strategy: Strategy) -> Strategy:
    return st.lists(strategy, min_size=1, max_size=3).map(",".join)


def search(code: str, kind: str) -> Strategy:
    """Draw one parameter `code` of a type with a value, as a pair."""
    values = _PLAIN_TOKEN if code in _WITHOUT_SYSTEM else VALUES[kind]
    modifiers = ("", "", *_MODIFIERS.get(kind, ()))
    return st.one_of(
        st.tuples(st.sampled_from(modifiers).map(lambda modifier: code + modifier), _several(values)),
        st.tuples(st.just(f"{code}:missing"), st.sampled_from(["true", "false"])),
    )


def combination(code: str, kinds: tuple[str, ...]) -> Strategy:
    """Draw a composite parameter with a combination of values, as a pair."""
    return st.tuples(st.just(code), _several(st.tuples(*(VALUES[kind] for kind in kinds)).map("$".join)))
