"""What was fed last, in a file that outlives the process that it was fed to."""

import mmap
import struct
from pathlib import Path


class Last:
    """The number and the bytes of the last input, in memory that is a file."""

    _HEAD = struct.Struct("<QQ")
    _SIZE = 8 << 20

    def __init__(self, path: Path) -> None:
        """Open the file, or make it."""
        with path.open("a+b") as file:
            file.truncate(self._SIZE)
            self._memory = mmap.mmap(file.fileno(), self._SIZE)

    def note(self, number: int, data: bytes) -> None:
        """Write both, before the input is fed."""
        data = data[: self._SIZE - self._HEAD.size]
        self._HEAD.pack_into(self._memory, 0, number, len(data))
        self._memory[self._HEAD.size : self._HEAD.size + len(data)] = data

    def read(self) -> tuple[int, bytes]:
        """Return what was noted; 0 if there was no input yet."""
        number, size = self._HEAD.unpack_from(self._memory)
        return number, self._memory[self._HEAD.size : self._HEAD.size + size]
