"""Why items fail in one way of running: told in one line."""

import re

_REFUSED = re.compile(r"module (?P<package>\w+)[\w.]* does not support loading in subinterpreters")
"""CPython's sentence on an extension module; it stands where the package hides it behind a text of its own, too."""
_TRACEBACK = "Traceback (most recent call last):"
_ITEM = re.compile(r"^item \d+", re.MULTILINE)


def failed_item(said: str) -> str:
    r"""Return the item and its exception in one line from what a run says of it; empty if it tells of none.

    >>> failed_item("Too many:\nitem 3 (x=0):\nTraceback (most recent call last):\n  f(1)\nE: no\nTo repeat it: …")
    'item 3: E: no'
    """
    item, told = _ITEM.search(said), said.rpartition(_TRACEBACK)[2]
    if item is None or _TRACEBACK not in said:
        return ""
    lines = [line for line in told.splitlines() if line.strip() and not line.startswith(" ")]
    return f"{item[0]}: {cause(said, lines[0] if lines else '')}"


def cause(traceback: str, exception: str) -> str:
    """Return the first line of an exception, or what it came of where that is known better.

    >>> cause("ImportError: module numpy._core does not support loading in subinterpreters", "ImportError: see below")
    'the function imports numpy, which does not load in a sub-interpreter'
    """
    if refused := _REFUSED.search(traceback):
        return f"the function imports {refused['package']}, which does not load in a sub-interpreter"
    return exception.strip().partition("\n")[0].strip()
