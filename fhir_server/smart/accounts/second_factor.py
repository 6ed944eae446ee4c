"""The second factor: codes that change every 30 seconds, and recovery codes for who has lost their device.

https://www.rfc-editor.org/rfc/rfc6238
"""

import hmac
import io
import secrets
from datetime import datetime

import pyotp
import segno

from fhir_server.secrets_at_rest import Keyring
from fhir_server.smart.oauth.secrets import hashed
from fhir_server.store.accounts import Account, AccountStore
from fhir_server.store.sealed_texts import totp_record

_STEP_SECONDS = 30
_ISSUER = "FHIR hospital server"
_RECOVERY_CODES = 8


def new_secret() -> str:
    """Return a new secret, in base32."""
    return pyotp.random_base32()


def sealed(secret: str, account_id: str, keys: Keyring) -> str:
    """Return the secret as it is kept."""
    return keys.seal(secret, totp_record(account_id))


def qr_code(secret: str, user_name: str) -> str:
    """Return a picture of the secret, which authenticators read, as SVG."""
    address = pyotp.TOTP(secret).provisioning_uri(name=user_name, issuer_name=_ISSUER)
    picture = io.BytesIO()
    segno.make(address, error="m").save(picture, kind="svg", scale=5, xmldecl=False)
    return picture.getvalue().decode()


def new_recovery_codes() -> list[str]:
    """Return codes, each of which is good once."""
    return ["-".join(secrets.token_hex(3) for _ in range(2)) for _ in range(_RECOVERY_CODES)]


def is_code_of(secret: str, code: str, now: datetime) -> int | None:
    """Return the step of time whose code it is, of the present one and its neighbours; None if of none."""
    counter = pyotp.TOTP(secret)
    present = int(now.timestamp()) // _STEP_SECONDS
    found = None
    for step in (present - 1, present, present + 1):
        if hmac.compare_digest(counter.generate_otp(step), code):
            found = step
    return found


async def passes(account: Account, code: str, now: datetime, store: AccountStore, keys: Keyring) -> bool:
    """Tell whether a code of the second factor is right, and use it up."""
    plain = "".join(code.split()).lower()
    if account.totp is None or not plain.isascii():
        return False
    if len(plain) != 6:
        return await store.use_recovery_code(account.id, hashed(plain))
    step = is_code_of(keys.open(account.totp, totp_record(account.id)), plain, now)
    return step is not None and await store.use_totp_step(account.id, step)
