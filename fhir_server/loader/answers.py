"""Reading what the server says: the status of each entry of a batch, and the reasons in an OperationOutcome.

https://hl7.org/fhir/R4/http.html#transaction-response, https://hl7.org/fhir/R4/operationoutcome.html
"""

import re
from typing import Any

import httpx
import orjson

from fhir_server.loader.submission import Result, Submission

_ISSUES_SHOWN = 3
_TEXT_SHOWN = 200
_STATUS = re.compile(r"\s*(\d{3})\b")


def results(submission: Submission, response: httpx.Response) -> list[Result]:
    """Return what became of each entry of `submission`; a refusal of the whole is one of every entry."""
    if response.status_code >= 300:
        return refused(submission, response.status_code, _reason(response))
    if submission.path:
        return [Result(entry, response.status_code) for entry in submission.entries]
    answer = _json(response)
    answers = answer.get("entry", []) if isinstance(answer, dict) else None
    if not isinstance(answers, list) or len(answers) != len(submission.entries):
        return refused(submission, 0, "The server's answer is not a Bundle with an entry for each one sent")
    return [_result(entry, part) for entry, part in zip(submission.entries, answers, strict=True)]


def refused(submission: Submission, status: int, reason: str) -> list[Result]:
    """Return the same refusal for every entry of `submission`."""
    return [Result(entry, status, reason) for entry in submission.entries]


def _result(entry: Any, answer: Any) -> Result:
    response = answer.get("response") if isinstance(answer, dict) else None
    if not isinstance(response, dict):
        return Result(entry, 0, "The server's answer has no response for this entry")
    match = _STATUS.match(str(response.get("status", "")))
    status = int(match[1]) if match else 0
    if 200 <= status < 300:
        return Result(entry, status)
    return Result(entry, status, describe(response.get("outcome")) or f"HTTP {response.get('status')}")


def describe(outcome: Any) -> str:
    """Return the errors of an OperationOutcome as one line; "" if `outcome` is none."""
    issues = outcome.get("issue") if isinstance(outcome, dict) else None
    if not isinstance(issues, list):
        return ""
    listed = [issue for issue in issues if isinstance(issue, dict)]
    errors = [issue for issue in listed if issue.get("severity") in ("fatal", "error")] or listed
    shown = [_issue(issue) for issue in errors[:_ISSUES_SHOWN]]
    more = len(errors) - len(shown)
    return "; ".join(shown) + (f"; and {more} more" if more else "")


def _issue(issue: dict[str, Any]) -> str:
    details = issue.get("details")
    text = details.get("text") if isinstance(details, dict) else None
    said = issue.get("diagnostics") or text or issue.get("code") or "no reason given"
    expression = issue.get("expression")
    where = f" ({', '.join(map(str, expression))})" if isinstance(expression, list) and expression else ""
    return f"{said}{where}"


def _json(response: httpx.Response) -> Any:
    try:
        return orjson.loads(response.content)
    except orjson.JSONDecodeError:
        return None


def _reason(response: httpx.Response) -> str:
    if response.is_redirect:
        return f"HTTP {response.status_code}: the server is at {response.headers.get('location', '?')}"
    said = describe(_json(response)) or " ".join(response.text.split())[:_TEXT_SHOWN]
    return f"HTTP {response.status_code}" + (f": {said}" if said else "")
