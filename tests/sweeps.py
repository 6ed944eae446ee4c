"""Whether sweeps are whole: FHIR_TEST_SWEEPS=all asks for everything, and without it a sample is enough.

Continuous integration asks for everything.
"""

import os
from collections.abc import Sequence
from typing import TypeVar

Item = TypeVar("Item")

IS_WHOLE = os.environ.get("FHIR_TEST_SWEEPS") == "all"


def sampled(items: Sequence[Item], every: int) -> Sequence[Item]:
    """Return all of `items`, or one of `every` so many if sweeps are not whole."""
    return items if IS_WHOLE else items[::every]
