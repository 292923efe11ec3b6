"""By which version of the code the item of a file was made, and what has changed since."""

from contextlib import suppress
from pathlib import Path

from fullrank.dataclass import dataclass, replace
from fullrank.errors import StorageError
from fullrank.identity import Identity, changes
from fullrank.report.layout import printable
from fullrank.since import between
from fullrank.status import Status
from fullrank.store import ResultFile, is_ours
from fullrank.study import Study


@dataclass(frozen=True)
class StoredItem:
    """An item as a file has it."""

    path: str
    version: int
    """As in /code_version."""
    n_versions: int
    changes: tuple[str, ...]
    """In what the code that made it differs from the present one, a sentence each."""

    def text(self) -> str:
        """Return a line for a person; "" where file and study are of one and the same version."""
        if self.n_versions == 1 and not self.changes:
            return ""
        now = f"; since then: {'; '.join(self.changes)}" if self.changes else ", which is the present one"
        of = f" of {self.n_versions}" if self.n_versions > 1 else ""
        return f"the item in {self.path} was made by version {self.version}{of} of the code{printable(now)}\n"


def stored_item(study: Study, index: int, files: tuple[Path, ...]) -> StoredItem | None:
    """Return what the first of ``files`` that has the item tells of it; None where none of this study has it."""
    for path in files:
        with suppress(StorageError):  # the item that was evaluated is what was asked for
            found = _in_file(study, index, path) if is_ours(path) else None
            if found is not None:
                return found
    return None


def _in_file(study: Study, index: int, path: Path) -> StoredItem | None:
    with ResultFile(path) as file:
        if index >= file.n_items or file.array("status").ravel()[index] == Status.MISSING:
            return None
        version, versions = int(file.array("code_version").ravel()[index]), file.versions
    if not 0 <= version < len(versions):
        return None
    old, new = Identity.from_json(versions[version]), study.identity
    difference = between(old, new, study.config.sweep)
    if difference.changes and not difference.may_stay:
        return None  # another study's: the index is another item
    return StoredItem(str(path), version, len(versions), tuple(changes(replace(old, sweep=new.sweep), new)))
