"""What a person allowed, put on record, and the code by which the application gets its tokens."""

from dataclasses import replace
from datetime import timedelta

from fhir_server.smart.oauth.accounts import Person, Session
from fhir_server.smart.oauth.authorization_requests import needs_patient
from fhir_server.smart.oauth.scopes import parse_scope
from fhir_server.smart.oauth.secrets import hashed
from fhir_server.smart.oauth.server import AuthorizationServer
from fhir_server.store.oauth import Authorization, AuthorizationCode, Grant, LaunchContext

# "Usually expiring within around one minute":
# https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#response-4
_CODE_SECONDS = 60
# So long a code that was used is known, so that its second use is noticed.
_CODE_KNOWN_FOR = timedelta(hours=1)


def possible_scopes(scopes: tuple[str, ...], authorization: Authorization, person: Person) -> tuple[str, ...]:
    """Return the scopes without those that mean nothing here, as there is no patient or no visit."""
    missing: set[str] = set()
    if authorization.context.patient is None:
        parsed = ((text, parse_scope(text)) for text in scopes)
        missing |= {text for text, scope in parsed if scope and scope.context == "patient"}
        missing.add("launch/patient")
    if authorization.context.encounter is None:
        missing.add("launch/encounter")
    if authorization.launch_account is None:
        missing.add("launch")
    if person.fhir_user is None:
        missing.add("fhirUser")
    return tuple(scope for scope in scopes if scope not in missing)


async def grant_code(
    server: AuthorizationServer, authorization: Authorization, session: Session, scopes: tuple[str, ...]
) -> str:
    """Keep a grant of `scopes` by the person of the session, and return a code for it."""
    now, code = server.now(), server.new_secret()
    grant = Grant(
        id=server.new_id(),
        client_id=authorization.client_id,
        account_id=session.person.account_id,
        fhir_user=session.person.fhir_user,
        scopes=scopes,
        context=_told(authorization.context, scopes),
        issued=now,
        expires=now + _CODE_KNOWN_FOR,
        session_id=None if "offline_access" in scopes else session.id,
        nonce=authorization.nonce,
    )
    await server.oauth.grants.add(grant)
    await server.oauth.authorizations.add_code(
        AuthorizationCode(
            id=hashed(code),
            grant_id=grant.id,
            client_id=authorization.client_id,
            redirect_uri=authorization.redirect_uri,
            code_challenge=authorization.code_challenge,
            good_until=now + timedelta(seconds=_CODE_SECONDS),
            expires=now + _CODE_KNOWN_FOR,
        )
    )
    return code


def _told(context: LaunchContext, scopes: tuple[str, ...]) -> LaunchContext:
    """Return of a context what the person let the application know."""
    if "launch" in scopes:
        return context
    patient = context.patient if needs_patient(scopes) else None
    encounter = context.encounter if "launch/encounter" in scopes else None
    return replace(context, patient=patient, encounter=encounter, fhir_context=None, intent=None)
