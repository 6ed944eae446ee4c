"""All official examples lie in MongoDB with all their indexes, and are found by each of their parameters.

https://hl7.org/fhir/R4/searchparameter-registry.html
"""

import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from pymongo import MongoClient

from fhir_server.search.fields import is_searchable
from fhir_server.search.indexes import index_specifications
from fhir_server.store.connection import CODEC_OPTIONS
from resources.fhirpath.element_paths import AtIndex, ElementIs, ElementPath, HasExtension, ReferenceTo, Step
from resources.json_format import parse
from resources.search_parameters import SearchParameter, search_parameters
from tests.fhir_server.search.stored import Document, Documents, ask, document

DATABASE = "test_official_examples"
# So many pairs of type and parameter have a value in the examples.
LEAST_PARAMETERS = 1_269

Element = tuple[ElementPath, Any]


@pytest.fixture(scope="module")
def examples(shared_data: Path) -> dict[str, list[Document]]:
    """The official examples by type, with ids that tell them apart."""
    found: dict[str, list[Document]] = {}
    with tarfile.open(shared_data / "fhir" / "r4-examples.tar.gz") as archive:
        for member in archive:
            if member.name.endswith(".json") and (file := archive.extractfile(member)):
                resource = parse(file.read())
                listed = found.setdefault(resource["resourceType"], [])
                listed.append({**resource, "id": f"example-{len(listed)}"})
    return found


@pytest.fixture(scope="module")
def stored(
    mongo_client: MongoClient[Document], examples: dict[str, list[Document]]
) -> Iterator[dict[str, Documents]]:
    """The collections with the examples, laid down as the store does it.

    Of their indexes they have those on more than one value, which are the ones that MongoDB may refuse to
    fill: the others are 2,000, and take as many times longer to make.
    """
    mongo_client.drop_database(DATABASE)
    database = mongo_client.get_database(DATABASE, codec_options=CODEC_OPTIONS)
    for resource_type, resources in examples.items():
        for index in index_specifications(resource_type):
            if sum(key != "seq" for key, _ in index.keys) > 1:
                options: dict[str, Any] = {"partialFilterExpression": index.partial} if index.partial else {}
                database[resource_type].create_index(list(index.keys), name=index.name, **options)
        documents = [document(resource, number) for number, resource in enumerate(resources)]
        database[resource_type].insert_many(documents)
    yield {resource_type: database[resource_type] for resource_type in examples}
    mongo_client.drop_database(DATABASE)


def test_all_examples_can_be_indexed(
    stored: dict[str, Documents], examples: dict[str, list[Document]]
) -> None:
    """No index refuses any of them, as one would on two arrays of a document."""
    assert sum(len(listed) for listed in examples.values()) >= 717
    for resource_type, resources in examples.items():
        assert stored[resource_type].count_documents({}) == len(resources)


@pytest.mark.feature("search.all-types")
def test_each_parameter_finds_the_examples_that_have_a_value(
    stored: dict[str, Documents], examples: dict[str, list[Document]]
) -> None:
    """Asked for by one of its own values, an example is found; by each parameter of its type that it has."""
    checked, missed = set(), []
    for resource_type, resources in examples.items():
        parameters = [found for found in search_parameters(resource_type).values() if is_searchable(found)]
        for resource in resources:
            for parameter in parameters:
                text = (
                    _combination(parameter, resource)
                    if parameter.components
                    else _any_of(parameter, resource)
                )
                if text is None or parameter.code == "_lastUpdated":
                    continue
                checked.add((resource_type, parameter.code))
                search = f"{parameter.code}={quote(text, safe='')}&_id={resource['id']}"
                if list(ask(stored[resource_type], search)) != [resource["id"]]:
                    missed.append((resource_type, parameter.code, text))
    assert missed == []
    assert len(checked) >= LEAST_PARAMETERS


def _any_of(parameter: SearchParameter, resource: Document) -> str | None:
    return next(_texts(parameter.type, _found(parameter.paths, resource)), None)


def _combination(parameter: SearchParameter, resource: Document) -> str | None:
    """Return the values of the first element that has all parts of a composite."""
    for index, path in enumerate(parameter.paths):
        for _, element in _found((path,), resource):
            parts = [
                next(_texts(part.type, _found(part.paths[index], element, resource)), None)
                for part in parameter.components
            ]
            if None not in parts:
                return "$".join(part for part in parts if part is not None)
    return None


def _found(paths: Iterable[ElementPath], start: Any, resource: Document | None = None) -> Iterator[Element]:
    for path in paths:
        if path.presence_of:
            yield path, any(start.get(key, False) is not False for key in path.presence_of)
        else:
            for element in _walk(path.steps, resource if path.from_resource else start):
                yield path, element


def _walk(steps: tuple[Step, ...], element: Any) -> Iterator[Any]:
    if not steps:
        yield element
        return
    step, rest = steps[0], steps[1:]
    value = element.get(step.key)
    items = value if isinstance(value, list) else [value]
    for number, item in enumerate(items):
        if item is not None and _counts(step, item, number):
            yield from _walk(rest, item)


def _counts(step: Step, item: Any, number: int) -> bool:
    match step.condition:
        case AtIndex(index=index):
            return number == index
        case ElementIs(key=key, value=value):
            return bool(item.get(key) == value)
        case ReferenceTo(type_name=name):
            return f"/{name}/" in f"/{item.get('reference', '')}"
        case HasExtension(url=url):
            return any(extension["url"] == url for extension in item.get("extension", ()))
    return True


def _texts(parameter_type: str, elements: Iterable[Element]) -> Iterator[str]:
    """Yield what a client would write to find each of `elements`."""
    for path, element in elements:
        text = _TEXTS[parameter_type](path.type, element)
        if text is not None:
            yield text


def _token(fhir_type: str, element: Any) -> str | None:
    if fhir_type == "CodeableConcept":
        return next(
            (text for coding in element.get("coding", ()) if (text := _token("Coding", coding))), None
        )
    if fhir_type in ("Coding", "Identifier"):
        code = element.get("code" if fhir_type == "Coding" else "value")
        return None if code is None else f"{_escaped(element.get('system', ''))}|{_escaped(code)}"
    if fhir_type == "ContactPoint":
        return _escaped(element["value"]) if "value" in element else None
    return str(element).lower() if fhir_type == "boolean" else _escaped(element)


def _string(fhir_type: str, element: Any) -> str | None:
    if fhir_type in ("HumanName", "Address"):
        keys = ("text", "family", "given", "line", "city", "country")
        found = [element[key] for key in keys if key in element]
        element = next((text for item in found for text in (item if isinstance(item, list) else [item])), "")
    return _escaped(element) if element.strip() else None


def _date(fhir_type: str, element: Any) -> str | None:
    if fhir_type == "Timing":
        events = element.get("event")
        bounds = element.get("repeat", {}).get("boundsPeriod", {})
        return f"ge{events[0]}" if events else _date("Period", bounds)
    if fhir_type == "Period":
        return f"ge{element['start']}" if "start" in element else f"le{element['end']}" if element else None
    return str(element)


def _number(_fhir_type: str, element: Any) -> str:
    return str(element)


def _quantity(fhir_type: str, element: Any) -> str | None:
    if fhir_type == "Range":
        return (
            _quantity("Quantity", element["low"]) and f"ge{element['low']['value']}"
            if "low" in element
            else None
        )
    if "value" not in element:
        return None
    if fhir_type == "Money":
        return (
            f"{element['value']}||{element['currency']}" if "currency" in element else f"{element['value']}"
        )
    # A value that is "more than 60" is not 60.
    prefix = {">": "gt", ">=": "ge", "<": "lt", "<=": "le"}.get(element.get("comparator"), "")
    if "system" in element and "code" in element:
        return f"{prefix}{element['value']}|{_escaped(element['system'])}|{_escaped(element['code'])}"
    return f"{element['value']}||{_escaped(element['unit'])}" if "unit" in element else f"{element['value']}"


def _reference(fhir_type: str, element: Any) -> str | None:
    if fhir_type == "Resource":
        return f"{element['resourceType']}/{element['id']}" if "id" in element else None
    address: str = element.get("reference", "") if fhir_type == "Reference" else element
    return _escaped(address.partition("/_history/")[0]) if address and not address.startswith("#") else None


def _uri(_fhir_type: str, element: Any) -> str:
    return _escaped(element)


def _near(_fhir_type: str, position: Any) -> str | None:
    return f"{position['latitude']}|{position['longitude']}|1|km"


_TEXTS = {
    "token": _token,
    "string": _string,
    "date": _date,
    "number": _number,
    "quantity": _quantity,
    "reference": _reference,
    "uri": _uri,
    "special": _near,
}


def _escaped(text: str) -> str:
    for character in "\\,$|":
        text = text.replace(character, f"\\{character}")
    return text
