"""Which codes are more general or more special than another one.

https://hl7.org/fhir/R4/codesystem-operation-subsumes.html
"""

from typing import Literal

from terminology.code_systems import CodeSystem, code_system
from terminology.errors import NotExpandableError, refusal
from terminology.expand import MOST_CODES
from terminology.source import Source

Outcome = Literal["equivalent", "subsumes", "subsumed-by", "not-subsumed"]


async def subsumes(system: str, code_a: str, code_b: str, source: Source) -> Outcome:
    """Tell whether `code_a` is the same as `code_b` of `system`, more general, more special, or neither.

    Raises UnprocessableContent if the system or one of the codes is not known here.
    """
    known, a = await _known(system, code_a, source)
    _, b = await _known(system, code_b, source)
    if a == b:
        return "equivalent"
    if b in known.descendants(a):
        return "subsumes"
    return "subsumed-by" if a in known.descendants(b) else "not-subsumed"


async def below(system: str, code: str, source: Source) -> frozenset[str]:
    """Return `code` and all codes of `system` that it subsumes.

    Raises UnprocessableContent if the system or the code is not known here, TooCostly if there are more than
    MOST_CODES.
    """
    known, own = await _known(system, code, source)
    found = known.descendants(own) | {own}
    if len(found) > MOST_CODES:
        failure = NotExpandableError("too-costly", f"there are more than {MOST_CODES} codes")
        raise refusal("The code's hierarchy cannot be told", failure)
    return found


async def above(system: str, code: str, source: Source) -> frozenset[str]:
    """Return `code` and all codes of `system` that subsume it; raises as `below` does."""
    known, own = await _known(system, code, source)
    return known.ancestors(own) | {own}


async def _known(system: str, code: str, source: Source) -> tuple[CodeSystem, str]:
    what = "The code's hierarchy cannot be told"
    known = await code_system(system, source)
    if known is None:
        raise refusal(what, NotExpandableError("not-found", "its code system is not known here"))
    if known.content != "complete":
        raise refusal(what, NotExpandableError("incomplete", "only a part of its code system is known here"))
    own = known.own_code(code)
    if own is None:
        raise refusal(what, NotExpandableError("not-found", "its code system has no such code"))
    return known, own
