"""W22, what patients measure: each measurement once, and marked as what it is; and how a visit was.

https://hl7.org/fhir/R4/observation.html, https://hl7.org/fhir/R4/device.html
"""

from collections.abc import Iterable, Mapping
from typing import Any

from fhir_server.store.ruling import Claim
from fhir_server.workflows.emergency.terms import is_esi
from fhir_server.workflows.intake.responses import FEEDBACK_ONCE, FEEDBACK_VISIT
from fhir_server.workflows.made import has_code
from fhir_server.workflows.pattern import Change, Pattern, Rule, Violation, Watch
from fhir_server.workflows.records import Records, local
from fhir_server.workflows.situation import Situation

Resource = Mapping[str, Any]

DUPLICATE = Rule(
    "W22.duplicate-measurement",
    "A measurement of a device, and a device of a patient, is here once, by its identifier.",
    409,
    "duplicate",
)
OWN_MEASUREMENT = Rule(
    "W22.own-measurement",
    "Patients bring vital signs and activity, measured by themselves or by a device of their own.",
    403,
    "forbidden",
)

_CATEGORIES = "http://terminology.hl7.org/CodeSystem/observation-category"
# What they answer in a form becomes observations as well (`survey`); roles do not let them write these.
_OF_PATIENTS = ("vital-signs", "activity", "survey")


def claims(resource: Resource) -> Iterable[Claim]:
    """Claim the identifiers of what a device of a patient sent, and of the device."""
    kind = resource["resourceType"]
    if kind == "Observation" and not _is_sent_by_device(resource):
        return
    if kind == "Device" and "patient" not in resource:
        return
    refusal = DUPLICATE.error(
        "This is here already; create with If-None-Exist answers with what is", f"{kind}.identifier"
    )
    for one in resource.get("identifier") or ():
        if one.get("system") and one.get("value"):
            key = f"W22/{kind}/{one['system']}|{one['value']}"
            yield Claim(key, f"{kind}/{resource['id']}", refusal)


def _is_sent_by_device(observation: Resource) -> bool:
    """Tell whether nobody ordered what was measured, and a device did it."""
    return "device" in observation and "basedOn" not in observation and observation.get("status") != (
        "entered-in-error"
    )  # fmt: skip


async def gather(change: Change, records: Records) -> Resource | None:
    """Look for the device that a patient says has measured."""
    observation = change.after
    if observation is None or "device" not in observation or not records.situation.is_only_patient():
        return None
    return await records.read(observation["device"])


def check(change: Change, facts: Resource | None, situation: Situation) -> Iterable[Violation]:
    """Check what a patient brings."""
    observation = change.after
    if observation is None or not situation.is_only_patient():
        return
    is_urgency = is_esi(observation) and observation["status"] == "preliminary"  # of those who check in
    if not is_urgency and not has_code(observation.get("category"), _CATEGORIES, *_OF_PATIENTS):
        yield OWN_MEASUREMENT.broken("Patients bring vital signs and activity", "Observation.category")
    for name in ("basedOn", "partOf", "encounter", "interpretation"):
        if name in observation and not (is_urgency and name == "encounter"):
            yield OWN_MEASUREMENT.broken("Patients do not say this", f"Observation.{name}")
    subject = (observation.get("subject") or {}).get("reference")
    if "device" in observation:
        owner = ((facts or {}).get("patient") or {}).get("reference")
        if local(owner, situation.base_url) != local(subject, situation.base_url) or owner is None:
            yield OWN_MEASUREMENT.broken("The device is one of the patient", "Observation.device")
    performers = [one.get("reference") for one in observation.get("performer") or ()]
    if any(one != subject and one != situation.person for one in performers):
        yield OWN_MEASUREMENT.broken("The patient measured it", "Observation.performer")


PATTERN = Pattern(
    id="W22",
    title="Wearables and feedback",
    rules=(DUPLICATE, OWN_MEASUREMENT, FEEDBACK_ONCE, FEEDBACK_VISIT),
    watches=(
        Watch(frozenset({"Observation"}), claims=claims, gather=gather, check=check),
        Watch(frozenset({"Device"}), claims=claims),
    ),
)
