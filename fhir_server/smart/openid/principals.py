"""From a token of the provider to who makes a request, as if we had given the token ourselves.

The provider says who the person is and which roles they have; what a role may do is said here. A role that is
mapped to none of ours gives nothing, and a person never has `system/` scopes.
"""

from datetime import datetime

from fhir_server.smart.oauth.scopes import NAMED_SCOPES, parse_scope
from fhir_server.smart.oauth.secrets import hashed
from fhir_server.smart.openid.keys import ProviderKeys
from fhir_server.smart.openid.provider import Provider
from fhir_server.smart.openid.tokens import Claims, claim, good_claims, texts
from fhir_server.smart.principal import PEOPLE, Principal
from resources.references import is_id

_PATIENT = "Patient"
_CLIENT = ("client_id", "azp", "appid")
_LONGEST_NAME = 256


async def principal_of(
    token: str, provider: Provider, keys: ProviderKeys, now: datetime, fhir_base: str | None
) -> Principal | None:
    """Return the caller that a token stands for; None for one that is not good here.

    `fhir_base` is the address of our FHIR interface, with which the claim for the person may begin. Raises
    AuthorizationUnavailable.
    """
    claims = await good_claims(token, provider, keys, int(now.timestamp()))
    if claims is None:
        return None
    subject, client_id = claim(claims, provider.claims["subject"]), _client(claims, provider)
    if not _is_name(subject) or not _is_name(client_id):
        return None
    fhir_user = _fhir_user(claim(claims, provider.claims["fhir_user"]), fhir_base)
    return Principal(
        client_id=client_id,
        scopes=_scopes(claims, provider),
        # With the issuer, so that no subject is one of our own accounts, or of another provider.
        account_id=f"{provider.issuer}#{subject}",
        fhir_user=fhir_user,
        roles=_roles(claims, provider),
        patient=_launch_patient(claims, provider, fhir_user),
        encounter=_id(claim(claims, provider.claims["encounter"]), "Encounter"),
        token_id=_token_id(claims, token),
    )


def _is_name(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= _LONGEST_NAME and value.isprintable()


def _client(claims: Claims, provider: Provider) -> str:
    path = provider.claims["client"]
    if path is not None:
        return str(claim(claims, path) or "")
    return str(next((claims[name] for name in _CLIENT if claims.get(name)), ""))


def _roles(claims: Claims, provider: Provider) -> frozenset[str]:
    """Return our roles for those of the token; a name may have spaces in it, where it is one of an array."""
    value = claim(claims, provider.claims["roles"])
    names = (value, *texts(value)) if isinstance(value, str) else texts(value)
    nothing: frozenset[str] = frozenset()
    return nothing.union(*(provider.roles.get(name, nothing) for name in names))


def _scopes(claims: Claims, provider: Provider) -> tuple[str, ...]:
    named = texts(claim(claims, provider.claims["scope"]))
    found = [scope for name in named for scope in provider.scopes.get(name, (name,))]
    return tuple(dict.fromkeys(scope for scope in found if _is_of_people(scope)))


def _is_of_people(scope: str) -> bool:
    parsed = parse_scope(scope)
    return scope in NAMED_SCOPES if parsed is None else parsed.context != "system"


def _fhir_user(value: object, fhir_base: str | None) -> str | None:
    """Return the person as a resource of ours; None for what is none, or is another server's."""
    if not isinstance(value, str):
        return None
    reference = value.removeprefix(f"{fhir_base.rstrip('/')}/") if fhir_base else value
    resource_type, _, resource_id = reference.partition("/")
    return reference if resource_type in PEOPLE and is_id(resource_id) else None


def _launch_patient(claims: Claims, provider: Provider, fhir_user: str | None) -> str | None:
    """Return the patient of the token; of one without it that is the person, if they are a patient."""
    given = claim(claims, provider.claims["patient"])
    return _id(given if given is not None else fhir_user, _PATIENT)


def _id(value: object, resource_type: str) -> str | None:
    if not isinstance(value, str):
        return None
    found = value.removeprefix(f"{resource_type}/")
    return found if is_id(found) else None


def _token_id(claims: Claims, token: str) -> str:
    given = claims.get("jti") or claims.get("uti")
    return given if isinstance(given, str) and _is_name(given) else hashed(token)
