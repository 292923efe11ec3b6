"""Parts of ``[results]`` that fit nothing the function returned: told, for the results themselves are true."""

from collections.abc import Collection, Iterator

from fullrank.config.results import Results
from fullrank.gather import Schema
from fullrank.report.layout import counted
from fullrank.store.layout import info_of, item_variables


def misfits(told: Results, schema: Schema, *, axis_names: Collection[str]) -> str:
    """Return a sentence on what ``told`` says of results that are otherwise; "" if all of it is in the file."""
    if not schema.results:  # no item has told what the function returns
        return ""
    found = [*_names(told, schema), *_dims(told, schema, axis_names)]
    if not found:
        return ""
    return f"what does not fit the results is not in the file, which has all their values: {'; '.join(found)}"


def _names(told: Results, schema: Schema) -> Iterator[str]:
    results = [result.name for result in schema.results]
    are = f"what the function returned is {', '.join(results)}"
    if told.names is not None and set(told.names) != set(results):
        yield f"results.names is for the elements of a tuple, but {are}"
    else:
        known = {*results, *(field.name for field in schema.fields)}
        for name in told.variables:
            if name not in known:
                yield f"results.{name} is none, {are}"


def _dims(told: Results, schema: Schema, axis_names: Collection[str]) -> Iterator[str]:
    """Yield what became of the dimensions' names; the file's writer gives others where they do not fit."""
    variables = item_variables(schema.fields, told.variables, axis_names=axis_names)
    written = {entry.name: entry.inner_dims for entry in variables}
    for result in schema.results:
        field = result.fields[0]  # the parts of a complex result have the same shape
        info = info_of(field.name, told.variables)
        if info is None or info.dims is None:
            continue
        if len(info.dims) != len(field.shape):
            has = counted(len(field.shape), "dimension") if field.shape else "no dimension"
            yield f"results.{result.name}.dims has {counted(len(info.dims), 'name')}, but {result.name} {has}"
            continue
        for name, other in zip(info.dims, written[field.name], strict=True):
            if name != other:
                yield f"results.{result.name}.dims: '{name}' is taken, or has another length elsewhere; it is '{other}'"
