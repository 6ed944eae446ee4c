"""Applications opened from within the EHR, with the patient and the encounter that are on the screen.

https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#launch-app-ehr-launch
"""

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from fhir_server.smart.oauth.fhir_context import check_fhir_context
from fhir_server.smart.oauth.redirect_uris import with_parameters
from fhir_server.smart.oauth.secrets import hashed
from fhir_server.smart.oauth.server import AuthorizationServer
from fhir_server.store.oauth import Client, Launch, LaunchContext
from resources.references import is_id

GOOD_FOR = timedelta(minutes=5)


async def create_launch(
    server: AuthorizationServer,
    account_id: str,
    *,
    patient: str | None = None,
    encounter: str | None = None,
    fhir_context: Sequence[Mapping[str, Any]] = (),
    need_patient_banner: bool = True,
    intent: str | None = None,
    client_id: str | None = None,
) -> str:
    """Return a handle for the parameter `launch`, good once, for five minutes, and for this account only.

    `patient` and `encounter` are ids; `fhir_context` is what else the application is told of.
    With `client_id` only that application can use it. Raises ValueError for a context that is malformed.
    """
    for item in fhir_context:
        check_fhir_context(item)
    if not all(map(is_id, filter(None, (patient, encounter)))):
        raise ValueError("A launch is about resources by their ids")
    handle = server.new_secret()
    context = LaunchContext(
        patient,
        encounter,
        json.dumps(list(fhir_context)) if fhir_context else None,
        need_patient_banner,
        intent,
    )
    expires = server.now() + GOOD_FOR
    await server.oauth.authorizations.add_launch(
        Launch(hashed(handle), account_id, context, expires, client_id)
    )
    return handle


def launch_address(client: Client, handle: str, fhir_base: str) -> str | None:
    """Return where the browser is sent to open the application; None if it registered no such address."""
    if client.launch_uri is None:
        return None
    return with_parameters(client.launch_uri, {"iss": fhir_base, "launch": handle})
