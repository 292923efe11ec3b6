"""The parts of a result by their names: arrays that are read when they are asked for, and datasets of each result."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from fullrank.files import nearest
from fullrank.schema import Field


class ByName(Mapping[str, NDArray[Any]]):
    """Arrays that are read when they are asked for."""

    def __init__(self, what: str, names: Sequence[str], read: Callable[[str], NDArray[Any]]) -> None:
        self._what, self._names, self._read = what, tuple(names), read

    def __getitem__(self, name: str) -> NDArray[Any]:
        if name not in self._names:
            raise unknown(self._what, name, self._names)
        return self._read(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __repr__(self) -> str:
        return f"<{self._what}: {', '.join(self._names) or 'none'}>"


def parts_by_result(fields: Sequence[Field]) -> dict[str, tuple[str, ...]]:
    """Return the names of each result's datasets; the two of a complex one if the file says that they are its parts."""
    by_name = {entry.name: entry for entry in fields}
    parts: dict[str, tuple[str, ...]] = {}
    for entry in fields:
        whole = entry.part_of
        pair = (f"{whole}_re", f"{whole}_im")
        if whole and whole not in by_name and _are_alike([by_name.get(name) for name in pair], whole):
            parts[whole] = pair
        else:
            parts[entry.name] = (entry.name,)
    return parts


def _are_alike(pair: Sequence[Field | None], whole: str) -> bool:
    kinds = {(part.part_of, part.dtype, part.shape, part.varying) for part in pair if part is not None}
    return None not in pair and len(kinds) == 1 and kinds.pop()[0] == whole


def unknown(what: str, name: object, names: Sequence[str]) -> KeyError:
    """Return the error for a name that is not among ``names``."""
    near = nearest(name, names) if isinstance(name, str) else ""
    return KeyError(f"there is no {what} {name!r}{near or '; there are: ' + (', '.join(names) or 'none')}")
