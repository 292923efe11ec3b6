"""What runs left at an output, for ``fullrank clean``: found by name, and judged by content whether it is ours."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from fullrank.at_work import at_work
from fullrank.dataclass import asdict, dataclass
from fullrank.errors import Locked, StorageError
from fullrank.journal import MAGIC
from fullrank.lock import RunLock
from fullrank.printed import PRINTED_HEAD
from fullrank.store import ResultFile, is_newer, is_ours
from fullrank.survey import Survey
from fullrank.workfolder import WorkFolder

_STAMP = r"\d{8}T\d{6}"
Judge = Callable[[Path], str]
"""Why a file or folder is nothing that fullrank made; "" if it is."""


@dataclass(frozen=True)
class Leftover:
    """One file or folder of ours."""

    path: str
    what: str
    n_bytes: int
    is_folder: bool


@dataclass(frozen=True)
class Leftovers:
    """What stands at an output."""

    output: Path
    ours: tuple[Leftover, ...]
    strange: tuple[str, ...]
    """A sentence for each thing that has a name of ours and is not ours, or not only: it stays."""

    @property
    def n_bytes(self) -> int:
        """What deleting it frees."""
        return sum(leftover.n_bytes for leftover in self.ours)

    def to_dict(self) -> dict[str, Any]:
        """Return the same as plain data."""
        return asdict(self) | {"output": str(self.output)}


def find(output: Path, *, aside: bool, result: bool) -> Leftovers:
    """Return what may be deleted; ``aside``: also what ``--fresh`` moved aside; ``result``: also the result itself.

    Raises Locked while a run is at work there.
    """
    _refuse_running(WorkFolder(output))
    ours: list[Leftover] = []
    strange: list[str] = []
    for path, what, judge in _candidates(output, aside=aside, result=result):
        problem = _problem(path, judge)
        if problem:
            strange.append(f"{path}: {problem}; it stays")
            continue
        is_folder = path.is_dir()
        ours.append(Leftover(str(path), what, _size(path), is_folder))
        others = WorkFolder(output, path=path).not_ours() if is_folder else []
        strange += [f"{other}: is not fullrank's; it stays" for other in others]
    return Leftovers(output, tuple(ours), tuple(strange))


def delete(found: Leftovers) -> None:
    """Delete what was found to be ours, under the lock of the output.

    Raises Locked, and StorageError if something has changed since it was found: then nothing is deleted.
    """
    folder = WorkFolder(found.output)
    folder.create()  # a run may begin while the user is asked: its lock is there
    try:
        with RunLock(folder.path):
            for path in folder.shards().values():
                RunLock(path).free()
            for leftover in found.ours:
                _check_unchanged(leftover)
            _delete(found)
    finally:
        folder.remove()


def _check_unchanged(leftover: Leftover) -> None:
    """Refuse what a run has written while the user was asked."""
    path = Path(leftover.path)
    if not path.exists() or _size(path) != leftover.n_bytes:
        raise StorageError(f"{path}: has changed since it was listed; nothing was deleted, look again")


def _delete(found: Leftovers) -> None:
    for leftover in found.ours:
        path = Path(leftover.path)
        if leftover.is_folder:
            folder = WorkFolder(found.output, path=path)
            folder.remove_contents()
            if path != WorkFolder(found.output).path:  # that one holds the lock
                folder.remove()
            continue
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise StorageError.of(error, f"{path}: cannot be removed") from None


def _refuse_running(folder: WorkFolder) -> None:
    holder = at_work(folder)
    if holder:
        raise Locked(
            f"{folder.path}: a run is at work there: {holder}. Stop it first, or wait for its end; "
            f"if you know that it is dead, a run with --take-over frees its lock"
        )


def _candidates(output: Path, *, aside: bool, result: bool) -> Iterator[tuple[Path, str, Judge]]:
    folder = WorkFolder(output)
    named: list[tuple[Path, str, Judge]] = [
        (folder.path, f"working folder, {_content(folder)}", _judge_folder),
        (folder.partial, "partial result", _judge_partial),
        (folder.printed, "what the function printed", _judge_printed),
    ]
    if aside:
        named += [(path, "result, moved aside", _judge_result) for path in _moved_results(output)]
        named += [(path, "partial result, moved aside", _judge_partial) for path in _moved_results(folder.partial)]
        for path in _moved_folders(folder.path):
            n_finished = _n_finished(WorkFolder(output, path=path))
            named.append((path, f"working folder, moved aside, with {n_finished:,} finished items", _judge_folder))
    if result:
        named.append((output, "the result itself", _judge_result))
    yield from (candidate for candidate in named if candidate[0].exists() or candidate[0].is_symlink())


def _moved_results(output: Path) -> list[Path]:
    return _named(output.parent, rf"{re.escape(output.stem)}\.{_STAMP}(-\d+)?{re.escape(output.suffix)}")


def _moved_folders(folder: Path) -> list[Path]:
    return _named(folder.parent, rf"{re.escape(folder.name)}\.{_STAMP}(-\d+)?")


def _named(folder: Path, pattern: str) -> list[Path]:
    return sorted(path for path in folder.iterdir() if re.fullmatch(pattern, path.name)) if folder.is_dir() else []


def _content(folder: WorkFolder) -> str:
    if folder.is_half_restored:
        return "half restored from the result, which has all that is in it"
    return f"with {_n_finished(folder):,} finished items"


def _n_finished(folder: WorkFolder) -> int:
    survey = Survey()
    for journal in folder.journals():
        survey.add_journal(journal)
    return survey.n_finished


def _problem(path: Path, judge: Judge) -> str:
    if path.is_symlink():
        return "is a link, which fullrank does not make"
    try:
        return judge(path)
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    except StorageError:
        return "is damaged, or not fullrank's"


def _judge_folder(path: Path) -> str:
    if not path.is_dir():
        return "is no folder"
    folder = WorkFolder(path, path=path)
    if folder.study() is not None:
        return ""
    journals = folder.journals()  # a part of a study that was moved aside has these alone
    if not all(map(_is_journal, journals)) or (not journals and folder.not_ours()):
        return "is no working folder of fullrank"
    return ""


def _is_journal(path: Path) -> bool:
    with path.open("rb") as file:
        return MAGIC.startswith(file.read(len(MAGIC)))  # empty, or cut off, if who began it was killed at once


def _judge_partial(path: Path) -> str:
    if _judge_result(path):
        return _judge_result(path)
    with ResultFile(path) as file:
        return "is a complete result, not a partial one" if file.summary.complete else ""


def _judge_result(path: Path) -> str:
    if path.is_dir() or not is_ours(path):
        return "is no result of fullrank"
    if is_newer(path):
        return "was written by a newer fullrank, in a format that this one does not read"
    return ""


def _judge_printed(path: Path) -> str:
    with path.open("rb") as file:
        return "" if file.read(len(PRINTED_HEAD)) == PRINTED_HEAD else "is no log of fullrank"


def _size(path: Path) -> int:
    files = path.iterdir() if path.is_dir() else [path]
    return sum(file.lstat().st_size for file in files if not file.name.startswith("lock"))
