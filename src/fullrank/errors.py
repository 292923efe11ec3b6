"""The exceptions fullrank raises, each with the exit code its command ends with.

::

    FullrankError            70  an error inside fullrank
    ├── UsageError            2  the command line or its surroundings are wrong
    │   ├── ConfigError       2  a key, an axis or a table of the study is wrong
    │   ├── FunctionError     2  the user's function cannot be found, imported or called
    │   ├── StudyChanged      2  the study is not the one whose results are there
    │   └── BackendError      2  this way of running is not possible here
    ├── StorageError         74  a file or folder cannot be read or written
    │   ├── OutputError      74  the output is not ours, damaged, or out of reach
    │   ├── JournalError     74  a journal cannot be written or is of another study
    │   └── Locked           74  another run is writing to this output
    ├── FailedItems           3  finished, more items failed than allowed
    ├── ResultsDiffer         3  ways of running the same study gave different results
    └── Stopped              75  stopped early; the same command goes on

A message says where, what was expected, what came and what to do; it is shown without a traceback.
"""

import errno
import re

TYPE_CHECKING = False  # typing's own opens a dozen files
if TYPE_CHECKING:
    from typing import Self

_SHORTENED = re.compile(r"… \(([\d,]+) more characters\)$")


def beginning(text: str, n_most: int) -> str:
    """Return the first ``n_most`` characters of a text that may be of any length, and how many more there are.

    >>> beginning("abcdef", 4), beginning(beginning("abcdef", 4), 2)
    ('abcd… (2 more characters)', 'ab… (4 more characters)')
    """
    n_more = 0
    if before := _SHORTENED.search(text[-60:]):
        n_more = int(before[1].replace(",", ""))
        text = text[: -len(before[0])]
    if len(text) > n_most:
        n_more += len(text) - n_most
    return f"{text[:n_most]}… ({n_more:,} more characters)" if n_more else text


def without_middle(lines: list[str], n_most: int) -> list[str]:
    """Return the first and the last of lines that may be any number, and how many are left out between them.

    >>> without_middle(["a", "b", "c", "d", "e"], 2)
    ['a', '… (3 more lines)', 'e']
    """
    half = n_most // 2
    n_more = len(lines) - 2 * half
    return [*lines[:half], f"… ({n_more:,} more lines)", *lines[-half:]] if len(lines) > n_most else lines


class FullrankError(Exception):
    """Root of the tree; caught by the command line, which prints it and leaves with its code."""

    exit_code = 70


class UsageError(FullrankError):
    """The command line, the launcher or the machine does not fit what was asked for."""

    exit_code = 2


class ConfigError(UsageError):
    """The study's description is wrong; the message names the file and the key."""


class FunctionError(UsageError):
    """The user's function cannot be found, imported or called with what the study gives it."""


class StudyChanged(UsageError):
    """Results are there, of a study that differs from this one."""


class BackendError(UsageError):
    """A backend cannot run here; the message names the cure."""


class StorageError(FullrankError):
    """A file or a folder cannot be read or written."""

    exit_code = 74
    is_full = False
    """Whether the disk is full, or a quota used up."""

    @classmethod
    def of(cls, cause: OSError, what: str) -> "Self":
        """Return the error for ``what`` the system refused.

        >>> print(StorageError.of(OSError(errno.ENOSPC, "No space left on device"), "run.h5: cannot be written"))
        run.h5: cannot be written: No space left on device
        """
        leaked = "; the function leaves files open: close them, or set isolate = true under [run]"
        error = cls(f"{what}: {cause.strerror or cause}{leaked if cause.errno == errno.EMFILE else ''}")
        error.is_full = cause.errno in (errno.ENOSPC, errno.EDQUOT)
        return error


class OutputError(StorageError):
    """The output is not a file of ours, is damaged, or cannot be written."""


class JournalError(StorageError):
    """A journal cannot be written, or belongs to another study."""


class Locked(StorageError):
    """Another run holds the lock of this output."""


class FailedItems(FullrankError):
    """The run is over and more items failed than allowed."""

    exit_code = 3


class ResultsDiffer(FullrankError):
    """Ways of running the same items gave different results, so no time of theirs is worth a look."""

    exit_code = 3


class Stopped(FullrankError):
    """The run stopped early; nothing is lost and the same command goes on."""

    exit_code = 75
