"""Results as a flat table: one row an item, one column for each element of a result."""

from collections.abc import Mapping, Sequence
from itertools import product
from math import prod
from pathlib import Path

from fullrank.errors import UsageError

N_COLUMNS_MAX = 5_000
"""More than spreadsheets and people read; arrays of that size are better off as arrays."""
_CURE = "read it as arrays with fullrank.open_result or xarray"


def element_names(name: str, shape: Sequence[int]) -> list[str]:
    """Return the name of the column of each element of a result, in C order.

    >>> element_names("spin", (2, 2)), element_names("energy", ())
    (['spin_0_0', 'spin_0_1', 'spin_1_0', 'spin_1_1'], ['energy'])
    """
    return ["_".join([name, *map(str, place)]) for place in product(*map(range, shape))]


def check_columns(path: Path, shapes: Mapping[str, Sequence[int]], *, others: Sequence[str]) -> None:
    """Check that the results' elements and ``others`` can be the columns of one table.

    Raises:
        UsageError: they are too many, or two columns would have one name.
    """
    n_columns = len(others) + sum(map(prod, shapes.values()))
    if n_columns > N_COLUMNS_MAX:
        largest = max(shapes, key=lambda name: prod(shapes[name]))
        size = " × ".join(map(str, shapes[largest])) or "1"
        raise UsageError(
            f"{path}: expected at most {N_COLUMNS_MAX:,} columns, one for each element of a result, got {n_columns:,}; "
            f"{largest!r} alone has {size} elements; {_CURE}"
        )
    owners = dict.fromkeys(others, "")
    for name, shape in shapes.items():
        for column in element_names(name, shape):
            if column in owners:
                first = f"of the result {owners[column]!r}" if owners[column] else "of the items"
                raise UsageError(
                    f"{path}: two columns would be called {column!r}, one {first} and one of the result {name!r}; "
                    f"{_CURE}"
                )
            owners[column] = name
