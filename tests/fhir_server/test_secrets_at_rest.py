"""Secrets that are encrypted before they are stored: who can open them, and who cannot."""

from collections.abc import Callable

import pytest

from fhir_server.secrets_at_rest import CannotOpen, Keyring, NoEncryptionKey, keyring, new_key

OLD, NEW = bytes(range(32)), bytes(range(32, 64))
RECORD = "accounts/17/totp"
SECRET = "JBSWY3DPEHPK3PXP"


@pytest.mark.parametrize("secret", ["", SECRET, "ÄÖÜ", "a" * 10_000])
def test_what_was_sealed_can_be_opened(secret: str) -> None:
    """With the key and the name of the record a secret comes back."""
    ring = Keyring([NEW])
    assert ring.open(ring.seal(secret, RECORD), RECORD) == secret


@pytest.mark.workflow("2-08")
def test_nothing_of_the_secret_is_seen() -> None:
    """Two seals of one secret differ, and hold neither the secret nor the key."""
    ring = Keyring([NEW])
    first, second = ring.seal(SECRET, RECORD), ring.seal(SECRET, RECORD)
    assert first != second
    assert SECRET not in first
    assert NEW.hex() not in repr(ring)


def _another_key_id(sealed: str) -> str:
    form, _, encoded = sealed.split(".")
    return f"{form}.{Keyring([OLD]).seal('', '').split('.')[1]}.{encoded}"


CHANGES: dict[str, Callable[[str], str]] = {
    "a bit": lambda sealed: sealed[:-4] + ("A" if sealed[-4] != "A" else "B") + sealed[-3:],
    "the nonce": lambda sealed: sealed[:12] + ("A" if sealed[12] != "A" else "B") + sealed[13:],
    "cut": lambda sealed: sealed[:-8],
    "nothing behind the key's name": lambda sealed: sealed[:11],
    "another form": lambda sealed: "2" + sealed[1:],
    "another key's name": _another_key_id,
    "an unknown key's name": lambda sealed: "1.00000000." + sealed[11:],
    "not base64": lambda sealed: sealed[:-1] + "é",
    "empty": lambda _sealed: "",
    "plain": lambda _sealed: SECRET,
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_what_was_changed_cannot_be_opened(change: Callable[[str], str]) -> None:
    """Whoever writes to the database gets a refusal, not a secret of their own choice."""
    ring = Keyring([NEW, OLD])
    with pytest.raises(CannotOpen):
        ring.open(change(ring.seal(SECRET, RECORD)), RECORD)


def test_a_secret_is_bound_to_its_record() -> None:
    """A sealed secret that was copied into another account does not open there."""
    ring = Keyring([NEW])
    with pytest.raises(CannotOpen):
        ring.open(ring.seal(SECRET, RECORD), "accounts/18/totp")


@pytest.mark.workflow("2-08")
def test_keys_are_changed_one_after_the_other() -> None:
    """With a new key in front old secrets open and are known as outdated; without the old key they do not."""
    old, both, new = Keyring([OLD]), Keyring([NEW, OLD]), Keyring([NEW])
    sealed = old.seal(SECRET, RECORD)
    assert both.open(sealed, RECORD) == SECRET
    assert both.is_outdated(sealed)
    again = both.seal(both.open(sealed, RECORD), RECORD)
    assert not both.is_outdated(again)
    assert new.open(again, RECORD) == SECRET
    with pytest.raises(CannotOpen):
        new.open(sealed, RECORD)


def test_without_a_key_nothing_is_stored() -> None:
    """No key is no encryption, and then no secret is kept in the clear instead."""
    with pytest.raises(NoEncryptionKey):
        keyring(None).seal(SECRET, RECORD)


def test_keys_are_read_from_the_setting() -> None:
    """One key or several, the first for what is new; spaces and line ends around them do not matter."""
    first, second = new_key(), new_key()
    sealed = keyring(first).seal(SECRET, RECORD)
    assert keyring(f" {second},\n{first}\n").open(sealed, RECORD) == SECRET
    assert keyring(f"{second},{first}").is_outdated(sealed)


@pytest.mark.parametrize(
    "setting",
    ["secret", "c2VjcmV0", new_key()[:-4], f"{new_key()},x", new_key() * 2],
    ids=["text", "short", "cut", "and another", "twice"],
)
def test_what_is_no_key_is_refused(setting: str) -> None:
    """A password, or a key of the wrong length, is refused without being told."""
    with pytest.raises(ValueError, match="32 random bytes") as refusal:
        keyring(setting)
    assert setting not in str(refusal.value)
