"""What a message says of options of the command line, said of the arguments of :func:`fullrank.run`.

Most messages are made where nobody knows who asked; some come from ranks, which run the command.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from fullrank.errors import FullrankError

_FLAGS = ("fresh", "accept-change", "retry-failed", "take-over", "here")
_WITH_VALUES = {"limit": "limit", "stop-after": "stop_after", "backend": "backend", "workers": "workers"}
_WORDS = [
    (r"\bargument (?:-\w/)?(?=--)", ""),
    *((rf"(?<![\w-])--{flag}\b", f"{flag.replace('-', '_')}=True") for flag in _FLAGS),
    *((rf"(?<![\w-])--{option}\b", argument) for option, argument in _WITH_VALUES.items()),
    (r"(?<![\w-])-b (\w+)", r"backend='\1'"),
    (r"(?<![\w-])-n (\d+)", r"workers=\1"),
    (r"\bleave out -b\b", "leave out backend"),
    (r"(?<=with )-o(?![\w-])", "output=…"),
    (r"\bthe same command\b", "the same call"),
    (r"\b([Rr])un the same call\b", r"\1epeat the same call"),
]
_PATTERNS = [(re.compile(pattern), words) for pattern, words in _WORDS]
_HELP = "\nTry: fullrank run --help"
_COMMAND = re.compile(r"(\b(?:mpiexec|fullrank [a-z]+) (?:(?!, )[^;\n])*)")
_OF_THE_USER = re.compile(r"^(?:Traceback|item \d)", re.MULTILINE)
"""Where what the user's own code says begins."""


def in_python(message: str) -> str:
    """Return a message in the words of a call; commands to copy, and what the user's code said, stay as they are.

    >>> in_python("run.h5: changed. Start anew with --fresh, or choose another path with -o")
    'run.h5: changed. Start anew with fresh=True, or choose another path with output=…'
    >>> in_python("Try -b processes; start the ranks yourself: mpiexec -n 4 fullrank run s.toml -b mpi")
    "Try backend='processes'; start the ranks yourself: mpiexec -n 4 fullrank run s.toml -b mpi"
    """
    found = _OF_THE_USER.search(message)
    end = len(message) if found is None else found.start()
    parts = _COMMAND.split(message[:end].removesuffix(_HELP))
    for place in range(0, len(parts), 2):  # the odd ones are commands
        for pattern, words in _PATTERNS:
            parts[place] = pattern.sub(words, parts[place])
    return "".join(parts) + message[end:]


@contextmanager
def worded_in_python() -> Iterator[None]:
    """Have every error of fullrank's say what it says in the words of a call."""
    try:
        yield
    except FullrankError as error:
        error.args = (in_python(str(error)), *error.args[1:])
        raise
