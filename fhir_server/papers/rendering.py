"""From a paper to the bytes of a PDF: A4, embedded fonts, the same bytes for the same paper.

Pure and slow (tens of milliseconds): called by `asyncio.to_thread` where requests are served.
"""

import io
from collections.abc import Iterator, Sequence
from html import escape
from typing import Any

from reportlab.graphics.barcode.qr import QrCodeWidget
from reportlab.graphics.shapes import Drawing
from reportlab.lib.colors import Color, HexColor
from reportlab.lib.enums import TA_RIGHT
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import CondPageBreak, KeepTogether, SimpleDocTemplate, Spacer, TableStyle
from reportlab.platypus import Paragraph as Flowing
from reportlab.platypus import Table as Grid

from fhir_server.papers.fonts import BOLD, ITALIC, REGULAR, register, shown
from fhir_server.papers.paper import Block, Facts, Paper, Paragraph, Section, Table

_INK, _QUIET, _LINE, _SHADE = (
    HexColor("#1b2733"),
    HexColor("#5a6b7b"),
    HexColor("#c9d3dc"),
    HexColor("#eef2f5"),
)
_MARK = Color(0.75, 0.1, 0.1, alpha=0.12)
_MARGIN, _HEAD, _FOOT = 20 * mm, 34 * mm, 22 * mm
_WIDTH = A4[0] - 2 * _MARGIN
_PADDING = 6  # that reportlab leaves within the margins
_CODE = 26 * mm
_LONGEST_TITLE = 200

_TEXT = ParagraphStyle("text", fontName=REGULAR, fontSize=9, leading=13, textColor=_INK)
_CELL_RIGHT = ParagraphStyle("right", parent=_TEXT, alignment=TA_RIGHT)
_HEADING_CELL = ParagraphStyle("heading cell", parent=_TEXT, fontName=BOLD, fontSize=8, textColor=_QUIET)
_HEADING_RIGHT = ParagraphStyle("heading right", parent=_HEADING_CELL, alignment=TA_RIGHT)
_SUM = ParagraphStyle("sum", parent=_TEXT, fontName=BOLD)
_SUM_RIGHT = ParagraphStyle("sum right", parent=_SUM, alignment=TA_RIGHT)
_NAME = ParagraphStyle("name", parent=_TEXT, textColor=_QUIET)
_TITLE = ParagraphStyle("title", parent=_TEXT, fontName=BOLD, fontSize=16, leading=20, spaceAfter=4)
_SECTION = ParagraphStyle("section", parent=_TEXT, fontName=BOLD, fontSize=11, leading=15, spaceBefore=10)
_SMALL = ParagraphStyle("small", parent=_TEXT, fontName=ITALIC, fontSize=8, leading=11, textColor=_QUIET)


def render(paper: Paper) -> bytes:
    """Return the PDF of `paper`."""
    register()
    buffer = io.BytesIO()
    template = SimpleDocTemplate(
        buffer,
        pagesize=A4,
        leftMargin=_MARGIN - _PADDING,
        rightMargin=_MARGIN - _PADDING,
        topMargin=_HEAD,
        bottomMargin=_FOOT,
        title=paper.title,
        author=paper.issuer[0] if paper.issuer else "",
        subject=paper.number,
        lang=paper.language,
        invariant=1,
        pageCompression=1,
    )
    pages = _Numbered(paper)
    template.build(
        list(_story(paper)), onFirstPage=pages.furnish, onLaterPages=pages.furnish, canvasmaker=_Counting
    )
    return buffer.getvalue()


class _Counting(Canvas):  # type: ignore[misc]
    """Knows how many pages there are before it writes the foot of each."""

    def __init__(self, *args: Any, **options: Any) -> None:
        """Begin without pages."""
        super().__init__(*args, **options)
        self._kept: list[dict[str, Any]] = []

    def showPage(self) -> None:  # noqa: N802 - reportlab's name
        """Keep a page until all are there."""
        self._kept.append(dict(self.__dict__))
        self._startPage()

    def save(self) -> None:
        """Write the pages, each with its number."""
        for number, page in enumerate(self._kept, 1):
            self.__dict__.update(page)
            self.setFont(REGULAR, 8)
            self.setFillColor(_QUIET)
            self.drawRightString(A4[0] - _MARGIN, 12 * mm, f"{number} / {len(self._kept)}")
            super().showPage()
        super().save()


class _Numbered:
    """What stands on every page: letterhead, foot, and the mark across it."""

    def __init__(self, paper: Paper) -> None:
        """Furnish the pages of `paper`."""
        self._paper = paper

    def furnish(self, canvas: Canvas, _template: Any) -> None:
        """Draw it all."""
        paper = self._paper
        canvas.saveState()
        top = A4[1] - 16 * mm
        for place, line in enumerate(paper.issuer[:3]):
            canvas.setFont(BOLD if place == 0 else REGULAR, 11 if place == 0 else 8)
            canvas.setFillColor(_INK if place == 0 else _QUIET)
            canvas.drawString(_MARGIN, top - place * 4.2 * mm, shown(line))
        canvas.setFont(REGULAR, 8)
        canvas.drawRightString(A4[0] - _MARGIN, top, shown(paper.date))
        canvas.setStrokeColor(_LINE)
        canvas.line(_MARGIN, A4[1] - 29 * mm, A4[0] - _MARGIN, A4[1] - 29 * mm)
        canvas.line(_MARGIN, 17 * mm, A4[0] - _MARGIN, 17 * mm)
        canvas.setFillColor(_QUIET)
        version = f"  version {paper.version}" if paper.version else ""
        canvas.drawString(_MARGIN, 12 * mm, shown(f"{paper.title[:60]}  {paper.number}{version}"))
        if paper.mark:
            canvas.setFont(BOLD, 64)
            canvas.setFillColor(_MARK)
            canvas.translate(A4[0] / 2, A4[1] / 2)
            canvas.rotate(50)
            canvas.drawCentredString(0, 0, shown(paper.mark))
        canvas.restoreState()


def _story(paper: Paper) -> Iterator[Any]:
    title = Flowing(_as_markup(paper.title[:_LONGEST_TITLE]), _TITLE)
    if paper.code:
        note = [title, Flowing(_as_markup(paper.code_note), _SMALL)]
        widths = (_WIDTH - _CODE - 4 * mm, _CODE + 4 * mm)
        head = Grid([[note, _qr_code(paper.code)]], colWidths=widths, splitInRow=1)
        head.setStyle(TableStyle([("VALIGN", (0, 0), (-1, -1), "TOP"), ("LEFTPADDING", (0, 0), (0, 0), 0)]))
        yield head
    else:
        yield title
    for section in paper.sections:
        yield from _section(section)
    if paper.signature:
        yield KeepTogether([Spacer(1, 14 * mm), Flowing(_as_markup(paper.signature), _TEXT)])


def _section(section: Section) -> Iterator[Any]:
    if section.heading:
        # A heading does not stand alone at the end of a page.
        yield CondPageBreak(30 * mm)
        yield Flowing(_as_markup(section.heading), _SECTION)
        yield Spacer(1, 1.5 * mm)
    else:
        yield Spacer(1, 2 * mm)
    for block in section.blocks:
        yield from _block(block)


def _block(block: Block) -> Iterator[Any]:
    if isinstance(block, Paragraph):
        yield Flowing(_as_markup(block.text), _TEXT)
        yield Spacer(1, 1.5 * mm)
    elif isinstance(block, Facts):
        yield _facts(block)
    else:
        yield _grid(block)
        yield Spacer(1, 2 * mm)


def _facts(facts: Facts) -> Grid:
    """Return names and values in two columns of pairs."""
    cells = [
        [Flowing(_as_markup(name), _NAME), Flowing(_as_markup(value), _TEXT)] for name, value in facts.pairs
    ]
    half = (len(cells) + 1) // 2
    empty: list[Any] = ["", ""]
    rows = [
        [*cells[place], *(cells[place + half] if place + half < len(cells) else empty)]
        for place in range(half)
    ]
    widths = [_WIDTH * share for share in (0.17, 0.33, 0.17, 0.33)]
    grid = Grid(rows or [["", "", "", ""]], colWidths=widths, splitInRow=1)
    grid.setStyle(
        TableStyle(
            [
                ("VALIGN", (0, 0), (-1, -1), "TOP"),
                ("TOPPADDING", (0, 0), (-1, -1), 1),
                ("BOTTOMPADDING", (0, 0), (-1, -1), 1),
                ("LEFTPADDING", (0, 0), (-1, -1), 0),
            ]
        )
    )
    return grid


def _grid(table: Table) -> Grid:
    is_right = [column.alignment == "right" for column in table.columns]
    heading = [
        Flowing(_as_markup(column.heading), _HEADING_RIGHT if right else _HEADING_CELL)
        for column, right in zip(table.columns, is_right, strict=True)
    ]
    first_sum = len(table.rows) - table.sums
    rows = [_row(row, is_right, is_sum=place >= first_sum) for place, row in enumerate(table.rows)]
    whole = sum(column.share for column in table.columns)
    widths = [_WIDTH * column.share / whole for column in table.columns]
    grid = Grid([heading, *rows], colWidths=widths, repeatRows=1, splitInRow=1)
    style: list[Any] = [
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("BACKGROUND", (0, 0), (-1, 0), _SHADE),
        ("LINEBELOW", (0, 0), (-1, -1), 0.4, _LINE),
    ]
    if table.sums:
        style.append(("LINEABOVE", (0, first_sum + 1), (-1, first_sum + 1), 0.9, _INK))
    grid.setStyle(TableStyle(style))
    return grid


def _row(row: Sequence[str], is_right: Sequence[bool], *, is_sum: bool) -> list[Any]:
    plain, right = (_SUM, _SUM_RIGHT) if is_sum else (_TEXT, _CELL_RIGHT)
    return [
        Flowing(_as_markup(cell), right if at_right else plain)
        for cell, at_right in zip(row, is_right, strict=True)
    ]


def _as_markup(text: str) -> str:
    """Return `text` in the markup of reportlab's paragraphs, in which nothing of it is a tag."""
    return escape(shown(text), quote=False).replace("\n", "<br/>")


def _qr_code(text: str) -> Drawing:
    widget = QrCodeWidget(text, barLevel="M")
    left, bottom, right, top = widget.getBounds()
    drawing = Drawing(_CODE, _CODE, transform=[_CODE / (right - left), 0, 0, _CODE / (top - bottom), 0, 0])
    drawing.add(widget)
    return drawing
