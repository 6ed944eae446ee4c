"""Who of the patients here is certainly the one that is registered now, asked before each create.

They are weighed as by `$match`, which looks further: here names and birth date are the very same, lest
relatives be taken for one person, so that only these are looked for.
https://hl7.org/fhir/R4/patient-operation-match.html
"""

from collections.abc import Mapping
from typing import Any

from fhir_server.matching.blocking import blocks_of_namesakes
from fhir_server.matching.comparison import compare
from fhir_server.matching.demographics import Demographics, demographics
from fhir_server.matching.scoring import score
from fhir_server.matching.weights import load_weights
from fhir_server.workflows.records import Records
from fhir_server.workflows.registration.identity import is_merged

_MOST_OF_A_BLOCK = 200
_WHOLE_DATE = len("2000-01-01")
_SAME = ("family", "given", "birthDate")


async def is_here(patient: Mapping[str, Any], records: Records) -> bool:
    """Tell whether somebody who is certainly the same person is registered, but for `patient` itself.

    Until the transaction ends nobody else who is called so and is born then is registered.
    """
    known = demographics(dict(patient))
    if not known.names or len(known.birth_date) < _WHOLE_DATE:
        return False  # nobody is certainly the same
    for name in sorted(f"{one.family}|{' '.join(one.given)}" for one in known.names):
        await records.lock(f"W1/registered/{name}|{known.birth_date}")
    weights = load_weights(records.situation.settings.match_weights)
    seen: set[str] = {patient["id"]}
    for pairs in blocks_of_namesakes(known):
        for other in await records.search("Patient", *pairs, limit=_MOST_OF_A_BLOCK):
            if other["id"] in seen or is_merged(other):
                continue
            seen.add(other["id"])
            found = compare(known, demographics(other))
            if score(found, weights).grade == "certain" and _is_same(found, known):
                return True
    return False


def _is_same(found: Mapping[str, str], known: Demographics) -> bool:
    """Tell whether what was found agrees wholly; a lone name, as many have, needs a family name too."""
    has_both = any(one.family and one.given for one in known.names)
    return has_both and all(found.get(field) == "exact" for field in _SAME)
