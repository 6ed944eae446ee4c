"""The positions that links between pages carry. https://hl7.org/fhir/R4/http.html#paging"""

import re
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.search.positions import Position, decode_position, encode_position
from resources.operation_outcome import InvalidSearch

_VALUES = st.one_of(
    st.none(),
    st.text(),
    st.integers(-(2**63), 2**63 - 1),
    st.builds("{}E{}".format, st.integers(-(10**34) + 1, 10**34 - 1), st.integers(-99, 99)).map(Decimal),
    st.datetimes(timezones=st.just(UTC)).map(
        lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    ),
)


@given(values=st.lists(_VALUES).map(tuple), sequence=st.integers(0, 2**63 - 1))
def test_round_trip(values: tuple[Any, ...], sequence: int) -> None:
    """A position comes back from its text, which may stand in a URL as it is."""
    position = Position(values, sequence)
    text = encode_position(position)
    assert re.fullmatch(r"[A-Za-z0-9_-]+", text)
    assert decode_position(text, len(values)) == position


def test_keeps_digits() -> None:
    """A decimal keeps its digits, so that it equals what is stored."""
    position = Position((Decimal("1.00"),), 1)
    assert str(decode_position(encode_position(position), 1).values[0]) == "1.00"


@given(st.one_of(st.text(), st.text(alphabet="ABCDwxyz0189_-", min_size=1)))
def test_nonsense(text: str) -> None:
    """Any text is a position or refused as a wrong search, never a failure of the server."""
    with suppress(InvalidSearch):
        decode_position(text, 1)


def test_another_search() -> None:
    """A position does not fit a search with another number of sort keys."""
    text = encode_position(Position((datetime(2024, 1, 1, tzinfo=UTC),), 1))
    with pytest.raises(InvalidSearch):
        decode_position(text, 0)
