r"""Search values taken apart at `,`, `$` and `|`, each of which a backslash makes an ordinary character.

https://hl7.org/fhir/R4/search.html#escaping
"""

import re

_SEPARATORS = re.compile(r"[,$|\\]")
_ESCAPED = re.compile(r"\\([,$|\\])")


def split(text: str, separator: str) -> list[str]:
    r"""Return the parts of `text` between unescaped `separator`s; escapes stay as they are."""
    if "\\" not in text:
        return text.split(separator)
    parts = [""]
    position = 0
    while position < len(text):
        if text[position] == "\\":
            parts[-1] += text[position : position + 2]
            position += 2
            continue
        if text[position] == separator:
            parts.append("")
        else:
            parts[-1] += text[position]
        position += 1
    return parts


def unescape(text: str) -> str:
    r"""Return `text` with `\,`, `\$`, `\|` and `\\` as the characters that they stand for."""
    return _ESCAPED.sub(r"\1", text) if "\\" in text else text


def escape(text: str) -> str:
    r"""Return `text` as a value that stands for just that: `,`, `$`, `|` and `\` behind a backslash."""
    return _SEPARATORS.sub(r"\\\g<0>", text)
