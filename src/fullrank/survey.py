"""What a set of journals holds, without its values: enough to decide what the result file looks like.

The standard library alone: every rank surveys its own journals.
"""

import json
import re
import sys
from array import array
from functools import lru_cache
from pathlib import Path
from typing import Any

from fullrank.dataclass import dataclass, field
from fullrank.journal import Damage, Frame, Kind, read, understanding
from fullrank.schedule import Order, mark

VARYING = -1
"""In a shape: the length of a one-dimensional result, which may differ from item to item."""

_DTYPE = re.compile(r"[<>|][biufc](1|2|4|8|16|32)")

Key = tuple[tuple[str, tuple[int, ...]], ...]
"""Names and shapes of a layout's results, sorted by name; one-dimensional shapes are ``(VARYING,)``."""


def key_of(layout: list[list[Any]]) -> Key:
    """Return what two layouts must share to stand in the same datasets.

    >>> key_of([["y", "<f8", []], ["x", "<i8", [7]]])
    (('x', (-1,)), ('y', ()))
    """
    return tuple(sorted((name, (VARYING,) if len(shape) == 1 else tuple(shape)) for name, _, shape in layout))


@dataclass
class LayoutCount:
    """How often a layout occurs."""

    n_items: int
    lowest_index: int
    names: tuple[str, ...]
    """In the order of the item with the lowest index."""
    dtypes: dict[str, set[str]]
    lengths: dict[str, tuple[int, int]]
    """Least and greatest length of each one-dimensional result."""

    def add(self, other: "LayoutCount") -> None:
        """Count ``other`` in."""
        if other.lowest_index < self.lowest_index:
            self.lowest_index, self.names = other.lowest_index, other.names
        self.n_items += other.n_items
        for name, dtypes in other.dtypes.items():
            self.dtypes[name] |= dtypes
        for name, (least, greatest) in other.lengths.items():
            known = self.lengths[name]
            self.lengths[name] = min(least, known[0]), max(greatest, known[1])


class JournalInfo:
    """One journal: its header, and the account of its worker's time if it closed the journal itself."""

    # there are a hundred thousand of them where there are so many workers
    __slots__ = ("account", "header", "n_done_again", "n_items", "path")

    def __init__(self, path: str, header: dict[str, Any], account: dict[str, Any] | None = None) -> None:
        self.path = path
        self.header = header
        self.account = account
        self.n_items = 0
        self.n_done_again = 0
        """Those of them that do not count: failures whose items are done again."""

    def share_texts(self) -> None:
        """Keep equal texts once: a hundred thousand workers name the same things, on few hosts."""
        self.header = _shared(self.header)
        self.account = _shared(self.account) if self.account is not None else None


def _shared(entries: dict[str, Any]) -> dict[str, Any]:
    return {sys.intern(name): sys.intern(value) if type(value) is str else value for name, value in entries.items()}


def _header_without_one(path: Path) -> dict[str, Any]:
    """Return what is known of a journal whose header is damaged, or whose writer was killed before it wrote one.

    >>> _header_without_one(Path("a0002-w00017.journal"))["worker"]
    17
    """
    attempt, worker = path.stem[1:].split("-w")
    return {"attempt": int(attempt), "worker": int(worker), "host": "", "pid": 0, "backend": "", "code_version": -1}


def _of_known_types(header: dict[str, Any], known: dict[str, Any]) -> dict[str, Any]:
    """Return a header as it is; TypeError if what is read of every header is of another type."""
    for name, value in known.items():
        if type(header.get(name, value)) is not type(value):
            raise TypeError(f"{name} is {header[name]!r:.40}")
    return header


def _numbers(account: dict[str, Any]) -> dict[str, Any]:
    for name, value in account.items():
        if name != "platform" and not isinstance(value, int | float):
            raise TypeError(f"{name} is {value!r:.40}")
    return account


def _check_layout(layout: list[list[Any]]) -> None:
    """Raise ValueError or TypeError for a layout that no encoder makes."""
    if len({name for name, _, _ in layout}) < len(layout):
        raise ValueError("two results of one name")
    for name, dtype, shape in layout:
        if not (isinstance(name, str) and _DTYPE.fullmatch(dtype) and all(type(n) is int and n >= 0 for n in shape)):
            raise ValueError(f"a result {name!r:.40} of type {dtype:.40}")


@lru_cache(maxsize=8)
def layout_of(meta: bytes) -> tuple[list[list[Any]], Key]:
    """Return the layout that a VALUES frame tells, which is nobody's to change, and its key: most frames have the same.

    Raises ValueError or TypeError for one that no encoder makes.
    """
    layout = json.loads(meta)
    _check_layout(layout)
    return layout, key_of(layout)


def _checked(indices: "array[int]", n_items: int) -> "array[int]":
    if indices and not 0 <= min(indices) <= max(indices) < n_items:
        raise IndexError(f"items {min(indices)} to {max(indices)}, of {n_items}")
    return indices


@dataclass
class Survey:
    """What the journals hold that were added."""

    journals: list[JournalInfo] = field(default_factory=list)
    layouts: dict[Key, LayoutCount] = field(default_factory=dict)
    n_bytes: int = 0
    n_ok: int = 0
    n_failed: int = 0
    retried: int = 0
    """Failures of attempts up to this one do not count: their items are done again."""
    damages: list[str] = field(default_factory=list)

    @property
    def n_finished(self) -> int:
        """Number of records of items that ended, with or without a result."""
        return self.n_ok + self.n_failed

    def items_by_version(self) -> dict[int, int]:
        """Return how many of the finished items each version of the code made; -1 where a journal does not tell."""
        found: dict[int, int] = {}
        for info in self.journals:
            n_items, version = info.n_items - info.n_done_again, int(info.header["code_version"])
            if n_items:
                found[version] = found.get(version, 0) + n_items
        return dict(sorted(found.items()))

    def add_journal(self, path: Path, *, finished: bytearray | None = None, order: Order | None = None) -> None:
        """Count the items of one journal, and mark them in the bitmap ``finished`` of visiting positions.

        Raises JournalError for a journal of a newer fullrank or of strange content, OSError if it cannot be read.
        """
        with understanding(path):
            self._add_journal(path, finished, order)

    def _add_journal(self, path: Path, finished: bytearray | None, order: Order | None) -> None:
        info = JournalInfo(str(path), _header_without_one(path))
        self.journals.append(info)
        self.n_bytes += path.stat().st_size
        for frame in read(path):
            if isinstance(frame, Damage):
                self.damages.append(str(frame))
                continue
            if frame.kind == Kind.FAILURES and info.header["attempt"] <= self.retried:
                info.n_items += frame.n_rows
                info.n_done_again += frame.n_rows
                continue
            self._add_frame(frame, info)
            if finished is not None and order is not None and frame.kind in (Kind.VALUES, Kind.FAILURES):
                for index in _checked(frame.indices(), order.n_items):
                    mark(finished, order.position(index))
        info.share_texts()

    def _add_frame(self, frame: Frame, info: JournalInfo) -> None:
        if frame.kind == Kind.HEADER:
            info.header |= _of_known_types(frame.json(), info.header)
        elif frame.kind == Kind.ACCOUNT:
            info.account = _numbers(frame.json())
        elif frame.kind == Kind.VALUES:
            info.n_items += frame.n_rows
            self.n_ok += frame.n_rows
            self._add_layout(frame)
        elif frame.kind == Kind.FAILURES:
            info.n_items += frame.n_rows
            self.n_failed += frame.n_rows

    def _add_layout(self, frame: Frame) -> None:
        layout, key = layout_of(frame.meta)
        if not frame.n_rows:
            raise ValueError("values of no item")
        has_lowest = key in self.layouts and self.layouts[key].lowest_index == 0
        count = LayoutCount(
            frame.n_rows,
            0 if has_lowest else min(frame.indices()),  # to look through all indices takes longer than all else here
            tuple(name for name, _, _ in layout),
            # an empty list or array has no numbers that could tell a type
            {name: {dtype} if 0 not in shape else set() for name, dtype, shape in layout},
            {name: (shape[0], shape[0]) for name, _, shape in layout if len(shape) == 1},
        )
        self._merge(key, count)

    def _merge(self, key: Key, count: LayoutCount) -> None:
        if key in self.layouts:
            self.layouts[key].add(count)
        else:
            self.layouts[key] = count

    def join(self, other: "Survey") -> None:
        """Count in what another rank surveyed."""
        self.retried = max(self.retried, other.retried)
        for info in other.journals:
            info.share_texts()  # they were made anew on the way from the other rank
        self.journals.extend(other.journals)
        for key, count in other.layouts.items():
            self._merge(key, count)
        self.n_bytes += other.n_bytes
        self.n_ok += other.n_ok
        self.n_failed += other.n_failed
        self.damages.extend(other.damages)
