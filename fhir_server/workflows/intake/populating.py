"""A Questionnaire filled in before anybody answers: from initial values, expressions and observations.

https://hl7.org/fhir/uv/sdc/STU3/populate.html
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from fhir_server.workflows.intake.forms import SDC, answer_value, extension, extensions, items
from resources.fhirpath import FhirPathEvaluationError, FhirPathSyntaxError, evaluate
from resources.operation_outcome import FhirError, Issue

Resource = Mapping[str, Any]
Find = Callable[[str], Awaitable[list[dict[str, Any]]]]
"""Answers a search that is written as text, `Condition?patient=1`, with resources."""

LINK_PERIOD = f"{SDC}observationLinkPeriod"
INITIAL = f"{SDC}initialExpression"
CONTEXT = f"{SDC}itemPopulationContext"
_FHIRPATH = "text/fhirpath"
_MOST_ITEMS = 2_000
_VALUE_NAMES: Mapping[str, str] = {
    "boolean": "valueBoolean", "decimal": "valueDecimal", "integer": "valueInteger", "date": "valueDate",
    "dateTime": "valueDateTime", "time": "valueTime", "string": "valueString", "text": "valueString",
    "url": "valueUri", "choice": "valueCoding", "open-choice": "valueCoding",
    "attachment": "valueAttachment", "reference": "valueReference", "quantity": "valueQuantity",
}  # fmt: skip


@dataclass(slots=True)
class Population:
    """Fills in one Questionnaire for one subject; what cannot be filled in is told in `issues`."""

    subject: Resource
    variables: dict[str, Any]
    now: datetime
    find: Find
    issues: list[Issue] = field(default_factory=list)
    count: int = 0

    async def items(self, asked: list[dict[str, Any]], variables: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return the items of a response, each with what is known."""
        found: list[dict[str, Any]] = []
        for question in asked:
            self.count += 1
            if self.count > _MOST_ITEMS or question.get("type") == "display":
                continue
            if question.get("type") == "group":
                found += await self._groups(question, variables)
            else:
                found += await self._answers(question, variables)
        return found

    async def _groups(self, question: Resource, variables: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return the instances of a group: one, or one for each resource that its context finds."""
        contexts: list[Mapping[str, Any]] = [variables]
        expression = extension(question, CONTEXT)
        if isinstance(expression, dict):
            name = str(expression.get("name") or "context")
            found = await self._selected(expression, variables)
            contexts = [{**variables, name: one} for one in found]
            if not question.get("repeats"):
                contexts = contexts[:1]
            # Of nothing found the questions are asked all the same, without answers.
            contexts = contexts or [{**variables, name: []}]
        groups = []
        for one in contexts:
            nested = await self.items(items(question), one)
            if nested:
                groups.append(_named(question) | {"item": nested})
        return groups

    async def _answers(self, question: Resource, variables: Mapping[str, Any]) -> list[dict[str, Any]]:
        expression = extension(question, INITIAL)
        values: list[Any] = []
        if isinstance(expression, dict):
            values = await self._selected(expression, variables)
        elif extension(question, LINK_PERIOD) is not None:
            values = await self._observed(question)
        if not values:
            values = [answer_value(one) for one in question.get("initial") or ()]
        if not question.get("repeats"):
            values = values[:1]
        answers = [answer for value in values if (answer := _answer(question, value)) is not None]
        nested = await self.items(items(question), variables)
        if nested and not answers:
            return []
        if nested:
            answers[0]["item"] = nested
        return [_named(question) | {"answer": answers}] if answers else []

    async def _selected(self, expression: Resource, variables: Mapping[str, Any]) -> list[Any]:
        text = str(expression.get("expression", ""))
        if expression.get("language") == _FHIRPATH:
            return self._evaluated(text, variables)
        if expression.get("language") == "application/x-fhir-query":
            return await self._found(text, variables)
        self._tell("This language of expressions is not known")
        return []

    def _evaluated(self, text: str, variables: Mapping[str, Any]) -> list[Any]:
        try:
            return evaluate(text, self.subject, variables=variables, now=self.now)
        except (FhirPathSyntaxError, FhirPathEvaluationError, FhirError):
            self._tell("An expression of the questionnaire cannot be evaluated")
            return []

    async def _found(self, text: str, variables: Mapping[str, Any]) -> list[Any]:
        """Return what a search finds, whose `{{expressions}}` are evaluated first."""
        parts = text.split("{{")
        query = parts[0]
        for part in parts[1:]:
            expression, _, rest = part.partition("}}")
            values = self._evaluated(expression, variables)
            query += (str(values[0]) if values else "") + rest
        try:
            return list(await self.find(query))
        except FhirError:
            self._tell("A search of the questionnaire cannot be carried out")
            return []

    async def _observed(self, question: Resource) -> list[Any]:
        """Return the value of the latest observation of one of the item's codes, if it is not too old."""
        codes = [
            f"{one.get('system', '')}|{one['code']}" for one in question.get("code") or () if "code" in one
        ]
        if not codes:
            return []
        since = _back(self.now, extension(question, LINK_PERIOD))
        query = f"Observation?patient={self.subject['id']}&code={','.join(codes)}&_sort=-date&_count=1"
        query += "&status=final,amended,corrected" + (f"&date=ge{since}" if since else "")
        try:
            found = await self.find(query)
        except FhirError:
            return []
        return [value for one in found if (value := answer_value(one)) is not None][:1]

    def _tell(self, message: str) -> None:
        if message not in {issue.diagnostics for issue in self.issues}:
            self.issues.append(Issue("warning", "not-supported", message))


def _back(now: datetime, duration: Any) -> str | None:
    """Return the date that lies a duration before now; None for one that is not understood."""
    days = {"d": 1, "wk": 7, "mo": 30, "a": 365, "h": 0}
    unit = str(duration.get("code", duration.get("unit"))) if isinstance(duration, dict) else ""
    if unit not in days:
        return None
    length = float(duration.get("value", 0)) * days[unit]
    return (now - timedelta(days=min(length, 100_000))).date().isoformat()


def _named(question: Resource) -> dict[str, Any]:
    found = {"linkId": question["linkId"]}
    return found | ({"text": question["text"]} if "text" in question else {})


def _answer(question: Resource, value: Any) -> dict[str, Any] | None:
    """Return the answer that a value is to a question, None if it does not fit."""
    kind = str(question.get("type"))
    if kind in ("choice", "open-choice") and isinstance(value, dict) and "coding" in value:
        value = (value["coding"] or [None])[0]
    if kind in ("choice", "open-choice") and isinstance(value, str):
        option = next(
            (o for o in question.get("answerOption") or () if _is_called(answer_value(o), value)), None
        )
        if option is not None:
            value = answer_value(option)
        return {"valueString" if isinstance(value, str) else "valueCoding": value}
    if kind in ("string", "text") and isinstance(value, dict):
        value = (
            value.get("text")
            or value.get("display")
            or next((c.get("display") for c in value.get("coding") or () if c.get("display")), None)
        )
    if kind == "date" and isinstance(value, str):
        value = value.lstrip("@")[:10]
    name = _VALUE_NAMES.get(kind)
    fits = {
        "valueBoolean": isinstance(value, bool),
        "valueCoding": isinstance(value, dict),
        "valueQuantity": isinstance(value, dict),
        "valueReference": isinstance(value, dict),
        "valueAttachment": isinstance(value, dict),
        "valueInteger": isinstance(value, int) and not isinstance(value, bool),
        "valueDecimal": not isinstance(value, bool | str | dict) and value is not None,
    }.get(str(name), isinstance(value, str))
    return {name: value} if name is not None and fits else None


def _is_called(option: Any, text: str) -> bool:
    return option == text or (isinstance(option, dict) and option.get("code") == text)


def launch_variables(questionnaire: Resource, subject: Resource) -> dict[str, Any]:
    """Return the variables that expressions know: the subject, under the names that are usual and wanted."""
    found: dict[str, Any] = {"patient": subject, "subject": subject}
    for one in extensions(questionnaire, f"{SDC}launchContext"):
        parts = {part.get("url"): part for part in one.get("extension") or ()}
        kind = parts.get("type", {}).get("valueCode")
        name = parts.get("name", {})
        name = name.get("valueId") or (name.get("valueCoding") or {}).get("code")
        if kind in (None, subject.get("resourceType")) and isinstance(name, str):
            found[name] = subject
    return found
