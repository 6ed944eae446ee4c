"""The ids of drafts: always the same for the same thing, and nothing of it is kept longer than the draft."""

import tracemalloc

import pytest

from adapters.to_fhir.drafts import Draft, Identity, key_id

_MEGABYTE = 2**20


def _draft(*parts: str) -> Draft:
    return Draft("a", {"resourceType": "Basic"}, parts=parts)


def test_an_id_follows_what_the_draft_is_known_by() -> None:
    """Who adds a number, or other parts, after somebody asked for the id gets another id."""
    draft = _draft("one")
    first = draft.id
    assert first == draft.id == _draft("one").id == key_id("Basic", "one")
    draft.parts = ("two",)
    assert draft.id == _draft("two").id != first
    draft.parts, draft.identities = (), (Identity("urn:a", "1"),)
    by_number = draft.id
    draft.identities = (Identity("urn:a", "2"),)
    assert draft.id != by_number
    draft.identities = ()
    with pytest.raises(ValueError, match="nothing identifies"):
        _ = draft.id


def test_what_drafts_are_known_by_goes_with_them() -> None:
    """A charge without a number is known by its whole segment, however long a sender makes that."""
    tracemalloc.start()
    try:
        for number in range(40):
            assert _draft("charge", f"{number}" + "x" * _MEGABYTE).id
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 10 * _MEGABYTE
