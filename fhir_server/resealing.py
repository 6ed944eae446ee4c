"""Stored secrets encrypted anew with the first key of FHIR_ENCRYPTION_KEY, so that the others can go.

A key is replaced after a while, or when somebody may know it: https://doi.org/10.6028/NIST.SP.800-57pt1r5,
section 5.3.
"""

from dataclasses import dataclass

from fhir_server.secrets_at_rest import CannotOpen, Keyring
from fhir_server.store.audit.log import KEY_RECORD, PLAIN
from fhir_server.store.hl7_sealing import KEY_RECORD as MESSAGES_RECORD
from fhir_server.store.sealed_texts import SealedText, SealedTexts

# What somebody changed at the same moment the next look sees.
_MOST_LOOKS = 5


@dataclass(frozen=True, slots=True)
class Resealed:
    """How many secrets have the first key now, how many of them only since, and the records of the others."""

    current: int
    changed: int
    lost: tuple[str, ...]


async def resealed(texts: SealedTexts, keys: Keyring) -> Resealed:
    """Encrypt with the first of `keys` what was with another; leave what none of them opens as it is.

    It may be broken off and begun again, beside servers that have the same first key. Raises NoEncryptionKey.
    """
    changed = 0
    for _ in range(_MOST_LOOKS):
        outdated = [one for one in await texts.all() if keys.is_outdated(one.text)]
        opened = [(one, secret) for one in outdated if (secret := _opened(one, keys)) is not None]
        if not opened:
            break
        for one, secret in opened:
            changed += await texts.replace(one, keys.seal(secret, one.record))
    found = await texts.all()
    lost = tuple(one.record for one in found if keys.is_outdated(one.text))
    return Resealed(len(found) - len(lost), changed, lost)


def _opened(sealed: SealedText, keys: Keyring) -> str | None:
    if sealed.record in (KEY_RECORD, MESSAGES_RECORD) and sealed.text.startswith(PLAIN):
        return sealed.text.removeprefix(PLAIN)  # from when there was no key at all
    try:
        return keys.open(sealed.text, sealed.record)
    except CannotOpen:
        return None
