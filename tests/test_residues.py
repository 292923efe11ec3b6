"""Residues made range by range are those made one by one, and no shorter steps were left out."""

from math import gcd

from hypothesis import given
from hypothesis import strategies as st

from fullrank.residues import Multiples, short_steps
from fullrank.schedule import spread_stride

NUMBERS = st.one_of(st.integers(2, 300), st.integers(2, 2**32))


@st.composite
def strides(draw: st.DrawFn) -> tuple[int, int]:
    """Return a stride and the number it is taken modulo; some have a common divisor."""
    number = draw(NUMBERS)
    return draw(st.one_of(st.just(spread_stride(number)), st.integers(1, number - 1))) % number or 1, number


@given(strides(), st.integers(0, 2**32), st.integers(0, 3000))
def test_each_residue_is_that_of_its_own_multiple(case: tuple[int, int], first: int, n: int) -> None:
    stride, number = case
    factors = range(first, first + n)
    assert Multiples(stride, number).residues(factors) == [factor * stride % number for factor in factors]


@given(strides())
def test_a_step_is_what_that_many_multiples_come_to(case: tuple[int, int]) -> None:
    stride, number = case
    for k, step in short_steps(stride, number):
        assert (k * stride - step) % number == 0


@given(st.integers(2, 2000), st.data())
def test_no_fewer_multiples_have_a_shorter_step(number: int, data: st.DataObject) -> None:
    stride = data.draw(st.integers(1, number - 1))
    steps = short_steps(stride, number)
    for k, step in steps[1:]:
        shortest = min(min(j * stride % number, -j * stride % number) for j in range(1, k + 1))
        assert abs(step) == shortest or (gcd(stride, number) > 1 and shortest == 0)
