"""What holds for each QuestionnaireResponse, and for what patients say of a visit.

https://hl7.org/fhir/R4/questionnaireresponse.html
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from fhir_server.workflows.canonicals import newest, search_of
from fhir_server.workflows.intake.answers import problems
from fhir_server.workflows.intake.forms import shipped
from fhir_server.workflows.pattern import Change, Rule, Violation, Watch
from fhir_server.workflows.records import Records, local
from fhir_server.workflows.situation import Situation

Resource = Mapping[str, Any]

ANSWERS = Rule(
    "W1.answers", "Answers are to the questions of the questionnaire: all that are required, and as it asks."
)
FEEDBACK_ONCE = Rule(
    "W22.feedback-once", "A patient says once how a visit was, and answers a form about it once.", 409,
    "duplicate",
)  # fmt: skip
FEEDBACK_VISIT = Rule(
    "W22.feedback-visit", "Feedback is about a finished visit of the patient whose feedback it is."
)

_ABOUT_FEEDBACK = ("feedback", "satisfaction", "patient-experience")
_MOST_PROBLEMS = 50


@dataclass(frozen=True, slots=True)
class Facts:
    """The questionnaire, if it is here; the visit that the response is about; whether there was another."""

    questionnaire: Resource | None
    encounter: Resource | None
    is_again: bool


def is_feedback(response: Resource, questionnaire: Resource | None) -> bool:
    """Tell whether a response says how a visit was: by the questionnaire's URL, name, title or code."""
    said = [str(response.get("questionnaire", ""))]
    if questionnaire is not None:
        said += [str(questionnaire.get(name, "")) for name in ("url", "name", "title")]
        said += [str(code.get("code", "")) for code in questionnaire.get("code") or ()]
    words = " ".join(said).lower().replace(" ", "-")
    return any(one in words for one in _ABOUT_FEEDBACK)


async def gather(change: Change, records: Records) -> Facts:
    """Look for the questionnaire and the visit; of those who answer about one at once one is the first."""
    response = change.after
    if response is None:
        return Facts(None, None, is_again=False)
    canonical = str(response.get("questionnaire", ""))
    questionnaire = await _questionnaire(canonical, records)
    named = (response.get("encounter") or {}).get("reference")
    encounter = await records.read(named)
    is_asked = change.before is None or _key(change.before) != _key(response)
    counts = is_feedback(response, questionnaire) or records.situation.is_only_patient()
    if not (is_asked and counts and canonical and named):
        return Facts(questionnaire, encounter, is_again=False)
    url = canonical.partition("|")[0]
    await records.lock(f"W22/feedback/{named}|{url}")
    there = await records.search("QuestionnaireResponse", ("encounter", str(named)))
    again = any(
        str(one.get("questionnaire", "")).partition("|")[0] == url
        for one in there
        if one["id"] != change.id and one.get("status") != "entered-in-error"
    )
    return Facts(questionnaire, encounter, again)


def _key(response: Resource) -> tuple[Any, Any, bool]:
    return (
        response.get("questionnaire"),
        (response.get("encounter") or {}).get("reference"),
        response.get("status") == "entered-in-error",
    )


async def _questionnaire(canonical: str, records: Records) -> Resource | None:
    if not canonical:
        return None
    by_address = local(canonical, records.situation.base_url)
    if by_address is not None and by_address[0] == "Questionnaire":
        return await records.read(canonical)
    found = await records.search("Questionnaire", *search_of(canonical), limit=20)
    return newest(found) or shipped(canonical)


def check(change: Change, facts: Facts, _situation: Situation) -> Iterable[Violation]:
    """Check the answers, and what feedback is about."""
    response, questionnaire = change.after, facts.questionnaire
    if response is None or response.get("status") == "entered-in-error":
        return
    if questionnaire is not None:
        for place, (message, path) in enumerate(problems(questionnaire, response)):
            if place == _MOST_PROBLEMS:
                break
            yield ANSWERS.broken(message, path)
    if facts.is_again:
        yield FEEDBACK_ONCE.broken("This form about this visit is answered already", "QuestionnaireResponse")
    if change.before is None and is_feedback(response, questionnaire) and "encounter" in response:
        yield from _check_visit(response, facts.encounter)


def _check_visit(response: Resource, encounter: Resource | None) -> Iterable[Violation]:
    subject = (response.get("subject") or {}).get("reference")
    whose = ((encounter or {}).get("subject") or {}).get("reference")
    is_finished = (encounter or {}).get("status") == "finished"
    if not is_finished or subject is None or subject != whose:
        # The same words whatever it is, lest they tell of other people's visits.
        message = "Feedback is about a visit of the subject that is over; there is no such visit"
        yield FEEDBACK_VISIT.broken(message, "QuestionnaireResponse.encounter")


WATCH: Watch[Facts] = Watch(frozenset({"QuestionnaireResponse"}), gather=gather, check=check)
