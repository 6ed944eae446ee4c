"""Tokens of the provider: whom they stand for, and attacks with tokens that are not good here.

https://www.rfc-editor.org/rfc/rfc9068#section-4, https://www.rfc-editor.org/rfc/rfc8725
"""

import hmac
import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from joserfc.jwk import ECKey, RSAKey

from fhir_server.smart.principal import Principal
from tests.fhir_server.smart.openid.conftest import Ask
from tests.fhir_server.smart.openid.provider_stub import AUDIENCE, StubProvider, jwk_of, signing_with


def _in(seconds: int) -> int:
    """Return the moment in so many seconds: when the test runs, which may be long after it was collected."""
    return int(time.time()) + seconds


def test_a_token_stands_for_the_person_as_one_of_ours_would(stub: StubProvider, ask: Ask) -> None:
    """Scopes, roles, the person in the records and the context of the launch."""
    assert ask(stub.token(patient="anna", encounter="Encounter/e1")) == Principal(
        client_id="ward-app",
        scopes=("openid", "patient/*.rs", "user/*.rs"),
        account_id=f"{stub.issuer}#7f3a",
        fhir_user="Practitioner/grey",
        roles=frozenset({"DR"}),
        patient="anna",
        encounter="e1",
        token_id="token-1",
    )


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        pytest.param({"roles": ["ward-doctor", "ward-nurse"]}, {"DR", "RN"}, id="several"),
        pytest.param({"roles": "records-office"}, {"AD", "AU"}, id="one name for two, as a text"),
        pytest.param(
            {"roles": ["DR", "AD", "Ward-Doctor"]}, set(), id="our codes and other case are no names"
        ),
        pytest.param({"roles": ["offline_access"]}, set(), id="unmapped"),
        pytest.param({"roles": [["ward-doctor"], 1, None]}, set(), id="no texts"),
        pytest.param({"roles": {"ward-doctor": True}}, set(), id="an object"),
        pytest.param({"roles": None}, set(), id="missing"),
    ],
)
def test_roles_are_those_that_are_mapped(
    stub: StubProvider, ask: Ask, claims: dict[str, Any], expected: set[str]
) -> None:
    """What is mapped to nothing gives nothing."""
    found = ask(stub.token(**claims))
    assert found is not None
    assert found.roles == expected


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        ("patient/*.rs  system/*.cruds user/Observation.rs", ("patient/*.rs", "user/Observation.rs")),
        (["user/*.rs", "user/*.rs"], ("user/*.rs",)),
        ("profile email nonsense/*.rs", ()),
        (None, ()),
    ],
)
def test_scopes_are_those_of_people(
    stub: StubProvider, ask: Ask, scope: str | list[str] | None, expected: tuple[str, ...]
) -> None:
    """Never those of systems, for which there are no roles; what is not understood falls away."""
    found = ask(stub.token(scope=scope))
    assert found is not None
    assert found.scopes == expected


@pytest.mark.parametrize(
    ("claims", "fhir_user", "patient"),
    [
        ({"fhirUser": "Patient/anna"}, "Patient/anna", "anna"),
        ({"fhirUser": f"{AUDIENCE}/Patient/anna"}, "Patient/anna", "anna"),
        ({"fhirUser": "Patient/anna", "patient": "bert"}, "Patient/anna", "bert"),
        ({"fhirUser": "https://other.example/fhir/Patient/anna"}, None, None),
        ({"fhirUser": "Patient/../Patient"}, None, None),
        ({"fhirUser": "Observation/1"}, None, None),
        ({"fhirUser": None, "patient": "Patient/anna"}, None, "anna"),
        ({"fhirUser": ["Patient/anna"], "patient": ["anna"]}, None, None),
    ],
)
def test_persons_and_patients_are_ours(
    stub: StubProvider, ask: Ask, claims: dict[str, Any], fhir_user: str | None, patient: str | None
) -> None:
    """By reference or by our address; a patient's own token is about themselves if it says nothing."""
    found = ask(stub.token(**claims))
    assert found is not None
    assert (found.fhir_user, found.patient) == (fhir_user, patient)


def _by_public_key(stub: StubProvider) -> str:
    secret = stub.keys["k1"].as_pem(private=False)
    return stub.token(header={"alg": "HS256"}, sign=lambda content: hmac.digest(secret, content, "sha256"))


def _changed(stub: StubProvider) -> str:
    head, _, signature = stub.token().split(".")
    _, claims, _ = stub.token(roles=["records-office"]).split(".")
    return f"{head}.{claims}.{signature}"


def _own_key_in_header(stub: StubProvider) -> str:
    key = RSAKey.generate_key(2048)
    return stub.token(header={"jwk": jwk_of(key, "k1")}, sign=signing_with(key))


def _other_curve(stub: StubProvider) -> str:
    stub.keys["e1"] = ECKey.generate_key("P-256")
    return stub.token(header={"alg": "ES256"})


def _weak_key(stub: StubProvider) -> str:
    private = rsa.generate_private_key(65537, 1024)
    weak = jwt.get_algorithm_by_name("RS256").to_jwk(private.public_key(), as_dict=True)
    stub.more_keys = [{**weak, "kid": "weak"}]
    return stub.token(
        header={"kid": "weak"},
        sign=lambda content: private.sign(content, padding.PKCS1v15(), hashes.SHA256()),
    )


_ATTACKS: dict[str, Callable[[StubProvider], str]] = {
    "alg none": lambda stub: stub.token(header={"alg": "none"}, sign=lambda content: b""),
    "HS256 with the public key": _by_public_key,
    "changed claims": _changed,
    "a key of one's own under a known id": lambda stub: stub.token(
        sign=signing_with(RSAKey.generate_key(2048))
    ),
    "a key of one's own in the header": _own_key_in_header,
    "an algorithm that is not allowed": _other_curve,
    "another algorithm of the same key": lambda stub: stub.token(header={"alg": "RS512"}),
    "a short key": _weak_key,
    "a key that is not known": lambda stub: stub.token(header={"kid": "other"}),
    "no key id": lambda stub: stub.token(header={"kid": None}),
    "another issuer": lambda stub: stub.token(iss="https://other.example"),
    "an issuer with a slash more": lambda stub: stub.token(iss=f"{stub.issuer}/"),
    "no issuer": lambda stub: stub.token(iss=None),
    "another audience": lambda stub: stub.token(aud="https://other.example/fhir"),
    "a longer audience": lambda stub: stub.token(aud=f"{AUDIENCE}/more"),
    "audiences without ours": lambda stub: stub.token(aud=["account", "ward-app"]),
    "no audience": lambda stub: stub.token(aud=None),
    "expired": lambda stub: stub.token(exp=_in(-40)),
    "no end": lambda stub: stub.token(exp=None),
    "an end that is a text": lambda stub: stub.token(exp=str(_in(300))),
    "an end that is true": lambda stub: stub.token(exp=True),
    "not yet valid": lambda stub: stub.token(nbf=_in(600)),
    "issued in the future": lambda stub: stub.token(iat=_in(600)),
    "no subject": lambda stub: stub.token(sub=None),
    "a subject that is no text": lambda stub: stub.token(sub=["7f3a"]),
    "no client": lambda stub: stub.token(client_id=None),
    "an id_token": lambda stub: stub.token(header={"typ": "JWT"}, aud="ward-app", nonce="n", scope=None),
    "an id_token for us": lambda stub: stub.token(header={"typ": "JWT"}),
    "an id_token that calls itself an access token": lambda stub: stub.token(at_hash="x"),
    "a logout token": lambda stub: stub.token(header={"typ": "logout+jwt"}, events={}),
    "a token without a type": lambda stub: stub.token(header={"typ": None}),
    "a critical extension": lambda stub: stub.token(header={"crit": ["exp"], "exp": 1}),
    "not even a token": lambda stub: "a.b.c",
    "binary": lambda stub: "\x00.\ud800.\xff",
    "one of ours": lambda stub: "x" * 43,
}


@pytest.mark.parametrize("attack", list(_ATTACKS.values()), ids=list(_ATTACKS))
def test_attacks_are_refused(stub: StubProvider, ask: Ask, attack: Callable[[StubProvider], str]) -> None:
    """None of these stands for anybody, and what is good still does."""
    good = stub.token()
    assert ask(attack(stub)) is None
    assert ask(good) is not None


@pytest.mark.parametrize(
    "claims",
    [
        lambda: {"exp": _in(-10)},
        lambda: {"nbf": _in(20)},
        lambda: {"iat": _in(20)},
        lambda: {"aud": ["x", AUDIENCE]},
        lambda: {"nbf": None},
    ],
    ids=["just over", "just before", "just issued", "several audiences", "no beginning"],
)
def test_clocks_may_differ(stub: StubProvider, ask: Ask, claims: Callable[[], dict[str, Any]]) -> None:
    """By half a minute, if nothing else is set."""
    assert ask(stub.token(**claims())) is not None
