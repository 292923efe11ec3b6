"""A disk that counts the calls that change it, and at one of them dies, fails or takes only a part."""

import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from fullrank.system import System

Tree = dict[str, bytes | None]
"""Content of each file by its path, None for a folder."""
Deed = Callable[["Disk", str, tuple[Any, ...]], Any]
"""What happens at a call, in place of it: the disk, the call's name and arguments."""

CHANGING = {name for name in vars(System) if not name.startswith("_")}


class Died(BaseException):
    """The process ends here: as it unwinds nothing it does reaches the disk."""


def die(disk: "Disk", _name: str, _arguments: tuple[Any, ...]) -> None:
    """Die before the call."""
    disk.die()


def fail(number: int) -> Deed:
    """Refuse the call, once."""

    def deed(_disk: "Disk", _name: str, _arguments: tuple[Any, ...]) -> None:
        raise OSError(number, os.strerror(number))

    return deed


def tear(n_bytes: int) -> Deed:
    """Write the first ``n_bytes``, then die."""

    def deed(disk: "Disk", name: str, arguments: tuple[Any, ...]) -> None:
        shorten(n_bytes)(disk, name, arguments)
        disk.die()

    return deed


def shorten(n_bytes: int) -> Deed:
    """Write only the first ``n_bytes`` and say so."""

    def deed(disk: "Disk", name: str, arguments: tuple[Any, ...]) -> Any:
        fd, data, *place = arguments
        return disk.do(name, (fd, data[:n_bytes], *place))

    return deed


class Call(NamedTuple):
    """One call, as it was made."""

    name: str
    file: str
    n_bytes: int
    """That it was to write."""

    @property
    def is_record(self) -> bool:
        """Whether it writes the journal."""
        return self.name == "write" and self.file.endswith(".journal")


class Disk:
    """The calls of :class:`fullrank.system.System` on the real disk beneath ``root``; the ``at``-th is ``deed``'s."""

    def __init__(
        self,
        root: Path,
        *,
        at: int = 0,
        deed: Deed = die,
        platter: "Platter | None" = None,
        uncounted: tuple[str, ...] = (),
    ) -> None:
        self.root = root
        self.calls: list[Call] = []
        """The calls that were made."""
        self.at_death: Tree | None = None
        self.every_write: Deed | None = None
        """What happens at each call that writes."""
        self._at = at
        self._uncounted = uncounted
        self._n_counted = 0
        self._deed = deed
        self._platter = platter
        self._open: dict[int, str] = {}

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name not in CHANGING:
            raise AttributeError(name)
        return lambda *arguments: self._call(name, arguments)

    def _call(self, name: str, arguments: tuple[Any, ...]) -> Any:
        if self.at_death is not None:
            if name == "close":
                return None  # the kernel's business
            raise Died
        target = arguments[0]
        file = self._open.get(target, "") if isinstance(target, int) else Path(target).name
        self.calls.append(Call(name, file, len(arguments[1]) if name in ("write", "pwrite") else 0))
        self._n_counted += name not in self._uncounted
        if self._n_counted == self._at and name not in self._uncounted:
            return self._deed(self, name, arguments)
        if name in ("write", "pwrite") and self.every_write is not None:
            return self.every_write(self, name, arguments)
        return self.do(name, arguments)

    def do(self, name: str, arguments: tuple[Any, ...]) -> Any:
        """Make the call; what the disk is to keep is noted, and nobody waits until it does."""
        if name == "fsync":
            return self._platter.note(arguments[0]) if self._platter is not None else None
        done = getattr(os, name)(*arguments)
        if name == "open":
            self._open[done] = Path(arguments[0]).name
        elif name == "close":
            self._open.pop(arguments[0], None)
        return done

    def die(self) -> None:
        """End the process."""
        self.at_death = tree_of(self.root)
        raise Died

    def release(self) -> None:
        """Close what a dead process had open, as the kernel does, and with it the locks on it."""
        for fd in self._open:
            with suppress(OSError):
                os.close(fd)
        self._open.clear()


class Platter:
    """What of the tree beneath ``root`` outlives a loss of power: what was synced, and what is there from the start."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._contents: dict[int, bytes] = {}
        self._names: dict[int, dict[str, int]] = {}
        self._kept: dict[int, int] = {}
        for folder in [root, *(path for path in root.rglob("*") if path.is_dir())]:
            self._note_folder(folder)
        for file in root.rglob("*"):
            if file.is_file():
                self._contents[self._keep(file)] = file.read_bytes()

    def _keep(self, path: Path) -> int:
        """Hold a file open so that no other gets its number, and return that."""
        number = path.stat().st_ino
        if number not in self._kept:
            self._kept[number] = os.open(path, os.O_RDONLY)
        return number

    def note(self, fd: int) -> None:
        """Keep a file's content, or a folder's names, as they are now."""
        path = Path(os.readlink(f"/proc/self/fd/{fd}"))  # noqa: PTH115  a Path would be resolved
        if path.is_dir():
            self._note_folder(path)
        else:
            self._contents[self._keep(path)] = path.read_bytes()

    def _note_folder(self, folder: Path) -> None:
        self._names[self._keep(folder)] = {path.name: self._keep(path) for path in folder.iterdir()}

    def lose_power(self, *, names: bool, zeros: bool) -> None:
        """Leave what was synced. Without ``names`` the folders are as they were seen last, and only contents are lost;
        with ``zeros`` a file is as long as it was, and what was not synced is zeros.
        """
        tree = self._synced_names(self._root) if names else self._current(zeros=zeros)
        _make(self._root, tree)
        self.close()

    def _synced_names(self, root: Path) -> Tree:
        tree: Tree = {}
        waiting = [("", self._keep(root))]
        while waiting:
            path, number = waiting.pop()
            for name, child in self._names.get(number, {}).items():
                below = f"{path}/{name}" if path else name
                if Path(f"/proc/self/fd/{self._kept[child]}").is_dir():
                    tree[below] = None
                    waiting.append((below, child))
                else:
                    tree[below] = self._contents.get(child, b"")
        return tree

    def _current(self, *, zeros: bool) -> Tree:
        tree = tree_of(self._root)
        for name, content in tree.items():
            if content is not None:
                synced = self._contents.get((self._root / name).stat().st_ino, b"")
                tree[name] = synced.ljust(len(content), b"\0") if zeros else synced
        return tree

    def close(self) -> None:
        """Let go of all files."""
        for fd in self._kept.values():
            os.close(fd)
        self._kept.clear()


def tree_of(root: Path) -> Tree:
    """Return what is beneath ``root``."""
    return {
        str(path.relative_to(root)): None if path.is_dir() else path.read_bytes() for path in sorted(root.rglob("*"))
    }


def _make(root: Path, tree: Tree) -> None:
    for path in root.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    for name, content in sorted(tree.items()):
        if content is None:
            (root / name).mkdir()
        else:
            (root / name).write_bytes(content)
