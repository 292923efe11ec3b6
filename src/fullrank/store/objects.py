"""The groups and datasets of a file, found once and opened once."""

from collections.abc import Iterator
from typing import Any, Self

import h5py
from h5py import h5d, h5g, h5l, h5o

DEPTH_MAX = 4
N_OPEN_MAX = 256
"""Objects that stay open; each takes some 20 KB, and more when it has been read."""


class Objects:
    """The groups and datasets of a file that is read, by their full names; the root's is ``/``."""

    def __init__(self, root: h5py.Group) -> None:
        self._open: dict[str, Any] = {"/": root}
        """None for those that are to be opened again when they are asked for."""
        self._names: dict[int, str] = {h5o.get_info(root.id).addr: "/"}
        """Full names by the object's address in the file."""

    @classmethod
    def below(cls, root: h5py.Group) -> Self:
        """Return all groups and datasets of a file that holds nothing else."""
        objects = cls(root)
        for _ in objects.find():
            pass
        return objects

    def find(self) -> Iterator[tuple[str, Any]]:
        """Yield what is in the file: name and object, or the link if it leads elsewhere, before it is kept.

        None stands for an object that no file of ours has, as one with a second name: a few such names at each level
        would make any number of objects.
        """
        for name, address, found in _walk(self._open["/"]):
            yield name, None if address in self._names else found
            self._open[name] = found if len(self._open) < N_OPEN_MAX else None
            self._names[address] = name

    def __contains__(self, name: str) -> bool:
        return name in self._open

    def __getitem__(self, name: str) -> Any:
        if name not in self._open:
            raise LookupError(f"there is no {name}")
        found = self._open[name]
        return self._open["/"][name] if found is None else found

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        """Yield name and object, sorted by name."""
        for name in sorted(self._open):
            yield name, self[name]

    def name_of(self, found: h5d.DatasetID) -> str:
        """Return the full name of a dataset that a reference led to; HDF5 would search the file for it.

        Raises:
            LookupError: it has none, so nothing of it was looked at.
        """
        name = self._names.get(h5o.get_info(found).addr)
        if name is None:
            raise LookupError("a reference leads to an object without a name")
        return name


def _walk(group: h5py.Group, *, name: str = "", depth: int = 0) -> Iterator[tuple[str, int, Any]]:
    """Yield full name and address of what is below a group, and the object, opened, or the link to elsewhere."""
    links: list[tuple[bytes, int, int]] = []
    group.id.links.iterate(lambda key, link: links.append((key, link.type, link.u)), info=True)
    for key, kind, address in links:
        full_name = f"{name}/{key.decode('utf-8', 'surrogateescape')}"
        found = _opened(group, key) if kind == h5l.TYPE_HARD else group.get(key, getlink=True)
        yield full_name, address, found if depth < DEPTH_MAX else None
        if isinstance(found, h5py.Group) and depth < DEPTH_MAX:
            yield from _walk(found, name=full_name, depth=depth + 1)


def _opened(group: h5py.Group, key: bytes) -> Any:
    """Open an object as ``group[key]`` does, which asks first whether the file may be written, and takes twice as long.

    A dataset keeps its shape once it is known, as in any file that is read.
    """
    found = h5o.open(group.id, key)
    if isinstance(found, h5d.DatasetID):
        return h5py.Dataset(found, readonly=True)
    return h5py.Group(found) if isinstance(found, h5g.GroupID) else found
