"""What an application that starts by itself is to be about, chosen by the person: a patient, and a visit.

Where there is only one to choose, nobody is asked.
https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html#standalone-apps
"""

from collections.abc import Mapping
from dataclasses import replace

from starlette.responses import Response

from fhir_server.smart.oauth.authorization_requests import asks_for_encounter, asks_for_patient
from fhir_server.smart.oauth.encounters import MOST_SHOWN, encounter_of, find_encounters
from fhir_server.smart.oauth.patients import MOST_FOUND, find_patients, patient_called
from fhir_server.smart.oauth.questions import Question
from fhir_server.smart.oauth.sight import may_choose
from fhir_server.store.oauth import Authorization


class NobodyToChoose(Exception):
    """The account has no patient whom the application could be about."""


async def settled(question: Question) -> Question:
    """Return the question with what needs no choice chosen: the own record, the only encounter."""
    person = question.session.person
    if asks_for_patient(question.authorization) and not person.is_staff and len(person.records) == 1:
        question = await _about_patient(question, person.records[0])
    if not asks_for_encounter(question.authorization):
        return question
    patient = question.authorization.context.patient
    found = await find_encounters(await question.store(), patient or "", question.fhir_base)
    return question if len(found) > 1 else await _about_encounter(question, found[0].id if found else None)


async def chosen(question: Question, given: Mapping[str, str]) -> Question:
    """Return the question as one about the patient or the encounter that was chosen, if it may be."""
    authorization, patient = question.authorization, given.get("patient", "")
    if asks_for_patient(authorization) and may_choose(question.session.person, patient):
        is_there = await patient_called(await question.store(), patient) is not None
        return await _about_patient(question, patient) if is_there else question
    if not asks_for_encounter(authorization) or "encounter" not in given:
        return question
    if not given["encounter"]:
        return await _about_encounter(question, None)
    about = authorization.context.patient or ""
    found = await encounter_of(await question.store(), given["encounter"], about, question.fhir_base)
    return question if found is None else await _about_encounter(question, found.id)


async def choice(question: Question, search: str) -> Response | None:
    """Return the page on which the next choice is made, None if there is none.

    Raises NobodyToChoose.
    """
    if asks_for_patient(question.authorization):
        return await _ask_for_patient(question, search)
    if asks_for_encounter(question.authorization):
        return await _ask_for_encounter(question)
    return None


async def _ask_for_patient(question: Question, search: str) -> Response:
    person, store = question.session.person, await question.store()
    if person.is_staff:
        found = await find_patients(store, search, MOST_FOUND)
    else:
        asked = [await patient_called(store, patient) for patient in person.records]
        found = [patient for patient in asked if patient is not None]
        if not found:
            raise NobodyToChoose
    return question.page(
        "oauth/patient.html", search=search, found=found, most=MOST_FOUND, is_search=person.is_staff
    )


async def _ask_for_encounter(question: Question) -> Response:
    store, patient = await question.store(), question.authorization.context.patient or ""
    found = await find_encounters(store, patient, question.fhir_base)
    shown = await patient_called(store, patient)
    return question.page("oauth/encounter.html", found=found, patient=shown, most=MOST_SHOWN)


async def _about_patient(question: Question, patient: str) -> Question:
    context = replace(question.authorization.context, patient=patient)
    return await _kept(question, replace(question.authorization, context=context))


async def _about_encounter(question: Question, encounter: str | None) -> Question:
    context = replace(question.authorization.context, encounter=encounter)
    return await _kept(question, replace(question.authorization, context=context, is_encounter_settled=True))


async def _kept(question: Question, authorization: Authorization) -> Question:
    await question.server.oauth.authorizations.choose(authorization)
    return replace(question, authorization=authorization)
