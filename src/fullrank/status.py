"""How an item ended: the codes of the file's ``status`` dataset."""

from enum import IntEnum


class Status(IntEnum):
    """End of one item; the values stand in files and journals and never change their meaning."""

    MISSING = 0
    OK = 1
    FAILED = 2
    TIMED_OUT = 3
    CRASHED = 4
