"""The fonts of papers, embedded in each PDF: DejaVu where the system has it, else those of reportlab.

Debian's package `fonts-dejavu-core` has the letters of Latin, Greek and Cyrillic scripts; Vera has
those of western Europe. What a font does not have is shown as a box, and the record itself has it.
"""

from functools import cache
from importlib.resources import files
from pathlib import Path

from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont

REGULAR, BOLD, ITALIC = "Paper", "Paper-Bold", "Paper-Italic"

_DEJAVU = Path("/usr/share/fonts/truetype/dejavu")
# The package has no slanted one of these.
_DEJAVU_FILES = ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf", "DejaVuSans.ttf")
_VERA_FILES = ("Vera.ttf", "VeraBd.ttf", "VeraIt.ttf")


@cache
def register() -> None:
    """Make the fonts known to reportlab, once a process."""
    has_dejavu = all((_DEJAVU / name).is_file() for name in _DEJAVU_FILES)
    folder = _DEJAVU if has_dejavu else files("reportlab") / "fonts"
    for name, file in zip((REGULAR, BOLD, ITALIC), _DEJAVU_FILES if has_dejavu else _VERA_FILES, strict=True):
        pdfmetrics.registerFont(TTFont(name, str(folder / file)))
    pdfmetrics.registerFontFamily(REGULAR, normal=REGULAR, bold=BOLD, italic=ITALIC, boldItalic=BOLD)


@cache
def _letters() -> frozenset[int]:
    register()
    return frozenset(pdfmetrics.getFont(REGULAR).face.charToGlyph)


def shown(text: str) -> str:
    """Return `text` as the fonts can show it: a letter that they lack is a box."""
    letters = _letters()
    return "".join(one if one in "\n\t" or ord(one) in letters else "\u25a1" for one in text)
