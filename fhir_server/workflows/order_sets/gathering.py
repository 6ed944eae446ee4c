"""What a call of `$apply` names, read as the caller may see it.

https://hl7.org/fhir/R4/plandefinition-operation-apply.html
"""

from collections.abc import Iterator, Mapping
from typing import Any

from fhir_server.context import Context, Request
from fhir_server.interactions.read import read
from fhir_server.operations.inputs import Inputs
from fhir_server.workflows.beds.operations import reference_in
from fhir_server.workflows.canonicals import named
from fhir_server.workflows.order_sets.case import SUBJECT_TYPES, Case, subject_of_plan
from fhir_server.workflows.order_sets.rules import ACTIVE, CONTENT, SUBJECT
from fhir_server.workflows.records import local
from resources.bundle import refusal
from resources.fhirpath.nodes import root_node
from resources.operation_outcome import InvalidContent, error
from resources.validation import validate

Resource = dict[str, Any]

CONCEPTS = ("userType", "userLanguage", "userTaskContext", "setting", "settingContext")
"""The parameters that are CodeableConcepts: for expressions to ask."""

_DEFINITIONS = ("ActivityDefinition", "Questionnaire", "PlanDefinition")
_MOST_ACTIONS = 1_000


async def plan_of(request: Request, given: Inputs, context: Context) -> Resource:
    """Return the order set at the address, or that is given; raise the refusal of ACTIVE if it is not active.

    At the address of one none may be given, and elsewhere one has to be.
    """
    if len(request.path) == 3:
        if given.all("planDefinition"):
            message = "The parameter planDefinition is not for the address of a PlanDefinition"
            raise InvalidContent(error("invalid", message))
        plan = await _read(request.path[:2], context)
    else:
        given.required("planDefinition")
        plan = given.resource("planDefinition") or {}
        if plan["resourceType"] != "PlanDefinition":
            raise InvalidContent(error("value", "The parameter planDefinition is a PlanDefinition"))
        if issues := validate(plan):
            raise refusal(issues)
    if plan["status"] != "active":
        raise ACTIVE.error(f"The order set is {plan['status']}", "PlanDefinition.status")
    return plan


async def case_of(plan: Resource, given: Inputs, context: Context) -> Case:
    """Return the facts of a call; raise ResourceNotFound for what the caller does not see.

    Raises the refusals of SUBJECT for subjects that do not go together, of CONTENT and ACTIVE for actions
    whose definitions are not here, or not active.
    """
    subjects = await _subjects(given, context)
    definitions = await _definitions(plan, context)
    variables: dict[str, Any] = {name: _concept(given, name) for name in CONCEPTS}
    keys: dict[str, str | None] = {}
    for name, resource_type in (
        ("encounter", "Encounter"),
        ("practitioner", "Practitioner"),
        ("organization", "Organization"),
    ):
        keys[name] = reference_in(given, name, resource_type, context)
        key = local(keys[name], context.base_url)
        variables[name] = [] if key is None else await _read(key, context)
    case = Case(
        subjects=subjects,
        definitions=definitions,
        variables=variables,
        now=context.now(),
        encounter=variables["encounter"] or None,
        practitioner=keys["practitioner"] or _caller(context),
        organization=keys["organization"],
    )
    _check_encounter(plan, case, context)
    return case


def _caller(context: Context) -> str | None:
    person = None if context.principal is None else context.principal.fhir_user
    return person if person is not None and person.startswith("Practitioner/") else None


def _check_encounter(plan: Resource, case: Case, context: Context) -> None:
    if case.encounter is None:
        return
    subject = case.reference(subject_of_plan(plan, case))["reference"]
    key = local(case.encounter.get("subject", {}).get("reference"), context.base_url)
    if key is None or "/".join(key) != subject:
        raise SUBJECT.error("The encounter is another patient's", "Encounter.subject")


async def _subjects(given: Inputs, context: Context) -> Mapping[str, Resource]:
    found: dict[str, Resource] = {}
    for value in given.all("subject"):
        text = value.get("reference") if isinstance(value, dict) else value
        key = local(text, context.base_url)
        if key is None or key[0] not in SUBJECT_TYPES:
            message = (
                f"The parameter subject is a reference to one of {', '.join(SUBJECT_TYPES)} on this server"
            )
            raise InvalidContent(error("value", message))
        if key[0] in found:
            raise SUBJECT.error(f"There is one {key[0]} as the subject of a call", "subject")
        found[key[0]] = await _read(key, context)
    if not found:
        given.required("subject")
    return found


def _concept(given: Inputs, name: str) -> Any:
    value = given.one(name)
    if value is None:
        return []
    if not isinstance(value, dict) or "resourceType" in value:
        raise InvalidContent(error("value", f"The parameter {name} is a CodeableConcept"))
    return root_node(value, "CodeableConcept")


async def _definitions(plan: Resource, context: Context) -> Mapping[str, Resource]:
    found: dict[str, Resource] = {}
    for number, (canonical, place) in enumerate(_canonicals(plan, "PlanDefinition")):
        if number == _MOST_ACTIONS:
            raise CONTENT.error(f"An order set has {_MOST_ACTIONS:,} actions with definitions at most", place)
        if canonical in found:
            continue
        definition = await _definition(plan, canonical, context)
        if definition is None:
            raise CONTENT.error("There is no definition of this canonical here", place)
        # What the order set contains was made active with it.
        wanted = ("active", "draft") if canonical.startswith("#") else ("active",)
        if definition.get("status") not in wanted:
            raise ACTIVE.error(f"The definition is {definition.get('status')}", place)
        found[canonical] = definition
    return found


def _canonicals(holder: Resource, place: str) -> Iterator[tuple[str, str]]:
    for number, action in enumerate(holder.get("action", ())):
        where = f"{place}.action[{number}]"
        if "definitionCanonical" in action:
            yield action["definitionCanonical"], f"{where}.definition"
        yield from _canonicals(action, where)


async def _definition(plan: Resource, canonical: str, context: Context) -> Resource | None:
    if canonical.startswith("#"):
        held = (one for one in plan.get("contained", ()) if f"#{one.get('id')}" == canonical)
        return next(held, None)
    key = local(canonical.partition("|")[0], context.base_url)
    if key is not None and key[0] in _DEFINITIONS:
        version = await context.store.read(*key)
        return None if version is None else version.resource
    for resource_type in _DEFINITIONS:
        found = await named(resource_type, canonical, context)
        if found is not None:
            return found
    return None


async def _read(key: tuple[str, ...], context: Context) -> Resource:
    return (await read(Request("GET", key), context)).resource or {}
