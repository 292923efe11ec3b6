"""A limit for the memory of an isolated item.

The limit is Linux's RLIMIT_DATA: heap and private writable mappings, whatever of it is used. Memory-mapped constants
and program text do not count, as they would for RLIMIT_AS; and unlike a watched resident size it cannot be missed by
an item that takes all there is between two looks. Asking for more is a MemoryError in Python, a null pointer in C.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fullrank.errors import ConfigError

OUT_OF_MEMORY_CODE = 71
"""A child leaves with this where an item that was not its first found no memory: a fresh one is to judge."""
LEAST_ROOM_BYTES = 16_000_000
"""What the limit must leave above what the child needs before any item."""


def counted_bytes() -> int:
    """Return what the limit counts of this process, in bytes; 0 where /proc does not tell."""
    try:
        found = re.search(r"^VmData:\s*(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    except OSError:
        return 0
    return 1024 * int(found[1]) if found else 0


def check_room(limit_bytes: int | None, needed_bytes: int) -> None:
    """Raise ConfigError if a process that needs so much before any item has no room left for one.

    >>> check_room(500_000_000, 30_000_000)
    """
    least_bytes = needed_bytes + LEAST_ROOM_BYTES
    if limit_bytes is not None and limit_bytes < least_bytes:
        raise ConfigError(
            f"run.item_memory_limit_bytes: expected at least {least_bytes:_}, for the process takes {needed_bytes:_} "
            f"before its first item; got {limit_bytes:_}"
        )


class MemoryLimit:
    """The limit of this process, None for none. Only the soft one is set, so that it can be lifted."""

    def __init__(self, limit_bytes: int | None) -> None:
        self.limit_bytes = limit_bytes

    def apply(self) -> None:
        """Let the system refuse memory beyond the limit."""
        if self.limit_bytes is not None:
            self._set(self.limit_bytes)

    @contextmanager
    def lifted(self) -> Iterator[None]:
        """Have memory within this context, to describe that there was none."""
        if self.limit_bytes is None:
            yield
            return
        self._set(None)
        try:
            yield
        finally:
            self.apply()

    def _set(self, limit_bytes: int | None) -> None:
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        soft = hard if limit_bytes is None else limit_bytes
        if hard != resource.RLIM_INFINITY:
            soft = min(soft, hard)
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
