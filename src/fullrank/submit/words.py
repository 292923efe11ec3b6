"""Text that goes into a job script: checked, and quoted for the shell or for the batch system's own reading."""

import re
import shlex
import unicodedata
from collections.abc import Iterable

from fullrank.errors import UsageError

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9._-]*", re.ASCII)
_BARE = re.compile(r"[A-Za-z0-9_@%+=:,./$\[\]-]+", re.ASCII)
_OPTION = re.compile(r"-{1,2}[A-Za-z]")
UNREADABLE = '"\\'
"""What no batch system reads back as it stands in an option's value in a script, whatever quotes are around it."""
_LINE_ENDS = ("Cc", "Cs", "Zl", "Zp")


def job_name(name: str, *, n_most: int) -> str:
    """Return ``name`` if it is one that every batch system takes as a job's; else UsageError."""
    if not _NAME.fullmatch(name) or len(name) > n_most:
        raise UsageError(
            f"--name: expected at most {n_most} of the letters a to z, digits and . _ -, a letter first, got {name!r}"
        )
    return name


def name_from(stem: str, *, n_most: int) -> str:
    """Return the name of a job for a study whose file has this stem.

    >>> name_from("lyapunov", n_most=15), name_from("2 d (new)", n_most=15)
    ('lyapunov', 'job-2_d_new')
    """
    plain = re.sub(r"[^A-Za-z0-9.-]+", "_", stem).strip("._-")
    named = plain if _NAME.fullmatch(plain) else f"job-{plain}"
    return named[:n_most].rstrip("._-")


def one_line(text: str, what: str) -> str:
    """Return ``text`` if it stays on one line of a script, whoever reads it; else UsageError about ``what``."""
    if any(unicodedata.category(character) in _LINE_ENDS for character in text):
        raise UsageError(f"{what}: expected one line without control characters, got {text!r}; call it otherwise")
    return text


def shell_line(words: Iterable[str]) -> str:
    """Return words as the shell reads them back, each exactly."""
    return " ".join(shlex.quote(one_line(word, "a path or option of a job")) for word in words)


def path_word(path: str) -> str:
    """Return a path that no program takes for an option."""
    return f"./{path}" if path.startswith("-") else path


def option_lines(words: Iterable[str], what: str = "an option behind --", *, unreadable: str = UNREADABLE) -> list[str]:
    """Return options that a batch system reads in a script, each on a line with its values; else UsageError.

    ``unreadable`` are the characters that it does not read back as they stand within double quotes.

    >>> option_lines(["--nodes=2", "-A", "abc", "-R", "span[ptile=4] rusage[mem=1]"])
    ['--nodes=2', '-A abc', '-R "span[ptile=4] rusage[mem=1]"']
    """
    lines: list[str] = []
    for word in words:
        quoted = _quoted(one_line(word, what), what, unreadable)
        if lines and not _OPTION.match(word):
            lines[-1] += f" {quoted}"
        else:
            lines.append(quoted)
    return lines


def _quoted(word: str, what: str, unreadable: str) -> str:
    if _BARE.fullmatch(word):
        return word
    if any(character in unreadable for character in word):
        raise UsageError(
            f"{what}: expected it without any of {' '.join(unreadable)} (batch systems change these in a script), "
            f"got {word!r}; write the script with --dry-run, and this option into it by hand"
        )
    return f'"{word}"'
