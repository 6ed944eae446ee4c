"""A QuestionnaireResponse checked against its Questionnaire: items, types, options, what is required.

https://hl7.org/fhir/R4/questionnaireresponse.html#notes
"""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from fhir_server.workflows.intake.forms import answer_value, items

Resource = Mapping[str, Any]
Problem = tuple[str, str]
"""What is wrong, and at which FHIRPath."""

_FINAL = frozenset({"completed", "amended"})
_VALUES: Mapping[str, frozenset[str]] = {
    "boolean": frozenset({"valueBoolean"}),
    "decimal": frozenset({"valueDecimal", "valueInteger"}),
    "integer": frozenset({"valueInteger"}),
    "date": frozenset({"valueDate"}),
    "dateTime": frozenset({"valueDateTime"}),
    "time": frozenset({"valueTime"}),
    "string": frozenset({"valueString"}),
    "text": frozenset({"valueString"}),
    "url": frozenset({"valueUri"}),
    "choice": frozenset({"valueCoding", "valueInteger", "valueDate", "valueTime", "valueString"})
    | {"valueReference"},
    "open-choice": frozenset({"valueCoding", "valueString"}),
    "attachment": frozenset({"valueAttachment"}),
    "reference": frozenset({"valueReference"}),
    "quantity": frozenset({"valueQuantity"}),
}
_DEEPEST = 40


def problems(questionnaire: Resource, response: Resource) -> Iterator[Problem]:
    """Yield what is wrong with the answers; one that is not finished may lack some."""
    given = _all_answers(response)
    is_final = response.get("status") in _FINAL
    yield from _level(items(questionnaire), items(response), "QuestionnaireResponse", given, is_final)


def _all_answers(holder: Any, depth: int = 0) -> dict[str, list[Any]]:
    """Return the answers by linkId, wherever they stand."""
    found: dict[str, list[Any]] = {}
    if depth > _DEEPEST:
        return found
    for item in items(holder):
        answers = [one for one in item.get("answer") or () if isinstance(one, dict)]
        found.setdefault(item.get("linkId", ""), []).extend(
            value for one in answers if (value := answer_value(one)) is not None
        )
        for nested in (item, *answers):
            for key, values in _all_answers(nested, depth + 1).items():
                found.setdefault(key, []).extend(values)
    return found


def _level(
    asked: Sequence[Resource],
    given: Sequence[Resource],
    path: str,
    answers: Mapping[str, list[Any]],
    is_final: bool,
) -> Iterator[Problem]:
    by_id = {item["linkId"]: item for item in asked if "linkId" in item}
    there: dict[str, int] = {}
    for index, item in enumerate(given):
        at = f"{path}.item[{index}]"
        question = by_id.get(item.get("linkId", ""))
        if question is None:
            yield "The questionnaire has no such item here", f"{at}.linkId"
            continue
        link_id = question["linkId"]
        there[link_id] = there.get(link_id, 0) + 1
        if is_final and not is_enabled(question, answers):
            yield "This is not asked, after the answers before", at
            continue
        if there[link_id] > 1 and not (question.get("type") == "group" and question.get("repeats")):
            yield "This item stands here once", at
        yield from _item(question, item, at, answers, is_final)
    for link_id, question in by_id.items():
        is_missing = question.get("required") and link_id not in there
        if is_final and is_missing and is_enabled(question, answers):
            yield f"The answer to {_named(link_id)} is missing", f"{path}.item"


def _item(
    question: Resource, item: Resource, at: str, answers: Mapping[str, list[Any]], is_final: bool
) -> Iterator[Problem]:
    kind = question.get("type", "")
    given = [one for one in item.get("answer") or () if isinstance(one, dict)]
    values = [one for one in given if answer_value(one) is not None]
    if kind in ("group", "display"):
        if given:
            yield f"A {kind} has no answer", f"{at}.answer"
        yield from _level(items(question), items(item), at, answers, is_final)
        return
    if items(item):
        yield "Further items stand below the answer", f"{at}.item"
    if question.get("required") and is_final and not values:
        yield f"The answer to {_named(question['linkId'])} is missing", f"{at}.answer"
    if len(values) > 1 and not question.get("repeats"):
        yield "There is one answer at most", f"{at}.answer"
    for index, answer in enumerate(given):
        where = f"{at}.answer[{index}]"
        yield from _value(question, answer, where)
        yield from _level(items(question), items(answer), where, answers, is_final)


def _value(question: Resource, answer: Resource, where: str) -> Iterator[Problem]:
    kind = question.get("type", "")
    name = next((key for key in answer if key.startswith("value")), None)
    if name is None:
        return
    value = answer[name]
    if name not in _VALUES.get(kind, frozenset({name})):
        yield f"The answer is a {kind}", f"{where}.value"
        return
    options = question.get("answerOption") or []
    is_own_text = kind == "open-choice" and name == "valueString"
    if options and not is_own_text and not any(_is_option(option, value) for option in options):
        yield "The answer is none of the options", f"{where}.value"
    longest = question.get("maxLength")
    if isinstance(longest, int) and isinstance(value, str) and len(value) > longest:
        yield f"The answer has {longest} characters at most", f"{where}.value"


def _is_option(option: Resource, value: Any) -> bool:
    return is_same(answer_value(option), value)


def is_same(one: Any, other: Any) -> bool:
    """Tell whether two values of answers are the same: codings by system and code, quantities by value."""
    if isinstance(one, dict) and isinstance(other, dict):
        if "code" in one and "code" in other:
            systems = one.get("system"), other.get("system")
            return one["code"] == other["code"] and (systems[0] == systems[1] or None in systems)
        if "reference" in one:
            return bool(one["reference"] == other.get("reference"))
        if "value" in one and "value" in other:
            return bool(_number(one["value"]) == _number(other["value"]))
        return bool(one == other)
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    return bool(one == other)


def is_enabled(question: Resource, answers: Mapping[str, list[Any]]) -> bool:
    """Tell whether a question is asked, after the answers that were given."""
    conditions = question.get("enableWhen") or []
    if not conditions:
        return True
    met = [_is_met(one, answers.get(one.get("question", ""), [])) for one in conditions]
    return any(met) if question.get("enableBehavior") == "any" else all(met)


def _is_met(condition: Resource, given: Sequence[Any]) -> bool:
    operator = condition.get("operator")
    wanted = next((value for name, value in condition.items() if name.startswith("answer")), None)
    if operator == "exists":
        return bool(given) == bool(wanted)
    if operator == "!=":
        return bool(given) and not any(is_same(wanted, one) for one in given)
    if operator == "=":
        return any(is_same(wanted, one) for one in given)
    return any(_compares(str(operator), one, wanted) for one in given)


def _compares(operator: str, given: Any, wanted: Any) -> bool:
    one, other = _number(given), _number(wanted)
    if one is None or other is None:
        # Dates and times of one precision are in order as texts.
        if not (isinstance(given, str) and isinstance(wanted, str)):
            return False
        order = (given > wanted) - (given < wanted)
    else:
        order = (one > other) - (one < other)
    return {">": order > 0, "<": order < 0, ">=": order >= 0, "<=": order <= 0}.get(operator, False)


def _number(value: Any) -> Decimal | None:
    if isinstance(value, dict):
        value = value.get("value")
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return None
    return Decimal(value)


def _named(link_id: str) -> str:
    return f"'{link_id}'" if link_id.isprintable() and len(link_id) < 64 else "an item"
