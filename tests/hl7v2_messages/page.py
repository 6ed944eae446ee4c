"""The page docs/hl7v2/messages.md: what each message of the public data set is answered, and why."""

import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from adapters.to_fhir.mapping import is_mapped
from tests.hl7v2_messages.sending import Reason, Sent

PATH = Path(__file__).parents[2] / "docs/hl7v2/messages.md"
MESSAGES = Path(__file__).parents[3] / "shared/data/hl7v2"
"""The data set, which is beside the repository and not part of it."""

_FOLDER = Path(__file__).parent
_REFUSED = "refused"
_MOST_REASONS = 3


def files() -> list[Path]:
    """Return the files of the data set, in order; none if it is not there."""
    return sorted(MESSAGES.glob("*.hl7"))


def whys() -> Mapping[str, str]:
    """Return why messages are refused that are of a kind which is taken, by the names of their files."""
    return tomllib.loads((_FOLDER / "refused.toml").read_text(encoding="utf-8"))


def is_taken(one: Sent) -> bool:
    """Tell whether a message is of a kind that is taken."""
    header = one.message.header
    return is_mapped(header.message_code, header.trigger_event)


def text(found: Sequence[Sent]) -> str:
    """Return the page."""
    head = (_FOLDER / "head.md").read_text(encoding="utf-8").rstrip()
    return (
        "\n".join(
            [head, "", *_counts(found), "", *_accepted(found), "", *_refused(found), "", *_other(found)]
        )
        + "\n"
    )


def _counts(found: Sequence[Sent]) -> Iterator[str]:
    accepted = sum(1 for one in found if one.state != _REFUSED)
    other = sum(1 for one in found if not is_taken(one))
    yield "| messages | |"
    yield "|---|---|"
    yield f"| accepted | {accepted} |"
    yield f"| refused for what they say | {len(found) - accepted - other} |"
    yield f"| of kinds that are not taken | {other} |"


def _accepted(found: Sequence[Sent]) -> Iterator[str]:
    yield "## Accepted\n"
    yield "| file | event | version | answer | in the records | warnings |"
    yield "|---|---|---|---|---|---|"
    for one in found:
        if one.state != _REFUSED:
            stored = Counter(each["resourceType"] for each in one.resources)
            told = ", ".join(f"{count} {name}" for name, count in sorted(stored.items()))
            yield f"| {_message(one)} | {told} | {_reasons(one.reasons)} |"


def _refused(found: Sequence[Sent]) -> Iterator[str]:
    yield "## Refused for what they say\n"
    yield "| file | event | version | answer | errors | what is wrong |"
    yield "|---|---|---|---|---|---|"
    for one in found:
        if one.state == _REFUSED and is_taken(one):
            yield f"| {_message(one)} | {_reasons(one.reasons)} | {whys()[one.name]} |"


def _other(found: Sequence[Sent]) -> Iterator[str]:
    yield "## Of kinds that are not taken\n"
    yield "AR tells the sender that its configuration and ours do not fit: 200 is the type, 201 the event.\n"
    yield "| file | event | version | answer | errors |"
    yield "|---|---|---|---|---|"
    for one in found:
        if not is_taken(one):
            yield f"| {_message(one)} | {_reasons(one.reasons)} |"


def _message(one: Sent) -> str:
    header = one.message.header
    event = f"{header.message_code}^{header.trigger_event}"
    return f"{one.name} | {event} | {header.version} | {', '.join(each.code for each in one.answers)}"


def _reasons(reasons: Sequence[Reason]) -> str:
    told = [f"{one.code} " + (f"`{one.rule}`" if one.rule else one.location) for one in reasons]
    more = [f"and {len(told) - _MOST_REASONS} more"] if len(told) > _MOST_REASONS else []
    return ", ".join([*told[:_MOST_REASONS], *more])
