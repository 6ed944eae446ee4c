"""A paper as a value: what stands on it, whatever it then looks like. `rendering.py` makes a PDF of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Alignment = Literal["left", "right"]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: its heading, its share of the width, and where its cells stand."""

    heading: str
    share: float = 1.0
    alignment: Alignment = "left"


@dataclass(frozen=True, slots=True)
class Facts:
    """Names and values beside each other, such as the patient's."""

    pairs: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Text that flows; line ends in it are kept."""

    text: str


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of text; the last `sums` of them are set off, as totals are."""

    columns: Sequence[Column]
    rows: Sequence[Sequence[str]]
    sums: int = 0


Block = Facts | Paragraph | Table


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a paper with a heading; without one its blocks stand alone."""

    heading: str
    blocks: Sequence[Block]


@dataclass(frozen=True, slots=True)
class Paper:
    """What stands on a paper.

    `issuer` are the lines of the letterhead, the hospital's name first. `number` and `version` tell papers
    of one kind apart and stand at the foot of each page. `code` is the text of the QR code, by which somebody
    who holds the paper checks it, and `code_note` what is written beside it. `signature` is who stands for
    it. `mark` is written across each page, such as PRELIMINARY. `language` is a tag such as `en`.
    """

    title: str
    issuer: Sequence[str]
    number: str
    sections: Sequence[Section]
    version: str = ""
    date: str = ""
    code: str = ""
    code_note: str = ""
    signature: str = ""
    mark: str = ""
    language: str = "en"
