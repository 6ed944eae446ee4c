"""Real resources in XML: HL7's official examples, its test cases in XML and JSON, and Synthea's patients."""

import bz2
import json
import tarfile
import xml.etree.ElementTree as ElementTree
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from resources import json_format
from resources.operation_outcome import InvalidContent
from resources.validation import validate
from resources.xml_format import dumps, parse

DATA = Path(__file__).parents[3] / "shared/data"
EXAMPLES = DATA / "fhir/r4-examples.tar.gz"
SYNTHEA = DATA / "synthea"
TEST_CASES = DATA / "fhir-test-cases/r4"

with_examples = pytest.mark.skipif(
    not EXAMPLES.exists(), reason="needs ../shared/data/fhir/r4-examples.tar.gz"
)
with_synthea = pytest.mark.skipif(not SYNTHEA.exists(), reason="needs ../shared/data/synthea")
with_test_cases = pytest.mark.skipif(
    not TEST_CASES.exists(), reason="needs ../shared/data/fhir-test-cases/r4"
)

NOT_RESOURCES = {
    "fhirpath/tests-fhir-r4.xml": "The element 'tests' is not known here",
    "graphdefinition/manifest.xml": "The element is not known here",
    "patch/fhir-patch-tests.xml": "The element 'tests' is not known here",
    "patch/xml-patch-tests.xml": "The element 'tests' is not known here",
}
"""Lists of tests, and how they are refused."""

BROKEN = {
    "myconsent-ext.xml": "The element 'contextType' is not known here",  # R4 has none, but R3 had
    "observation-example.xml": "The element 'extension' must be before",  # it follows the status there
}
"""The test cases that are not FHIR R4, and how they are refused."""

OTHER_SPELLING = {
    "examples/observation-decimal.xml",  # has 1.0e0, which is written as 1.0
    "parameters-example-types.xml",  # names a schema
}
"""The test cases that are written with other words than they were read with."""


TWINS: dict[str, set[str]] = {
    "examples/condition-example": set(),
    "examples/observation-decimal": set(),
    "examples/observation-example": {"extension"},  # only in XML
    "examples/organization-1": set(),
    "examples/patient-example": set(),
}
"""The test cases that are there in both formats, and the elements in which they differ."""


@cache
def examples() -> dict[str, Any]:
    """Return the official examples by file name, without suffix."""
    with tarfile.open(EXAMPLES) as archive:
        files = {Path(member.name): archive.extractfile(member) for member in archive if member.isfile()}
        return {path.stem: json_format.parse(file.read()) for path, file in files.items() if file}


def xml_files() -> list[str]:
    """Return the paths of all XML files among the test cases."""
    return [str(path.relative_to(TEST_CASES)) for path in sorted(TEST_CASES.rglob("*.xml"))]


def literal(value: Any) -> str:
    """Return a JSON value as text in which decimals that are equal, but not in their digits, differ."""
    return json.dumps(value, sort_keys=True, default=str)


def meaning(xml: bytes | str) -> str:
    """Return what XML says, as another parser sees it: no comments, no spaces between elements."""
    return ElementTree.canonicalize(xml, strip_text=True, rewrite_prefixes=True)


@with_examples
@pytest.mark.parametrize("pretty", [False, True])
def test_official_examples(*, pretty: bool) -> None:
    """JSON to XML to JSON is the identity on each official example: https://hl7.org/fhir/R4/downloads.html."""
    assert len(examples()) == 717
    again = {name: parse(dumps(resource, pretty=pretty)) for name, resource in examples().items()}
    changed = {name for name, resource in examples().items() if literal(again[name]) != literal(resource)}
    assert changed == set()


@with_synthea
def test_synthea() -> None:
    """So it is on whole bundles of Synthea, hospitals, practitioners and a patient."""
    for path in sorted(SYNTHEA.glob("*.json.bz2"))[:3]:
        bundle = json_format.parse(bz2.decompress(path.read_bytes()))
        assert literal(parse(dumps(bundle))) == literal(bundle)


@with_test_cases
@pytest.mark.parametrize("name", sorted(set(xml_files()) - NOT_RESOURCES.keys() - BROKEN.keys()))
def test_official_xml(name: str) -> None:
    """An XML file is a valid resource, and what is written of it says what the file says."""
    xml = (TEST_CASES / name).read_bytes()
    resource = parse(xml)
    assert validate(resource) == []
    assert (meaning(dumps(resource)) != meaning(xml)) == (name in OTHER_SPELLING)
    assert literal(parse(dumps(resource))) == literal(resource)


@with_test_cases
@pytest.mark.parametrize("name", NOT_RESOURCES | BROKEN)
def test_official_xml_that_is_refused(name: str) -> None:
    """What is not a resource of R4 is refused, and the reason is told."""
    with pytest.raises(InvalidContent, match=(NOT_RESOURCES | BROKEN)[name]):
        parse((TEST_CASES / name).read_bytes())


@with_test_cases
@pytest.mark.parametrize("name", TWINS)
def test_official_twins(name: str) -> None:
    """A test case in XML and in JSON is the same resource, but for the spelling of its narrative."""
    from_xml = parse((TEST_CASES / f"{name}.xml").read_bytes())
    from_json = json_format.parse((TEST_CASES / f"{name}.json").read_bytes())
    for resource in (from_xml, from_json):
        if "text" in resource:
            resource["text"]["div"] = meaning(resource["text"]["div"])
    names = from_xml.keys() | from_json.keys()
    assert {key for key in names if literal(from_xml.get(key)) != literal(from_json.get(key))} == TWINS[name]
