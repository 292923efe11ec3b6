"""Our data classes mean what the standard library's mean: each is made twice, and both are asked the same."""

import dataclasses
import pickle
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from fullrank import dataclass as ours

Made = dict[str, Any]


def base_of(library: Any) -> type:
    @library.dataclass(frozen=True)
    class Base:
        name: str
        _: library.KW_ONLY
        units: str = ""
        seconds: float = library.field(default=0.0, compare=False, repr=False)

        def __post_init__(self) -> None:
            if not self.name:
                raise ValueError("no name")

    return Base


def derived_of(library: Any) -> type:
    @library.dataclass(frozen=True, kw_only=True)
    class Derived(base_of(library)):  # type: ignore[misc] # a class that is made twice
        num: int
        values: list[int] = library.field(default_factory=list)

    return Derived


def ordered_of(library: Any) -> type:
    @library.dataclass(frozen=True, order=True)
    class Ordered:
        first: int
        second: str = "b"

    return Ordered


def open_of(library: Any) -> type:
    @library.dataclass
    class Open:
        alone: float = float("nan")

    return Open


CALLS: list[tuple[Callable[[Any], type], tuple[Any, ...], Made]] = [
    (base_of, ("r",), {}),
    (base_of, ("r",), {"units": "m", "seconds": 2.0}),
    (base_of, (), {"name": "r"}),
    (base_of, ("r", "m"), {}),
    (base_of, ("r",), {"name": "r"}),
    (base_of, ("r",), {"nothing": 1}),
    (base_of, (), {}),
    (base_of, ("",), {}),
    (derived_of, ("r",), {"num": 3}),
    (derived_of, ("r", 3), {}),
    (derived_of, ("r",), {"num": 3, "values": [1]}),
    (ordered_of, (1,), {}),
    (ordered_of, (1, "a"), {}),
    (ordered_of, (1, "a", 2), {}),
    (open_of, (), {}),
    (open_of, (1.5,), {}),
]
MADE = [call for call in CALLS if call not in (CALLS[3:8] + CALLS[9:10] + CALLS[13:14])]


def outcome(act: Callable[[], Any]) -> Any:
    try:
        return act()
    except Exception as error:
        return type(error)


@pytest.mark.parametrize(("make", "args", "named"), CALLS)
def test_same_values_are_taken_and_the_same_refused(
    make: Callable[[Any], type], args: tuple[Any, ...], named: Made
) -> None:
    found, wanted = (outcome(partial(make(library), *args, **named)) for library in (ours, dataclasses))
    if isinstance(wanted, type):  # of an exception
        assert found is wanted
    else:
        assert repr(vars(found)) == repr(vars(wanted))


@pytest.mark.parametrize(("make", "args", "named"), MADE)
@pytest.mark.parametrize("ask", [repr, dataclasses.asdict, ours.asdict, dataclasses.is_dataclass, ours.is_dataclass])
def test_same_is_said_of_them(
    make: Callable[[Any], type], args: tuple[Any, ...], named: Made, ask: Callable[[Any], Any]
) -> None:
    own, standard = (make(library)(*args, **named) for library in (ours, dataclasses))
    theirs = ask if ask.__module__ != ours.__name__ else getattr(dataclasses, ask.__name__.lstrip("_"))
    assert repr(ask(own)) == repr(theirs(standard))


@pytest.mark.parametrize("make", [base_of, derived_of, ordered_of, open_of])
def test_same_fields_are_told(make: Callable[[Any], type]) -> None:
    own, standard = make(ours), make(dataclasses)
    wanted = [(entry.name, entry.type) for entry in dataclasses.fields(standard)]  # type: ignore[arg-type]
    assert [(entry.name, entry.type) for entry in ours.fields(own)] == wanted  # type: ignore[arg-type]
    assert [(entry.name, entry.type) for entry in dataclasses.fields(own)] == wanted  # type: ignore[arg-type]


@pytest.mark.parametrize("act", [lambda one, other: one == other, lambda one, other: one != other])
def test_same_are_equal(act: Callable[[Any, Any], Any]) -> None:
    for library in (ours, dataclasses):
        base, other = base_of(library), ordered_of(library)
        pairs = [
            (base("r"), base("r", seconds=3.0)),
            (base("r"), base("s")),
            (base("r"), other(1)),
            (other(1), other(1)),
        ]
        found = [act(one, two) for one, two in pairs]
        assert found == [act(one, two) for one, two in [(1, 1), (1, 2), (1, 2), (1, 1)]]


def test_frozen_ones_are_keys_and_others_are_not() -> None:
    base, ordered = base_of(ours), ordered_of(ours)
    assert len({base("r"), base("r", seconds=1.0), base("s"), ordered(1), ordered(1, "b")}) == 3
    with pytest.raises(TypeError, match="unhashable"):
        hash(open_of(ours)())


def test_frozen_ones_do_not_change() -> None:
    made = base_of(ours)("r")
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.name = "s"
    with pytest.raises(dataclasses.FrozenInstanceError):
        del made.name
    assert made.name == "r"


def test_ordered_ones_are_sorted_as_tuples_are() -> None:
    values = [(2, "a"), (1, "z"), (1, "a"), (2, "A")]
    ordered: Any = ordered_of(ours)
    assert sorted(ordered(*value) for value in values) == [ordered(*value) for value in sorted(values)]
    assert ordered(1, "a") <= ordered(1, "a") < ordered(1, "b")
    with pytest.raises(TypeError):
        assert ordered(1) < 2


@pytest.mark.parametrize("replace", [dataclasses.replace, ours.replace])
def test_copies_with_other_values_are_checked_too(replace: Callable[..., Any]) -> None:
    made = derived_of(ours)("r", num=3, units="m")
    assert vars(replace(made, num=4)) == {"name": "r", "units": "m", "seconds": 0.0, "num": 4, "values": []}
    with pytest.raises(ValueError, match="no name"):
        replace(made, name="")


def test_default_of_a_list_is_a_new_list_each_time() -> None:
    derived = derived_of(ours)
    first, second = derived("r", num=1), derived("r", num=1)
    first.values.append(1)
    assert second.values == []


@ours.dataclass(frozen=True)
class Sent:
    number: int
    text: str = ""


def test_sent_ones_arrive_equal() -> None:
    assert pickle.loads(pickle.dumps(Sent(3, "a"))) == Sent(3, "a")


def test_methods_that_a_class_has_itself_stay() -> None:
    @ours.dataclass(frozen=True)
    class Own:
        value: int

        def __repr__(self) -> str:
            return "own"

        def __eq__(self, other: object) -> bool:
            return True

        def __hash__(self) -> int:
            return 7

    assert (repr(Own(1)), Own(1) == 2, hash(Own(1))) == ("own", True, 7)
