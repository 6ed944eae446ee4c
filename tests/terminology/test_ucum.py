"""UCUM units made comparable. https://ucum.org/ucum"""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terminology.ucum import canonical, unit
from terminology.ucum.atoms import ATOMS, PREFIXES

# A value and a unit, the same in another unit, and the section of https://ucum.org/ucum that says so.
EQUAL = [
    ("1", "g", "1000", "mg", "27"),
    ("0.0054", "g", "5.4", "mg", "27"),
    ("1", "kg", "1000000", "mg", "27"),
    ("1", "dag", "10", "g", "27"),
    ("1", "KiBy", "1024", "By", "27"),
    ("1", "L", "1", "dm3", "31"),
    ("1", "L", "1", "l", "31"),
    ("1", "mL", "1", "cm3", "31"),
    ("72", "/min", "1.2", "/s", "7"),
    ("72", "{beats}/min", "72", "/min", "6"),
    ("5", "mg{total}/dL", "50", "mg/L", "6"),
    ("1", "{score}", "1", "1", "6"),
    ("1", "N", "1", "kg.m/s2", "30"),
    ("1", "N", "1", "kg.m.s-2", "9"),
    ("1", "J/K/mol", "1", "J.K-1.mol-1", "7"),
    ("1", "ug/24.h", "1", "ug.h/24", "7"),
    ("24", "ug/(24.h)", "1", "ug/h", "7"),
    ("1", "mL/min/(2.m2)", "0.5", "mL/min/m2", "8"),
    ("4.5", "10*3/uL", "4.5", "10*9/L", "29"),
    ("4.5", "10^3/uL", "4500", "/uL", "29"),
    ("1", "%", "10", "[ppth]", "29"),
    ("37", "Cel", "98.6", "[degF]", "21"),
    ("0", "Cel", "273.15", "K", "21"),
    ("80", "[degRe]", "100", "Cel", "21"),
    ("1000", "mCel", "1", "Cel", "21"),
    ("1", "mm[Hg]", "133.322", "Pa", "43"),
    ("760", "mm[Hg]", "101324.72", "Pa", "43"),
    ("1", "cm[H2O]", "98.0665", "Pa", "43"),
    ("1", "[in_i]", "2.54", "cm", "34"),
    ("3937", "[ft_us]", "1200", "m", "35"),
    ("1", "[lb_av]", "453.59237", "g", "38"),
    ("1", "meq/L", "1", "mmol/L", "44"),
    ("1", "[IU]/L", "1", "m[iU]/mL", "44"),
    ("60", "U/L", "1", "umol/s/L", "44"),
    ("1", "a", "365.25", "d", "31"),
    ("10", "dB", "1", "B", "46"),
    ("1", "[LPF]", "100", "[HPF]", "44"),
]


@pytest.mark.parametrize(("left", "left_unit", "right", "right_unit", "section"), EQUAL)
def test_equal_values(left: str, left_unit: str, right: str, right_unit: str, section: str) -> None:
    """Two ways of writing one quantity become the same value of the same unit."""
    found = canonical(Decimal(left), left_unit)
    assert found is not None
    assert found == canonical(Decimal(right), right_unit), f"UCUM section {section}"


# Units of different dimensions, or that compare with nothing but themselves.
APART = [
    ("g", "mL"),
    ("mg/dL", "mmol/L"),
    ("mmol/L", "10*3/L"),
    ("[pH]", "mol/L"),
    ("[pH]", "1"),
    ("[IU]", "U"),
    ("[IU]", "[arb'U]"),
    ("[NTU]", "[FNU]"),
    ("dB", "B[V]"),
    ("Hz", "rad/s"),
    ("mg", "MG"),
]


@pytest.mark.parametrize(("left", "right"), APART)
def test_units_that_are_not_compared(left: str, right: str) -> None:
    """Values of such units are never in the same dimension."""
    one, other = unit(left), unit(right)
    assert one is not None
    assert other is not None
    assert one.dimension != other.dimension


NO_UNITS = [
    *(
        "",
        " ",
        "bogus",
        "mg/",
        "//m",
        "m//s",
        "m.",
        ".m",
        "(m",
        "m)",
        "()",
        "2m",
        "0",
        "m/0",
        "{",
        "{a",
        "a}",
    ),
    *("mmHg", "k[in_i]", "m1234", "Cel/min", "Cel2", "m.Cel", "ÅL", "mm[Hg", "kkg", "m 2", "µg", "mg\n"),
    *(
        "m99.m99",
        "[pi]99.[pi]99",
        "Ym99",
        "(" * 9 + "m" + ")" * 9,
        "m" * 101,
        "10*99.10*99.10*99",
        "m+",
        "\x00",
    ),
]


@pytest.mark.parametrize("text", NO_UNITS)
def test_what_is_no_unit(text: str) -> None:
    """Text that UCUM does not know, or that nothing can be compared by, is none, whatever it looks like."""
    assert unit(text) is None
    assert canonical(1, text) is None


def test_values_out_of_proportion() -> None:
    """A value that no database could hold in another unit is compared with nothing."""
    assert canonical(Decimal("1e300"), "mg") is None
    assert canonical(Decimal("1e-300"), "mg") is None
    assert canonical(Decimal("-5.40"), "mg") == (Decimal("-0.0054"), "g")


def test_each_atom_and_prefix() -> None:
    """Each line of the table is a unit, and takes prefixes exactly if it says so."""
    lines = [line.split(" ", 2) for line in ATOMS.splitlines() if line and not line.startswith("# ")]
    assert len(lines) == 301
    codes = {code for code, _, _ in lines}
    for code, metric, _ in lines:
        assert unit(code) is not None, code
        if f"k{code}" not in codes:
            assert (unit(f"k{code}") is not None) == (metric == "*"), code
    assert all(unit(f"{prefix}mol") for prefix in PREFIXES)


@given(st.text(alphabet="mgsL[]{}()./0123456789*^+-'%kuIUH'", max_size=100))
def test_any_text_is_a_unit_or_none(text: str) -> None:
    """No text fails, or takes long: what is parsed has a dimension and a positive factor."""
    found = unit(text)
    assert found is None or found.multiplier / found.divisor > 0


@given(st.decimals(-1000, 1000, places=3), st.decimals(-1000, 1000, places=3), st.sampled_from(EQUAL))
def test_order_is_kept(one: Decimal, other: Decimal, row: tuple[str, str, str, str, str]) -> None:
    """What is less in a unit is less in the one that it is brought into."""
    less, more = canonical(min(one, other), row[1]), canonical(max(one, other), row[1])
    assert less is not None
    assert more is not None
    assert (less[0] < more[0]) == (one != other)
