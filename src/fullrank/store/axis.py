"""An axis, and what is said of a result, as they stand in a file."""

from pathlib import Path

import h5py

from fullrank.dataclass import dataclass
from fullrank.store.h5 import reading
from fullrank.store.tables import check_values, read_values

Value = int | float | str | bool


@dataclass(frozen=True)
class FileAxis:
    """An axis as it stands in a file; its values are read when asked for."""

    name: str
    units: str
    long_name: str
    _dataset: h5py.Dataset
    _path: Path

    def __len__(self) -> int:
        return int(self._dataset.shape[0])

    def value(self, position: int) -> Value:
        """Return one value; IndexError outside 0 … len - 1."""
        return self.column(range(len(self))[position : position + 1] or range(position, position))[0]

    def check(self, positions: range) -> None:
        """Read the values at positions that follow each other; OutputError if they are damaged."""
        with reading(self._path, f"be read at /{self.name}"):
            check_values(self._dataset, positions)

    def column(self, positions: range) -> list[Value]:
        """Return the values at positions that follow each other."""
        with reading(self._path, f"be read at /{self.name}"):
            return read_values(self._dataset, positions)


@dataclass(frozen=True)
class VariableText:
    """What a file says of a result."""

    units: str
    long_name: str
    dims: tuple[str, ...]
    """Names of the inner dimensions."""
