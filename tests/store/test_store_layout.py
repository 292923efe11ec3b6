"""The file's layout as arithmetic."""

import doctest
from math import prod
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fullrank.errors import OutputError
from fullrank.schema import Field
from fullrank.store import layout

SHAPES = st.lists(st.integers(1, 6), min_size=0, max_size=4).map(tuple)


@given(SHAPES, st.data())
def test_slabs_hold_the_elements_of_a_range_once_and_in_order(shape, data):
    n = prod(shape)
    start = data.draw(st.integers(0, n))
    stop = data.draw(st.integers(start, n))
    elements = np.arange(n).reshape(shape)
    boxes = list(layout.slabs(shape, start, stop))
    parts = [elements[box].ravel() for box in boxes]
    assert np.concatenate([np.arange(0), *parts]).tolist() == list(range(start, stop))
    assert len(boxes) <= max(1, 2 * len(shape) - 1)


@given(SHAPES.filter(len), st.sampled_from([1, 2, 4, 8]), st.integers(1, 400))
def test_a_chunk_is_a_run_of_indices_that_fits(shape, itemsize, target_bytes):
    chunk = layout.chunk_shape(shape, itemsize, target_bytes=target_bytes)
    elements = np.arange(prod(shape)).reshape(shape)
    first = elements[tuple(slice(0, size) for size in chunk)].ravel()
    assert first.tolist() == list(range(prod(chunk)))
    assert prod(chunk) * itemsize <= max(target_bytes, itemsize)


@given(SHAPES.filter(len), st.sampled_from([1, 8]), st.integers(1, 400))
def test_pieces_of_an_axis_differ_by_less_than_one_chunk_of_padding(shape, itemsize, target_bytes):
    chunk = layout.chunk_shape(shape, itemsize, target_bytes=target_bytes)
    for size, piece in zip(shape, chunk, strict=True):
        n_pieces = -(-size // piece)
        assert n_pieces * piece - size < n_pieces


def test_chunks_shrink_where_a_thousand_results_are_written_side_by_side():
    assert layout.chunk_bytes(10) == 1 << 20
    assert 1000 * layout.chunk_bytes(1000) <= 64 << 20


def fields(**shapes):
    return [Field(name, "<f8", shape) for name, shape in shapes.items()]


def dims(entries, **declared):
    infos = {name: SimpleNamespace(units="1", long_name="", dims=d) for name, d in declared.items()}
    return layout.inner_dims(entries, infos, taken={"r", "status"})


def test_results_that_declare_one_name_for_one_size_share_a_dimension():
    found = dims(fields(a=(3,), b=(3, 2)), a=("ring",), b=("ring", "side"))
    assert found == {"a": ("ring",), "b": ("ring", "side")}


@pytest.mark.parametrize("declared", [None, ("x", "y"), ("r",), ("status",), ("a/b",), ("",), (" x",)])
def test_a_dimension_without_a_usable_name_is_called_after_its_result(declared):
    assert dims(fields(a=(3,)), a=declared) == {"a": ("a_dim0",)}


def test_a_name_declared_for_two_sizes_is_kept_by_the_first():
    assert dims(fields(a=(3,), b=(4,)), a=("x",), b=("x",)) == {"a": ("x",), "b": ("b_dim0",)}


def test_a_name_declared_twice_in_one_result_is_used_once():
    assert dims(fields(a=(3, 3)), a=("x", "x")) == {"a": ("x", "a_dim1")}


def test_a_default_name_that_is_declared_elsewhere_is_not_given_to_another_size():
    found = dims(fields(a=(3,), b=(4,)), a=("b_dim0",))
    assert found["a"] == ("b_dim0",)
    assert found["b"] not in ((), ("b_dim0",))


def test_parts_of_a_complex_result_get_what_was_said_of_the_whole():
    infos = {"z": SimpleNamespace(units="V", long_name="voltage", dims=None)}
    variables = layout.item_variables(fields(z_re=(), z_im=()), infos, axis_names=["r"])
    assert [(v.name, v.units) for v in variables[:2]] == [("z_re", "V"), ("z_im", "V")]


@pytest.mark.parametrize("name", ["status", "worker", "config", "r", "a/b", "", "a ", "a\nb", "."])
def test_a_result_with_a_name_that_is_taken_or_unusable_is_refused(name):
    with pytest.raises(OutputError, match="rename it"):
        layout.item_variables([Field(name, "<f8")], {}, axis_names=["r"])


def test_a_result_called_like_the_lengths_of_another_is_refused():
    entries = [Field("a", "<f8", (3,), varying=True), Field("a_length", "<f8")]
    with pytest.raises(OutputError, match="'a_length' is taken"):
        layout.item_variables(entries, {}, axis_names=[])


@pytest.mark.parametrize("dtype", ["<f2", "<c16", "|b1", ">f8", "|S3"])
def test_types_that_netcdf_lacks_are_refused(dtype):
    with pytest.raises(OutputError, match="cannot be stored"):
        layout.item_variables([Field("a", dtype)], {}, axis_names=[])


def test_examples_in_docstrings_hold():
    outcome = doctest.testmod(layout)
    assert outcome.attempted >= 3
    assert outcome.failed == 0
