"""The file before any item is written: dimensions, parameters, and the datasets of the items."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from fullrank.axes import LinearAxis
from fullrank.store.attributes import TEXT
from fullrank.store.chunks import Filters
from fullrank.store.h5 import attach_scale, create, create_scale, fill_by_ranges
from fullrank.store.layout import BOOL_FLAGS, Variable, chunk_bytes, flag_attributes
from fullrank.store.tables import clean

if TYPE_CHECKING:
    from fullrank.axes import Axis
    from fullrank.sweep import Sweep

_AXIS_DTYPES: dict[type, Any] = {
    bool: np.dtype("|i1"),
    int: np.dtype("<i8"),
    float: np.dtype("<f8"),
    str: TEXT,
}


def create_datasets(
    file: h5py.File, sweep: "Sweep", *, variables: Sequence[Variable], filters: Filters
) -> dict[str, h5py.Dataset]:
    """Write the axes and create the variables' datasets on them; return these by name.

    Large axes are whole once ``filters`` have finished.
    """
    scales = _create_scales(file, sweep, variables=variables, filters=filters)
    by_item = [axis for axis in sweep.axes if axis.name not in sweep.dims]
    for axis in by_item:
        attach_scale(_create_parameter(file, axis, filters), 0, scales["item"])
    coordinates = " ".join(axis.name for axis in by_item)
    datasets: dict[str, h5py.Dataset] = {}
    for variable in variables:
        dataset = datasets[variable.name] = create(
            file,
            variable.name,
            shape=(*sweep.shape, *variable.inner_shape),
            dtype=np.dtype(variable.dtype),
            attributes=_attributes(variable, coordinates=coordinates),
            chunk_bytes=chunk_bytes(len(variables)),
            fill=variable.fill,
        )
        for dim, name in enumerate((*sweep.dims, *variable.inner_dims)):
            attach_scale(dataset, dim, scales[name])
    return datasets


def _attributes(variable: Variable, *, coordinates: str) -> dict[str, Any]:
    attributes: dict[str, Any] = {
        "units": clean(variable.units),
        "long_name": clean(variable.long_name),
    }
    if variable.flags:
        attributes |= flag_attributes(variable.flags, variable.dtype)
    if coordinates:
        attributes["coordinates"] = coordinates
    if variable.lengths:
        attributes["lengths"] = variable.lengths
    if variable.part_of:
        attributes["part_of"] = variable.part_of
    return attributes


def _create_scales(
    file: h5py.File, sweep: "Sweep", *, variables: Sequence[Variable], filters: Filters
) -> dict[str, h5py.Dataset]:
    """Create the scale of every dimension: the axis' values, else 0 … size - 1."""
    axes = {axis.name: axis for axis in sweep.axes}
    sizes = dict(zip(sweep.dims, sweep.shape, strict=True))
    for variable in variables:
        sizes.update(zip(variable.inner_dims, variable.inner_shape, strict=True))
    return {
        name: _axis_scale(file, axes[name], filters) if name in axes else _counting_scale(file, name, size, filters)
        for name, size in sizes.items()
    }


def _axis_scale(file: h5py.File, axis: "Axis", filters: Filters) -> h5py.Dataset:
    return create_scale(
        file,
        axis.name,
        size=len(axis),
        dtype=_AXIS_DTYPES[axis.value_type],
        attributes=_axis_attributes(axis),
        values=partial(axis_values, axis),
        filters=filters,
    )


def axis_values(axis: "Axis", positions: range) -> Any:
    """Return what ``axis.column`` does, to the last bit; evenly spaced values by numpy, which rounds as Python does."""
    last = len(axis) - 1
    if not isinstance(axis, LinearAxis) or last == 0:
        return axis.column(positions)
    step = (axis.stop - axis.start) / last
    if step == 0.0:
        return axis.column(positions)
    values = np.arange(positions.start, positions.stop) * step + axis.start
    if positions.stop > last:
        values[-1] = axis.stop
    return values


def _counting_scale(file: h5py.File, name: str, size: int, filters: Filters) -> h5py.Dataset:
    return create_scale(
        file,
        name,
        size=size,
        dtype=np.dtype("<i8"),
        attributes={"units": "1", "long_name": f"position along {name}"},
        values=lambda positions: positions,
        filters=filters,
    )


def _create_parameter(file: h5py.File, axis: "Axis", filters: Filters) -> h5py.Dataset:
    dtype, attributes = _AXIS_DTYPES[axis.value_type], _axis_attributes(axis)
    dataset = create(file, axis.name, shape=(len(axis),), dtype=dtype, attributes=attributes)
    fill_by_ranges(dataset, partial(axis_values, axis), filters)
    return dataset


def _axis_attributes(axis: "Axis") -> dict[str, Any]:
    attributes = {
        "units": clean(axis.units) or "1",
        "long_name": clean(axis.long_name) or axis.name,
    }
    if axis.value_type is bool:
        attributes |= {**flag_attributes(BOOL_FLAGS, "|i1"), "dtype": "bool"}
    return attributes
