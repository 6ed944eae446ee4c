"""Generated HTTP: methods, addresses, queries and headers, each of them half sensible."""

from hypothesis import strategies as st

from tests.fhir_server.faults.generated import TEXTS

_SEGMENTS = [
    "Patient",
    "Observation",
    "Basic",
    "Bundle",
    "Binary",
    "metadata",
    "_history",
    "_search",
    "1",
    "a.b-C",
]
_SEGMENTS += ["$validate", "{type}", "{id}", "", ".", "..", "%00", "%2F", "%ff", "a" * 65, "nonsense"]
_GOOD_PATHS = ["/fhir", "/fhir/Patient", "/fhir/Patient/1", "/fhir/Patient/1/_history", "/fhir/_history"]
_GOOD_PATHS += [
    "/fhir/Patient/_history",
    "/fhir/Patient/1/_history/1",
    "/fhir/Patient/_search",
    "/fhir/metadata",
]
_ANY_PATHS = st.lists(
    st.one_of(
        st.sampled_from(_SEGMENTS),
        st.text(st.characters(codec="ascii", exclude_characters=" ?#\x7f", min_codepoint=33), max_size=8),
    ),
    max_size=5,
).map(lambda parts: "/fhir/" + "/".join(parts))
PATHS = st.one_of(st.sampled_from(_GOOD_PATHS), _ANY_PATHS)

_NAMES = [
    "_id",
    "identifier",
    "name",
    "birthdate",
    "gender",
    "_sort",
    "_count",
    "_total",
    "_summary",
    "_page",
]
_NAMES += [
    "_since",
    "_format",
    "_pretty",
    "code",
    "date",
    "value-quantity",
    "subject",
    "_lastUpdated",
    "_tag",
]
_NAMES += ["code-value-quantity", "patient", "url", "_has:Observation:patient:code", "_include", "nonsense"]
_MODIFIERS = ["", "", "", ":exact", ":contains", ":missing", ":not", ":text", ":Patient", ":nonsense", ":"]
_VALUES = [
    "",
    "a",
    "true",
    "1",
    "-1",
    "1.50",
    "gt5",
    "ap2020",
    "2020-01",
    "lt2020-01-01T00:00:00Z",
    "a|b",
    "|a",
]
_VALUES += [
    "5.4|http://unitsofmeasure.org|mg",
    "Patient/1",
    "a,b",
    "a$b",
    "a\\,b",
    "name,-birthdate",
    "count",
]
_GOOD_PAIRS = [
    ("_id", "1"),
    ("identifier", "a|b"),
    ("_count", "3"),
    ("_sort", "-_lastUpdated,_id"),
    ("_tag", "a"),
]
_GOOD_PAIRS += [
    ("_lastUpdated", "gt2020"),
    ("_total", "accurate"),
    ("_summary", "count"),
    ("_pretty", "true"),
]
PAIRS = st.one_of(
    st.sampled_from(_GOOD_PAIRS),
    st.tuples(st.sampled_from(_NAMES), st.sampled_from(_VALUES)),
    st.tuples(
        st.one_of(st.tuples(st.sampled_from(_NAMES), st.sampled_from(_MODIFIERS)).map("".join), TEXTS),
        st.one_of(st.sampled_from(_VALUES), TEXTS),
    ),
)

_HEADER_NAMES = ["If-Match", "If-None-Match", "If-None-Exist", "If-Modified-Since", "Prefer", "Accept"]
_HEADER_VALUES = [
    'W/"1"',
    '"1"',
    "*",
    'W/"0", W/"1"',
    "return=minimal",
    "return=representation",
    "nonsense=1",
]
_HEADER_VALUES += ["return=OperationOutcome", "handling=lenient", "Sat, 01 Jan 2000 00:00:00 GMT", "a;b=c"]
_HEADER_VALUES += ["identifier=a|b", "application/fhir+json; fhirVersion=4.0", "text/html, */*;q=0.1", "gzip"]
HEADERS = st.lists(
    st.tuples(
        st.sampled_from(_HEADER_NAMES),
        st.one_of(
            st.sampled_from(_HEADER_VALUES),
            st.text(
                st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=20
            ),
        ),
    ),
    max_size=3,
    unique_by=lambda pair: pair[0],
)
METHODS = st.sampled_from(["GET", "GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
