"""How much work one evaluation may make: expressions come from outside, and a short one can ask for a lot."""

from dataclasses import dataclass

from resources.operation_outcome import TooCostly, error

MOST_STEPS = 200_000
"""One evaluation touches no more items than this; it is about a second's work."""

LONGEST_TEXT = 1_000_000
"""No expression makes a longer text, in characters."""

_CHARACTERS_PER_STEP = 64


@dataclass(slots=True)
class Work:
    """The steps that an evaluation has left."""

    steps_left: int = MOST_STEPS

    def spend(self, steps: int) -> None:
        """Count steps; raises TooCostly when there are none left."""
        self.steps_left -= steps
        if self.steps_left < 0:
            raise TooCostly(
                error("too-costly", f"FHIRPath: there are more than {MOST_STEPS:,} items to look at")
            )

    def making(self, text: str) -> str:
        """Return a text that the expression made, its characters counted; TooCostly if it is too long."""
        if len(text) > LONGEST_TEXT:
            raise TooCostly(error("too-costly", f"FHIRPath: a text of more than {LONGEST_TEXT:,} characters"))
        self.spend(len(text) // _CHARACTERS_PER_STEP)
        return text

    def expecting(self, characters: int) -> None:
        """Refuse a text before it is made; raises TooCostly if it would be too long."""
        if characters > LONGEST_TEXT:
            raise TooCostly(error("too-costly", f"FHIRPath: a text of more than {LONGEST_TEXT:,} characters"))
