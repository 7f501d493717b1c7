"""Units of quantities: every spelling that clients use, and no input breaks the reader."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtcim.providers.parameters.units import UnitError, parse_unit


@given(st.integers(0, 60), st.sampled_from(["byte*2^{}", "byte * 2 ^ {}", " BYTE*2^+{} "]))
def test_binary_multiples_are_read_however_they_are_written(exponent: int, form: str) -> None:
    assert parse_unit(form.format(exponent)) == ("byte", Fraction(2) ** exponent)


@given(st.integers(1, 10**9), st.integers(1, 10**9))
def test_factors_and_divisors_multiply(factor: int, divisor: int) -> None:
    unit = parse_unit(f"count*{factor}/{divisor}")
    assert unit == ("count", Fraction(factor, divisor))


@given(st.text(max_size=200))
def test_any_text_is_a_unit_or_refused(text: str) -> None:
    try:
        multiple = parse_unit(text).multiple
    except UnitError:
        return
    assert multiple > 0


@pytest.mark.parametrize(
    "text", ["", "2^20", "byte*", "byte^2", "byte*2^999", "byte*0", "byte*1000^9", "bit", "byte 5"]
)
def test_what_is_no_unit_is_refused(text: str) -> None:
    with pytest.raises(UnitError):
        parse_unit(text)
