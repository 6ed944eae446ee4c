"""The two patients of a merge as they are afterwards, and as they are when it is taken back.

https://hl7.org/fhir/R4/patient-definitions.html#Patient.link
"""

from collections.abc import Mapping
from typing import Any

from fhir_server.workflows.registration.record_numbers import key_of

Resource = Mapping[str, Any]


def joined(
    source: Resource, target: Resource, result: Resource | None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the source, out of use and without numbers, and the target, which has them as old ones.

    So that a search for a number finds one patient. `result` is how the target is to be otherwise.
    """
    was = {**source, "active": False, "link": [*source.get("link", ()), _link(target, "replaced-by")]}
    old = [{**one, "use": "old"} for one in source.get("identifier") or ()]
    was.pop("identifier", None)
    becomes = {**(result or target)}
    mine = [*(becomes.get("identifier") or ())]
    there = {key_of(one) for one in mine}
    mine += [one for one in target.get("identifier") or () if key_of(one) not in there]
    there |= {key_of(one) for one in mine}
    mine += [one for one in old if key_of(one) not in there]
    becomes["identifier"] = mine
    links = [one for one in becomes.get("link") or target.get("link") or () if not _is_to(one, source)]
    becomes["link"] = [*links, _link(source, "replaces")]
    return was, {name: value for name, value in becomes.items() if value != []}


def parted(source: Resource, target: Resource, before: Resource) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the source, in use again with the numbers that it had `before`, and the target without these."""
    mine = {key_of(one) for one in before.get("identifier") or ()}
    again = {**source, "active": before.get("active"), "identifier": before.get("identifier")}
    again["link"] = [one for one in source.get("link") or () if one.get("type") != "replaced-by"]
    alone = {**target}
    alone["identifier"] = [
        one for one in target.get("identifier") or () if not (key_of(one) in mine and one.get("use") == "old")
    ]
    alone["link"] = [one for one in target.get("link") or () if not _is_to(one, source)]
    return _without_empty(again), _without_empty(alone)


def _link(patient: Resource, kind: str) -> dict[str, Any]:
    return {"other": {"reference": f"Patient/{patient['id']}"}, "type": kind}


def _is_to(link: Resource, patient: Resource) -> bool:
    reference = str((link.get("other") or {}).get("reference", ""))
    return reference.endswith(f"Patient/{patient['id']}")


def _without_empty(patient: Resource) -> dict[str, Any]:
    return {name: value for name, value in patient.items() if value not in ([], None)}
