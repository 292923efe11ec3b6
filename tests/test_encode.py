"""What functions return, through a journal and back as numpy arrays; numpy's own conversions are the truth."""

import array
import dataclasses
import enum
from collections import OrderedDict, UserDict, namedtuple
from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fullrank.buckets import Buckets
from fullrank.claim import values_frame
from fullrank.encode import Naming, Unusable, encode
from fullrank.gather import blocks, decide_schema
from fullrank.journal import Kind, pack
from fullrank.survey import Survey

NAMING = Naming("f")
FLOATS = st.floats(width=64)
INTS = st.integers(-(2**63), 2**63 - 1)
COMPLEX = st.complex_numbers(allow_nan=True)


Stored = Callable[..., list[dict[str, np.ndarray]]]


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Stored:
    """``stored(values, naming=NAMING)``: what the gather makes of returned values; the fields of each, by name."""
    path = tmp_path_factory.mktemp("work") / "a0001-w00000.journal"

    def gathered(values: Sequence[Any], naming: Naming = NAMING) -> list[dict[str, np.ndarray]]:
        groups, unusable = encode(values, naming)
        assert unusable == []
        header = b'{"attempt": 1, "worker": 0, "code_version": 0}'
        frames = [values_frame(group, range(len(values)), [0.5] * len(values)) for group in groups]
        path.write_bytes(pack(Kind.HEADER, 0, meta=header) + b"".join(frames))
        survey = Survey()
        survey.add_journal(path)
        schema = decide_schema(survey, len(values))
        buckets = Buckets(schema, path.parent)
        with path.open("rb") as journal:
            buckets.add_journal(journal, path)
        (block,) = blocks(schema, [[buckets.take(0)]])
        return [
            {name: np.asarray(array[index]) for name, array in block.values.items()} for index in range(len(values))
        ]

    return gathered


def reason(value: Any, naming: Naming = NAMING) -> str:
    """Return why one value cannot be stored."""
    groups, ((row, sentence),) = encode([value], naming)
    assert (groups, row) == ([], 0)
    return str(sentence)


def same_bits(found: Any, expected: Any) -> bool:
    found, expected = np.asarray(found), np.asarray(expected)
    return found.dtype == expected.dtype and found.shape == expected.shape and found.tobytes() == expected.tobytes()


# --- numbers


@pytest.mark.parametrize(
    ("numbers", "dtype"), [(FLOATS, "<f8"), (INTS, "<i8"), (st.booleans(), "|i1")], ids=["float", "int", "bool"]
)
@pytest.mark.parametrize("form", ["bare", "dict", "tuple"])
@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_plain_numbers_come_back_bit_for_bit(
    stored: Stored, numbers: Any, dtype: str, form: str, data: st.DataObject
) -> None:
    values = data.draw(st.lists(numbers, min_size=1, max_size=30))
    shaped = {
        "bare": values,
        "dict": [{"f": value, "g": value} for value in values],
        "tuple": [(value, value) for value in values],
    }[form]
    found = [next(iter(fields.values())) for fields in stored(shaped)]
    assert all(map(same_bits, found, np.array(values, dtype)))


@settings(deadline=None, max_examples=40)
@given(st.lists(COMPLEX, min_size=1, max_size=20))
def test_complex_numbers_come_back_as_two_parts(stored: Stored, values: list[complex]) -> None:
    for fields, value in zip(stored(values), values, strict=True):
        assert same_bits(fields["f_re"], np.float64(value.real))
        assert same_bits(fields["f_im"], np.float64(value.imag))


@settings(deadline=None, max_examples=40)
@given(st.lists(st.one_of(st.integers(-(2**53), 2**53), FLOATS, st.booleans()), min_size=1, max_size=20))
def test_items_of_mixed_types_get_the_type_that_numpy_gives_them_together(stored: Stored, values: list[float]) -> None:
    expected = np.array(values)
    expected = expected.astype("i1") if expected.dtype == bool else expected
    assert all(same_bits(fields["f"], number) for fields, number in zip(stored(values), expected, strict=True))


@settings(deadline=None, max_examples=40)
@given(st.lists(st.one_of(st.integers(-(2**53), 2**53), FLOATS, st.booleans(), COMPLEX), min_size=1, max_size=8))
def test_a_list_of_mixed_types_gets_the_type_that_numpy_gives_it(stored: Stored, values: list[complex]) -> None:
    expected = np.array(values)
    (fields,) = stored([values])
    if expected.dtype.kind == "c":
        assert same_bits(fields["f_re"], expected.real.copy())
        assert same_bits(fields["f_im"], expected.imag.copy())
    else:
        assert same_bits(fields["f"], expected.astype("i1") if expected.dtype == bool else expected)


class Colour(enum.IntEnum):
    RED = 7


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Colour.RED, np.int64(7)),
        (np.float64(0.1), np.float64(0.1)),
        (np.float32(0.1), np.float32(0.1)),
        (np.int16(-3), np.int16(-3)),
        (np.uint64(2**64 - 1), np.uint64(2**64 - 1)),
        (np.True_, np.int8(1)),
        ([np.array(1.5), np.array(2)], np.array([1.5, 2.0])),
        ([np.True_, 3], np.array([1, 3])),
        ([np.float32(0.5), 2], np.array([0.5, 2.0])),
        ([np.uint8(200), np.int64(-1)], np.array([200, -1])),
        (range(2, 9, 3), np.array([2, 5, 8])),
        ([(1, 2), [3, 4]], np.array([[1, 2], [3, 4]])),
        ([], np.zeros(0)),
        ([[], []], np.zeros((2, 0))),
    ],
    ids=repr,
)
def test_numbers_in_other_clothes_are_numbers(stored: Stored, value: Any, expected: Any) -> None:
    assert same_bits(stored([value])[0]["f"], expected)


MASKED = [False, True]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.ma.masked_array([2.0, 1.0], MASKED), {"f": np.array([2.0, np.nan])}),
        (np.ma.masked_array(np.float32([2, 1]), MASKED), {"f": np.float32([2, np.nan])}),
        (np.ma.masked_array([2j, 1.0], MASKED), {"f_re": np.array([0, np.nan]), "f_im": np.array([2, np.nan])}),
        (np.ma.masked, {"f": np.float64(np.nan)}),
        ([1.0, np.ma.masked], {"f": np.array([1.0, np.nan])}),
        ([np.ma.masked_array([2.0, 1.0], MASKED), [3.0, 4.0]], {"f": np.array([[2.0, np.nan], [3.0, 4.0]])}),
        (np.ma.masked_array([2, 1]), {"f": np.array([2, 1])}),
        (np.ma.masked_array([2, 1], [False, False]), {"f": np.array([2, 1])}),
    ],
    ids=repr,
)
def test_masked_floats_are_nan(stored: Stored, value: Any, expected: dict[str, np.ndarray]) -> None:
    (fields,) = stored([value])
    assert fields.keys() == expected.keys()
    for name, values in expected.items():
        assert fields[name].dtype == values.dtype
        np.testing.assert_array_equal(fields[name], values)


def test_complex_numbers_of_numpy_without_an_imaginary_part_stay_complex(stored: Stored) -> None:
    (fields,) = stored([[np.complex64(2), 1.0]])
    assert same_bits(fields["f_re"], np.array([2.0, 1.0]))
    assert same_bits(fields["f_im"], np.zeros(2))


# --- arrays

KINDS = ["?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "g", "c8", "c16", "G"]
WIDENED = {"f2": "f4", "g": "f8", "G": "c16"}


def kept_as(kind: str) -> np.dtype[Any]:
    """Return the little-endian type in which HDF5 readers know what ``kind`` is, a wider one if need be."""
    return np.dtype(WIDENED.get(kind, kind)).newbyteorder("<")


def expected_fields(value: np.ndarray, dtype: np.dtype[Any]) -> dict[str, np.ndarray]:
    converted = value.astype(dtype)
    if converted.dtype.kind == "c":
        return {"f_re": converted.real.copy(), "f_im": converted.imag.copy()}
    return {"f": converted.astype("i1") if converted.dtype == bool else converted}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("byte_order", "<>")
@pytest.mark.filterwarnings("ignore:overflow encountered in cast")  # long doubles beyond a double
@settings(deadline=None, max_examples=15)
@given(data=st.data())
def test_arrays_come_back_as_numpy_converts_them(
    stored: Stored, kind: str, byte_order: str, data: st.DataObject
) -> None:
    shape = data.draw(hnp.array_shapes(min_dims=0, max_dims=3, max_side=4))
    narrow = np.dtype({"g": "f8", "G": "c16"}.get(kind, kind))
    plain = data.draw(hnp.arrays(narrow, shape)).astype(np.dtype(kind).newbyteorder(byte_order))
    laid_out = {
        "as it is": lambda a: a,
        "transposed": lambda a: a.T,
        "every other": lambda a: np.repeat(a, 2, axis=0)[::2] if a.ndim else a,
        "backwards": lambda a: a[::-1] if a.ndim else a,
        "Fortran order": np.asfortranarray,
        "read-only": lambda a: np.broadcast_to(a, (2, *a.shape)),
    }
    value = laid_out[data.draw(st.sampled_from(sorted(laid_out)))](plain)
    (fields,) = stored([value])
    expected = expected_fields(value, kept_as(kind))
    assert fields.keys() == expected.keys()
    assert all(same_bits(fields[name], expected[name]) for name in fields)


@pytest.mark.parametrize("typecode", "bBhHiIlLqQfd")
def test_arrays_of_the_standard_library_keep_their_type(stored: Stored, typecode: str) -> None:
    value = array.array(typecode, [0, 1, 100])
    assert same_bits(stored([value])[0]["f"], np.array(value, np.dtype(typecode).newbyteorder("<")))


@settings(deadline=None, max_examples=40)
@given(
    kind=st.sampled_from(["f8", "i8", "?"]),
    shape=hnp.array_shapes(min_dims=1, max_dims=4, max_side=3),
    data=st.data(),
)
def test_nested_lists_are_arrays(stored: Stored, kind: str, shape: tuple[int, ...], data: st.DataObject) -> None:
    expected = data.draw(hnp.arrays(kind, shape))
    (fields,) = stored([expected.tolist()])
    assert same_bits(fields["f"], expected.astype("i1") if kind == "?" else expected)


class Offering:
    """Something that is no array and offers to become one, as pandas, xarray and torch do."""

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return np.array([1.5, 2.5], np.float32)


def test_what_offers_to_become_an_array_is_one(stored: Stored) -> None:
    assert same_bits(stored([Offering()])[0]["f"], np.array([1.5, 2.5], np.float32))


# --- several results


@dataclasses.dataclass
class Energies:
    kinetic: float
    potential: np.ndarray


Pair = namedtuple("Pair", "left right")


@pytest.mark.parametrize(
    "make",
    [
        dict,
        OrderedDict,
        UserDict,
        MappingProxyType,
        lambda parts: Energies(**parts),
        lambda parts: dataclasses.make_dataclass("Slotted", list(parts), slots=True, frozen=True)(**parts),
    ],
    ids=["dict", "OrderedDict", "UserDict", "MappingProxyType", "dataclass", "slots"],
)
def test_mappings_and_dataclasses_give_a_result_for_each_name(stored: Stored, make: Any) -> None:
    (fields,) = stored([make({"kinetic": 0.5, "potential": np.arange(3)})])
    assert list(fields) == ["kinetic", "potential"]
    assert same_bits(fields["kinetic"], np.float64(0.5))
    assert same_bits(fields["potential"], np.arange(3))


def test_a_named_tuple_has_its_own_names(stored: Stored) -> None:
    (fields,) = stored([Pair(1, 2.0)], Naming("f", ("a", "b")))
    assert list(fields) == ["left", "right"]


@pytest.mark.parametrize(("names", "expected"), [(None, ["f_0", "f_1"]), (("mean", "error"), ["mean", "error"])])
@pytest.mark.parametrize("value", [(1.0, 2.0), (1.0, [2.0])])
def test_a_tuple_is_named_by_the_config_or_by_number(
    stored: Stored, names: Any, expected: list[str], value: Any
) -> None:
    assert list(stored([value], Naming("f", names))[0]) == expected


def test_the_order_of_a_mapping_does_not_matter(stored: Stored) -> None:
    found = stored([{"a": 1.0, "b": 2.0}, {"b": 4.0, "a": 3.0}, {"b": 6, "a": 5.0}])
    assert [list(fields) for fields in found] == 3 * [["a", "b"]]
    assert [(fields["a"], fields["b"]) for fields in found] == [(1.0, 2.0), (3.0, 4.0), (5.0, 6.0)]


# --- the fast way and the careful one

VALUES = st.one_of(
    FLOATS,
    INTS,
    st.booleans(),
    st.tuples(FLOATS, INTS),
    st.fixed_dictionaries({"a": FLOATS, "b": st.booleans()}),
    st.fixed_dictionaries({"b": FLOATS, "a": FLOATS}),
    st.lists(FLOATS, max_size=3),
)
UNUSABLE = st.sampled_from([None, "text", 2**63, {"item": 1.0}, {}, (1.0, 2.0, "three"), [[1], [2, 3]], {"_a": 1}])


def by_row(values: Sequence[Any]) -> dict[int, Any]:
    """Return type, shape and bytes by name, or the reason, of each value."""
    groups, unusable = encode(values, Naming("f", taken=frozenset({"item"})))
    found: dict[int, Any] = {row: str(reason) for row, reason in unusable}
    for group in groups:
        for place, row in enumerate(group.rows):
            found[row] = {}
            for (name, dtype, shape), column in zip(group.layout, group.columns, strict=True):
                width = len(column) // len(group.rows)
                found[row][name] = dtype, shape, column[place * width : (place + 1) * width]
    assert len(found) == len(unusable) + sum(len(group.rows) for group in groups)
    return found


@given(st.one_of(st.lists(VALUES), *(st.lists(kind) for kind in (FLOATS, st.tuples(FLOATS, INTS)))))
def test_the_fast_way_and_the_careful_one_agree(values: list[Any]) -> None:
    careful = by_row([*values, None])  # None is looked at one by one, and so is what is beside it
    del careful[len(values)]
    assert by_row(values) == careful if values else careful == {}


@given(st.lists(st.one_of(VALUES, UNUSABLE), min_size=1))
def test_each_value_is_judged_as_if_it_were_alone(values: list[Any]) -> None:
    assert by_row(values) == {row: by_row([value])[0] for row, value in enumerate(values)}


# --- what cannot be stored


class Hostile(Mapping[str, float]):
    """A mapping that cannot be read."""

    def __getitem__(self, key: str) -> float:
        raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        raise RuntimeError("not today")

    def __len__(self) -> int:
        return 1


class HostileArray:
    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        raise MemoryError


@dataclasses.dataclass
class HostileFields:
    a: float

    def __getattribute__(self, name: str) -> Any:
        if name == "a":
            raise SystemError
        return super().__getattribute__(name)


CHARACTERS = "w" if "w" in array.typecodes else "u"  # the second goes out of use
SELF_CONTAINING: list[Any] = []
SELF_CONTAINING.append(SELF_CONTAINING)
SENTENCES = [
    (None, r"^result 'f' is None; expected a number or an array \(does the function end without 'return'\?\)$"),
    ("abc", r"^result 'f' is text \('abc'\); expected a number or an array$"),
    (b"abc", r"is text"),
    ({"x": None}, r"^result 'x' is None"),
    ((1.0, "b"), r"^result 'f_1' is text"),
    (object(), r"is of type object; expected a number"),
    (Fraction(1, 3), r"is of type Fraction"),
    ({1, 2}, r"is of type set"),
    ((x for x in ()), r"is of type generator"),
    ([1.0, None], r"^result 'f' is None"),
    ([1.0, "x"], r"is text"),
    (2**63, r"^result 'f' is an integer that does not fit into 64 bits with a sign$"),
    (-(2**63) - 1, r"does not fit into 64 bits"),
    ([1, 2**64], r"does not fit into 64 bits"),
    ([1.5, 10**400], r"does not fit into 64 bits"),
    ([[1], [2, 3]], r"a list of lists of different lengths; expected a rectangular array"),
    ([[1, 2], 3], r"lists or arrays beside single numbers; expected a rectangular array"),
    ([np.float32(1), np.arange(2)], r"^result 'f' is a list of numbers beside lists or arrays; expected a rect"),
    (np.ma.masked_array([2, 1], [0, 1]), r"is an array of int64 with masked places; expected floats"),
    (np.ma.masked_array([True, False], [0, 1]), r"is an array of bool with masked places"),
    ([np.ma.masked_array([2, 1], [0, 1])], r"is an array of int64 with masked places"),
    ([[[1], [2]], [[3], [4, 5]]], r"different lengths"),
    (SELF_CONTAINING, r"nested deeper than 16 lists"),
    (np.zeros(17 * (1,)), r"has 17 dimensions; expected at most 16"),
    (np.array(["a"]), r"is an array of <U1; expected numbers"),
    (np.array([1, None]), r"is an array of object"),
    (np.zeros(2, "m8[s]"), r"is an array of timedelta64\[s\]"),
    (np.zeros(2, [("a", "f8")]), r"is an array of"),
    (array.array(CHARACTERS, "ab"), r"an array of characters"),
    ({}, r"returned nothing: an empty mapping or tuple"),
    ((), r"returned nothing"),
    ({"a b": 1.0}, r"'a b' cannot be the name of a result: letters, digits and _ only, a letter first"),
    ({"1a": 1.0}, r"cannot be the name"),
    ({"_a": 1.0}, r"cannot be the name"),
    ({"": 1.0}, r"cannot be the name"),
    ({"a/b": 1.0}, r"cannot be the name"),
    ({7: 1.0}, r"^7 cannot be the name"),
    ({None: [1.0]}, r"^None cannot be the name"),
    ({"status": 1.0}, r"the result name 'status' is taken by an axis or by the file itself; rename it"),
    ({"status": [1.0]}, r"'status' is taken"),
    ({"a": {"b": 1.0}}, r"^result 'a' is of type dict"),
    ({"z": 1j, "z_re": 1.0}, r"the file needs the name 'z_re' for the result 'z' itself"),
    ({"x": [1.0], "x_length": 1}, r"needs the name 'x_length' for the result 'x'"),
    ({"z": [1j], "z_im_length": 1}, r"needs the name 'z_im_length' for the result 'z'"),
    ({"axis": [1.0]}, r"needs the name 'axis_length' for the result 'axis'"),
    (Hostile(), r"what the function returned cannot be read: RuntimeError in Hostile"),
    (HostileArray(), r"cannot be read: MemoryError in HostileArray"),
    (HostileFields(1.0), r"cannot be read: SystemError in HostileFields"),
    (Energies, r"is of type type"),
]


@pytest.mark.filterwarnings("ignore:The 'u' type code:DeprecationWarning")
@pytest.mark.parametrize(("value", "sentence"), SENTENCES, ids=[sentence for _, sentence in SENTENCES])
def test_what_cannot_be_stored_gets_a_sentence_and_costs_its_own_item_alone(value: Any, sentence: str) -> None:
    naming = Naming("f", taken=frozenset({"status", "axis_length"}))
    groups, unusable = encode([1.0, value, 2.0, {"b": 3.0}], naming)
    assert sum(len(group.rows) for group in groups) == 3
    ((row, told),) = unusable
    assert row == 1
    with pytest.raises(Unusable, match=sentence):
        raise told


def test_names_of_a_tuple_that_do_not_fit_it_are_told() -> None:
    assert reason((1.0, 2.0, 3.0), Naming("f", ("a", "b"))) == (
        "the function returned 3 values, but 'names' under [results] lists 2"
    )
