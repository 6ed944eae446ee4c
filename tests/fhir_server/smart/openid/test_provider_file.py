"""The file that names a provider: what is understood, and what stops the start."""

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from fhir_server.settings import Settings
from fhir_server.smart.openid.provider import load_provider
from fhir_server.smart.openid.tokens import claim
from tests.fhir_server.smart.openid.conftest import Ask, asking
from tests.fhir_server.smart.openid.provider_stub import StubProvider

_PAGE = (Path(__file__).parents[4] / "docs" / "openid-provider.md").read_text()
_KEYCLOAK, _ENTRA = re.findall(r"^```toml\n(.*?)^```", _PAGE, re.MULTILINE | re.DOTALL)
_LEAST = 'issuer = "https://id.example"\naudience = "us"\n[roles]\na = "DR"\n'


def _written(folder: Path, text: str) -> Path:
    path = folder / "provider.toml"
    path.write_text(text)
    load_provider.cache_clear()
    return path


def _asking(example: str, stub: StubProvider, folder: Path) -> Ask:
    """Return who asks a server with an example of the documentation, the stub in the provider's place."""
    issuer = re.search(r'issuer = "(.*)"', example)
    assert issuer is not None
    return asking(_written(folder, example.replace(issuer[1], stub.issuer)))


@pytest.mark.parametrize(
    ("header", "head"),
    [({}, ""), ({"typ": "JWT"}, 'types = ["JWT"]\n[require]\ntyp = "Bearer"\n')],
    ids=["at+jwt", "older"],
)
def test_keycloak_as_it_is_told(
    stub: StubProvider, tmp_path: Path, header: dict[str, str], head: str
) -> None:
    """Realm roles, `azp`, and a type in the claims, which the id_token has another of."""
    roots, tables = _KEYCLOAK.split("\n\n", 1)
    ask = _asking(f"{roots}\n{head}\n{tables}", stub, tmp_path)
    claims: dict[str, Any] = {
        "aud": ["https://fhir.hospital.example/fhir", "account"],
        "azp": "ward-app",
        "client_id": None,
        "nbf": None,
        "roles": None,
        "realm_access": {"roles": ["offline_access", "ward-nurse"]},
        "typ": "Bearer",
        "scope": "openid profile user/*.rs",
    }
    found = ask(stub.token(header=header, **claims))
    assert found is not None
    assert (found.client_id, found.roles) == ("ward-app", frozenset({"RN"}))
    assert found.scopes == ("openid", "user/*.rs")
    assert ask(stub.token(header={"typ": "JWT"}, **claims | {"typ": "ID"})) is None


def test_entra_as_it_is_told(stub: StubProvider, tmp_path: Path) -> None:
    """App roles, scopes with names of the provider's own, and an id_token without any."""
    ask = _asking(_ENTRA, stub, tmp_path)
    claims: dict[str, Any] = {
        "aud": "11111111-1111-1111-1111-111111111111",
        "oid": "a-person",
        "azp": "ward-app",
        "client_id": None,
        "roles": ["Ward.Doctor", "Other"],
        "scope": None,
        "scp": "Records.Read Other",
        "fhirUser": None,
        "extn.fhirUser": "Practitioner/grey",
        "jti": None,
        "uti": "a-token",
    }
    found = ask(stub.token(header={"typ": "JWT"}, **claims))
    assert found is not None
    assert found.account_id == f"{stub.issuer}#a-person"
    assert (found.roles, found.scopes) == (frozenset({"DR"}), ("user/*.rs",))
    assert (found.fhir_user, found.token_id) == ("Practitioner/grey", "a-token")
    assert ask(stub.token(header={"typ": "JWT"}, **claims | {"scp": None})) is None


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        pytest.param("issuer = ", "TOML", id="no TOML"),
        pytest.param(_LEAST.replace('"https://id.example"', "1"), "issuer is a text", id="no issuer"),
        pytest.param(_LEAST.replace("https:", "http:"), "https", id="http"),
        pytest.param(
            _LEAST.replace("https://id.example", "https://a@id.example"), "https", id="user in issuer"
        ),
        pytest.param(_LEAST.replace('audience = "us"', ""), "audience is a text", id="no audience"),
        pytest.param(f"more = 1\n{_LEAST}", "more", id="unknown key"),
        pytest.param(f'sign_in = "both"\n{_LEAST}', "sign_in", id="sign_in"),
        pytest.param(f'algorithms = ["HS256"]\n{_LEAST}', "algorithms", id="shared secrets"),
        pytest.param(f'algorithms = ["none"]\n{_LEAST}', "algorithms", id="none"),
        pytest.param(f"algorithms = []\n{_LEAST}", "algorithms", id="no algorithm"),
        pytest.param(f'types = ["JWT"]\n{_LEAST}', "require", id="JWT alone"),
        pytest.param(f'types = ["logout+jwt"]\n{_LEAST}', "types", id="other type"),
        pytest.param(f"leeway_seconds = 3600\n{_LEAST}", "leeway", id="long leeway"),
        pytest.param(f'leeway_seconds = "1"\n{_LEAST}', "leeway", id="leeway as a text"),
        pytest.param(f'certificates = "/nowhere.pem"\n{_LEAST}', "certificates", id="no certificates"),
        pytest.param(_LEAST.replace('"DR"', '"XX"'), r"\[roles\]", id="unknown role"),
        pytest.param(_LEAST.replace('"DR"', "1"), "array of texts", id="role as a number"),
        pytest.param(_LEAST.replace('a = "DR"', ""), r"\[roles\]", id="no roles"),
        pytest.param(f'{_LEAST}[scopes]\nx = "nonsense"\n', r"\[scopes\]", id="unknown scope"),
        pytest.param(f'{_LEAST}[claims]\nname = "x"\n', r"\[claims\]", id="unknown claim"),
        pytest.param(f'{_LEAST}[claims]\nroles = "a..b"\n', r"\[claims\]", id="empty name"),
        pytest.param(f"{_LEAST}[require]\nx = 1\n", r"\[require\]", id="required number"),
    ],
)
def test_what_is_wrong_stops_the_start(tmp_path: Path, text: str, problem: str) -> None:
    """With the reason, in the settings already."""
    with pytest.raises(ValidationError, match=problem):
        Settings(mongo_url="x", openid_provider=_written(tmp_path, text))


def test_the_least_is_enough(tmp_path: Path) -> None:
    """What is not said is safe: RS256, access tokens, half a minute, our own sign-in beside it."""
    provider = load_provider(_written(tmp_path, _LEAST))
    assert provider is not None
    assert (provider.algorithms, provider.types) == (("RS256",), frozenset({"at+jwt"}))
    assert (provider.leeway_seconds, provider.is_alone) == (30, False)


def test_claims_with_dots_in_their_names(tmp_path: Path) -> None:
    """Are written as an array; what is not there, or is no object on the way, is nothing."""
    text = f'{_LEAST}[claims]\nroles = ["https://id.example/roles", "here"]\n'
    provider = load_provider(_written(tmp_path, text))
    assert provider is not None
    path = provider.claims["roles"]
    assert claim({"https://id.example/roles": {"here": ["a"]}}, path) == ["a"]
    assert claim({"https://id.example/roles": ["here"]}, path) is None
    assert claim({}, path) is None
    assert claim({"x": 1}, None) is None
    assert claim({"a.b": 1, "a": {"b": 2}}, ("a", "b")) == 1
    assert claim({"a": {"b": 2}}, ("a", "b")) == 2
