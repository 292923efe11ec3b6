"""A result in the words of other packages, and in a few lines for a person."""

from collections.abc import Iterator
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fullrank.flat import check_columns, element_names
from fullrank.report.layout import printable, spelled_number, table
from fullrank.status import Status

if TYPE_CHECKING:
    import pandas
    import xarray

    from fullrank.result import Result

_ENGINES = {"h5netcdf": "h5netcdf", "netCDF4": "netcdf4"}
"""Packages with which xarray reads HDF5, and what it calls them."""


def to_xarray(result: "Result") -> "xarray.Dataset":
    """See :meth:`fullrank.Result.to_xarray`."""
    engine = next((name for package, name in _ENGINES.items() if find_spec(package)), None)
    try:
        import xarray
    except ImportError as error:
        raise _not_installed("xarray", "xarray") from error
    if engine is None:
        raise _not_installed("h5netcdf, with which xarray reads the file,", "h5netcdf")
    return xarray.open_dataset(result.path, engine=engine)


def _not_installed(what: str, package: str) -> ImportError:
    return ImportError(f"{what} is not installed here; install it with: pip install {package}")


def to_pandas(result: "Result") -> "pandas.DataFrame":
    """See :meth:`fullrank.Result.to_pandas`."""
    try:
        import pandas
    except ImportError as error:
        raise _not_installed("pandas", "pandas") from error
    places = _places(result)
    shapes = {name: result.item_shape(name) for name in result.names}
    after = ["status", "item_seconds", *["code_version"] * bool(result.code_versions)]
    check_columns(result.path, shapes, others=[*places, *after])
    status = result.status.ravel()
    columns: dict[str, Any] = dict(places)
    for name in result.names:
        values = result[name].reshape(result.n_items, -1)
        present = _present(result, name, status == Status.OK, n_elements=values.shape[1])
        for number, column in enumerate(element_names(name, shapes[name])):
            columns[column] = _with_gaps(values[:, number], present[:, number])
    words = [word.name.lower() for word in Status]
    columns["status"] = pandas.Categorical.from_codes(status, words)
    columns["item_seconds"] = result.item_seconds.ravel()
    if "code_version" in after:
        versions = result.code_version.ravel()
        columns["code_version"] = _with_gaps(versions, versions >= 0)
    return pandas.DataFrame(columns, index=pandas.RangeIndex(result.n_items, name="item"))


def _places(result: "Result") -> dict[str, NDArray[Any]]:
    """Return the number of the replicate, where there are any, and the parameters of every item."""
    positions = dict(zip(result.dims, np.unravel_index(np.arange(result.n_items), result.shape), strict=True))
    columns = {name: positions[name] for name in result.dims if name == "replicate"}
    for name, values in result.axes.items():
        columns[name] = values[positions[name] if name in positions else positions["item"]]
    return columns


def _present(result: "Result", name: str, ok: NDArray[np.bool_], *, n_elements: int) -> NDArray[np.bool_]:
    """Return which elements have a value, shape (n_items, n_elements)."""
    if name not in result.lengths:
        return np.broadcast_to(ok[:, None], (len(ok), n_elements))
    return ok[:, None] & (np.arange(n_elements) < result.lengths[name].ravel()[:, None])


def _with_gaps(values: NDArray[Any], present: NDArray[np.bool_]) -> Any:
    """Return a column; integers and bools with gaps in pandas' nullable types, for NaN would make floats of them."""
    from pandas.arrays import BooleanArray, IntegerArray

    if present.all() or values.dtype.kind in "fc":  # these hold NaN in the file
        return values
    return (BooleanArray if values.dtype == bool else IntegerArray)(values.copy(), ~present)


def described(result: "Result") -> str:
    """Return what is in a result, in a few aligned lines."""
    n_other = {"failed": result.n_failed, "missing": result.n_missing}
    ends = [f"{result.n_ok:,} ok", *(f"{n:,} {end}" for end, n in n_other.items() if n)]
    sizes = ", ".join(f"{dim}: {size:,}" for dim, size in zip(result.dims, result.shape, strict=True))
    lines = [
        f"<fullrank.Result: {result.title}>",
        f"  file    {result.path}",
        f"  items   {result.n_items:,} ({sizes}), {', '.join(ends)}",
    ]
    if result.is_open:
        lines += table([*_axis_rows(result), *_result_rows(result)], left=range(4))
    else:
        lines.append("  closed: open it again with fullrank.open_result")
    return "\n".join(map(printable, lines))


def _axis_rows(result: "Result") -> Iterator[tuple[str, ...]]:
    sizes = dict(zip(result.dims, result.shape, strict=True))
    first, last = result.parameters(0), result.parameters(result.n_items - 1)
    for name in result.axes:
        dim = name if name in sizes else "item"
        ends = " … ".join(spelled_number(place[name]) for place in (first, last)[: sizes[dim]])
        yield "axis  ", name, f"({dim}: {sizes[dim]:,})", f"{ends}{_unit(result, name)}"


def _result_rows(result: "Result") -> Iterator[tuple[str, ...]]:
    for name in result.names:
        remark = ", padded: see .lengths" if name in result.lengths else ""
        kind = f"{result.dtype_of(name)}{_unit(result, name)}"
        yield "result", name, f"({', '.join(result.dims_of(name))})", kind + remark


def _unit(result: "Result", name: str) -> str:
    return "" if result.units[name] in ("", "1") else f" {result.units[name]}"
