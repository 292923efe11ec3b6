"""What a program touches: Python's own doings by audit events, those of C libraries by the kernel's notices."""

import ctypes
import difflib  # noqa: F401  # where it is imported first, its named tuple is made by exec
import os
import struct
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_PATHS_CHANGED = {
    "os.chmod", "os.chown", "os.link", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.symlink", "os.truncate",
    "os.utime", "shutil.copyfile", "shutil.move", "shutil.rmtree",
}  # fmt: skip
_NEVER = ("ctypes.", "ftplib.", "os.exec", "os.fork", "os.posix_spawn", "os.spawn", "os.startfile")
_NEVER += ("os.system", "pickle.", "pty.", "socket.", "subprocess.", "urllib.", "webbrowser.", "winreg.")
_CODE = ("compile", "exec", "import", "marshal.load")
_OF_THE_SYSTEM = ("/proc/", "/sys/")


class Watch:
    """Notes what this process does that a reader of data has no reason to do; one in a process, for it stays.

    Allowed is to read and write below some folders, and to read what Python and the system keep for themselves.
    """

    def __init__(self) -> None:
        self._noted: list[str] | None = None
        self._folders: tuple[str, ...] = ()
        self._modules: frozenset[str] = frozenset()
        self._may_import = False
        roots = (sys.prefix, sys.base_prefix, str(Path(__file__).resolve().parents[1] / "src"), *_OF_THE_SYSTEM)
        self._readable = tuple(roots)
        sys.addaudithook(self._note)

    @contextmanager
    def over(self, *folders: Path, modules: Sequence[str] = (), may_import: bool = False) -> Iterator[list[str]]:
        """Yield a list that gets a line for each such act.

        ``modules`` may be imported, and their code be run; or all but what stands in the folders.
        """
        self._may_import = may_import
        self._folders = ("/dev/null", *(str(folder.resolve()) for folder in folders))
        self._modules = frozenset(modules)
        self._noted = noted = []
        try:
            yield noted
        finally:
            self._noted = None

    def _note(self, event: str, arguments: tuple[Any, ...]) -> None:
        noted = self._noted
        if noted is None:
            return
        self._noted = None  # what is done here is not meant
        try:
            if self._is_forbidden(event, arguments):
                noted.append(f"{event} {arguments!r:.200}")
        finally:
            self._noted = noted

    def _is_forbidden(self, event: str, arguments: tuple[Any, ...]) -> bool:
        if event == "open":
            path, _, flags = arguments
            is_read = not flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC)
            return not self._is_in(path, self._folders + self._readable * is_read)
        if event in _PATHS_CHANGED:
            paths = [path for path in arguments if isinstance(path, str | bytes | os.PathLike)]
            return not all(self._is_in(path, self._folders) for path in paths)
        if event == "subprocess.Popen" and arguments[0] == "git":
            return False  # asked for the commit that the study's folder is at
        if event == "compile" and arguments[1] == "<unknown>":
            return False  # ast.parse: code that is read, for its digest, and not run
        if event.startswith(_CODE) and self._may_import:
            return event == "exec" and self._is_in(arguments[0].co_filename, self._folders)
        if event.startswith(_CODE):
            return not self._modules or (event == "import" and arguments[0] not in self._modules)
        return event.startswith(_NEVER)

    @staticmethod
    def _is_in(path: Any, folders: tuple[str, ...]) -> bool:
        if isinstance(path, int) or path is None:
            return True
        return os.path.realpath(os.fsdecode(path)).startswith(folders)


class Notices:
    """What the kernel tells of a folder: whatever is opened in it, by whatever code."""

    _OPENED = 0x20
    _EVENT = struct.Struct("iIII")

    def __init__(self, folder: Path) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._fd = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._fd < 0 or libc.inotify_add_watch(self._fd, os.fsencode(folder), self._OPENED) < 0:
            raise OSError(ctypes.get_errno(), f"{folder}: cannot be watched")

    def opened(self) -> list[str]:
        """Return the names that were opened since the last call; "" for the folder itself."""
        try:
            data = os.read(self._fd, 1 << 16)
        except BlockingIOError:
            return []
        names, start = [], 0
        while start < len(data):
            *_, n_name = self._EVENT.unpack_from(data, start)
            start += self._EVENT.size
            names.append(data[start : start + n_name].rstrip(b"\0").decode())
            start += n_name
        return names
