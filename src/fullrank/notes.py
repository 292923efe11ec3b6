"""The notes in a work folder: small files that appear whole or not at all, and whose damage is told by their path."""

import json
import os
import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from fullrank.errors import StorageError, beginning
from fullrank.system import System, refused_as, write_and_sync

PATHS = "surrogateescape"
"""Names of files need not be UTF-8."""
_SHOWN_CHARACTERS = 40
_CURE = (
    "what is finished is in the journals beside it and stays there; put the file back as it was, or run with --fresh, "
    "which moves the journals aside and begins anew"
)


class Notes:
    """The notes in one folder, by name. Those that are written are for the holder of its lock alone."""

    def __init__(self, folder: Path, system: System = os) -> None:
        self._folder = folder
        self._system = system

    def temporary(self, stem: str) -> Path:
        """Return where this process writes a file that is to get its name when it is whole."""
        return self._folder / f"{stem}.{os.getpid()}.tmp"

    def write(self, name: str, text: str) -> None:
        """Write a note so that it appears whole or not at all."""
        temporary = self.temporary(name)
        with refused_as(f"{self._folder / name}: cannot be written"):
            write_and_sync(self._system, temporary, text.encode("utf-8", PATHS), flags=os.O_CREAT | os.O_TRUNC)
            self._system.replace(temporary, self._folder / name)

    def write_texts(self, name: str, texts: Sequence[str]) -> None:
        """Write a note that is a list of texts."""
        self.write(name, json.dumps(list(texts)))

    def exists(self, name: str) -> bool:
        """Return whether there is such a note."""
        return (self._folder / name).exists()

    def text(self, name: str, *, errors: str = "strict") -> str | None:
        """Return a note, None if there is none; StorageError if it cannot be read."""
        path = self._folder / name
        try:
            with refused_as(f"{path}: cannot be read"), suppress(FileNotFoundError):
                return path.read_bytes().decode("utf-8", errors)
            return None
        except UnicodeDecodeError as error:
            raise self.damaged(name, "text in UTF-8", shown=repr(error.object[error.start : error.end])) from None

    def texts(self, name: str) -> tuple[str, ...] | None:
        """Return a note that is a list of texts; None if there is none, StorageError if it is something else."""
        text = self.text(name)
        if text is None:
            return None
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, list) or not all(isinstance(entry, str) for entry in found):
            raise self.damaged(name, "a list of texts in JSON", shown=repr(beginning(text, _SHOWN_CHARACTERS)))
        return tuple(found)

    def number(self, name: str) -> int:
        """Return a note that is a number >= 0, 0 if there is none; StorageError if it is something else."""
        text = self.text(name)
        if text is None:
            return 0
        if re.fullmatch(r"[0-9]{1,18}\s*", text) is None:
            raise self.damaged(name, "an integer >= 0", shown=repr(beginning(text, _SHOWN_CHARACTERS)))
        return int(text)

    def damaged(self, name: str, expected: str, *, shown: str) -> StorageError:
        """Return the error for a note that is something else than what was ``expected``."""
        return StorageError(f"{self._folder / name}: is damaged: expected {expected}, got {shown}; {_CURE}")
