"""Whether a code is in a value set. https://hl7.org/fhir/R4/valueset-operation-validate-code.html"""

from dataclasses import dataclass

from terminology.code_systems import code_system
from terminology.expand import expand
from terminology.source import Source


@dataclass(frozen=True, slots=True)
class Validation:
    """The answer: `display` is the text that goes with the code, `message` says what is wrong."""

    result: bool
    display: str | None = None
    message: str | None = None


async def validate_code(
    value_set: str, system: str | None, code: str, source: Source, *, display: str | None = None
) -> Validation:
    """Tell whether `code` is in `value_set`, a canonical or `ValueSet/id`.

    Without a system (None) the code is looked for in all systems of the value set. A `display` must be the
    code's own. Raises as `expand` does.
    """
    codes = await expand(value_set, source)
    wanted = await _as_written(system, code, source)
    found = [
        member
        for (its_system, its_code), member in codes.items()
        if its_code == wanted and system in (None, its_system)
    ]
    if not found:
        return Validation(False, message="The code is not in the value set")
    own = found[0].display
    if display is not None and own is not None and display.casefold() != own.casefold():
        return Validation(False, own, "The display is not the one of the code")
    return Validation(True, own)


async def _as_written(system: str | None, code: str, source: Source) -> str:
    """Return `code` in the letters of its system, if the system is known and does not regard case."""
    known = await code_system(system, source) if system else None
    return (known.own_code(code) if known is not None else None) or code
