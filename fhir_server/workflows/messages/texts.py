"""The words of messages: those of the kinds, and what a hospital puts in their place, in any language.

https://hl7.org/fhir/R4/valueset-languages.html; the file is described in docs/workflows/messages.md
"""

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from string import Formatter
from typing import Any
from zoneinfo import ZoneInfo

from fhir_server.search.intervals import interval

_PARTS = frozenset({"subject", "text", "short"})
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)")
_LONGEST_VALUE = 2_000


@dataclass(frozen=True, slots=True)
class Wording:
    """What a message says, with `{name}` for an entry of its data; `language` is what it is in."""

    subject: str
    text: str
    short: str
    language: str = "en"


Texts = Mapping[str, Mapping[str, Wording]]
"""Wordings by language and kind."""


@cache
def load_texts(path: Path | None) -> Texts:
    """Return the wordings in the file at `path`, none without one.

    Raises ValueError, which names the place, for what is not understood.
    """
    if path is None:
        return {}
    try:
        data = tomllib.loads(path.read_text())
    except (tomllib.TOMLDecodeError, OSError) as failure:
        raise ValueError(f"the file of texts cannot be read: {failure}") from None
    return {language: dict(_of_language(language, kinds)) for language, kinds in data.items()}


def _of_language(language: str, kinds: Any) -> Iterable[tuple[str, Wording]]:
    if not isinstance(kinds, dict):
        raise ValueError(f"{language} is not a table of kinds of messages")
    for kind, parts in kinds.items():
        where = f'{language}."{kind}"'
        if not isinstance(parts, dict) or parts.keys() != _PARTS:
            raise ValueError(f"{where} has subject, text and short")
        if not all(isinstance(part, str) and _is_template(part) for part in parts.values()):
            raise ValueError(f"{where}: each is text, in which braces name an entry of the data")
        yield kind, Wording(parts["subject"], parts["text"], parts["short"], language)


def _is_template(text: str) -> bool:
    """Tell whether all that stands in braces is a plain name."""
    try:
        return all(
            name is None or (name.isidentifier() and not specification and not conversion)
            for _, name, specification, conversion in Formatter().parse(text)
        )
    except ValueError:
        return False


def chosen(kind: str, own: Wording, texts: Texts, languages: Iterable[str]) -> Wording:
    """Return the wording of a kind in the first of `languages` that there is, else the kind's `own`."""
    for language in (*languages, "en"):
        for code in (language, language.partition("-")[0]):
            if kind in texts.get(code, {}):
                return texts[code][kind]
            if code == own.language:
                return own
    return own


def filled(template: str, data: Mapping[str, Any], zone: ZoneInfo) -> str:
    """Return a text with its data; times are told as the clock of the hospital shows them."""
    values = {name: _as_text(value, zone) for name, value in data.items()}
    return "".join(
        literal + ("" if name is None else values.get(name, ""))
        for literal, name, _, _ in Formatter().parse(template)
    )


def _as_text(value: Any, zone: ZoneInfo) -> str:
    text = str(value)
    if _MOMENT.fullmatch(text):
        return interval(text)[0].astimezone(zone).strftime("%Y-%m-%d %H:%M")
    # On one line, as some of it goes into headers.
    return " ".join(text.split())[:_LONGEST_VALUE]
