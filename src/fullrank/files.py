"""What is wrong with a file a user named, in words."""

import os
from collections.abc import Collection
from pathlib import Path


def nearest(word: str, words: Collection[str]) -> str:
    """``; did you mean 'X'?`` with the one of ``words`` that is most like ``word``, or nothing."""
    from difflib import get_close_matches

    near = get_close_matches(word, words, n=1, cutoff=0.6)
    return f"; did you mean {near[0]!r}?" if near else ""


def missing(path: Path, *suffixes: str) -> str | None:
    """Why ``path`` is no file, as the end of a sentence; None if it is one.

    A neighbour with one of ``suffixes`` and a similar name is suggested.
    """
    if os.path.isfile(path):  # noqa: PTH113  Path.is_file() raises for names that are too long
        return None
    if os.path.isdir(path):  # noqa: PTH112
        return f"expected a file, got the folder {path}{_some(_names(path, suffixes))}"
    if os.path.exists(path):  # noqa: PTH110
        return f"expected a file, got the device or pipe {path}"
    if not os.path.isdir(path.parent):  # noqa: PTH112
        return f"there is no folder {path.parent}"
    return f"there is no file {path}{nearest(path.name, _names(path.parent, suffixes))}"


def _names(folder: Path, suffixes: tuple[str, ...]) -> list[str]:
    try:
        return sorted(p.name for p in folder.iterdir() if p.suffix.lower() in suffixes)
    except OSError:
        return []


def _some(names: list[str]) -> str:
    return f"; it holds {', '.join(names[:3])}" if names else ""


def not_utf8(data: bytes) -> str:
    """Sentence that says where ``data`` is no UTF-8 text."""
    try:
        data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        return f"line {line}: expected UTF-8 text, got the byte 0x{data[error.start]:02x}"
    return "expected UTF-8 text, and the file changed while it was read"
