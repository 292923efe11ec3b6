"""What earlier runs left at a run's output and in its work folder: kept, gone on with, refused or moved aside."""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path

from fullrank.attempts import REASON_ALL_FAILED
from fullrank.choices import Choices, Console
from fullrank.commit import is_partial_of
from fullrank.ending import End, Ending
from fullrank.errors import OutputError, StorageError, StudyChanged, UsageError
from fullrank.identity import Identity
from fullrank.restore import fingerprint, restore
from fullrank.shard import Shard
from fullrank.since import between
from fullrank.status import Status
from fullrank.store import ResultFile, is_ours, verify
from fullrank.study import Study
from fullrank.survey import Survey
from fullrank.system import System
from fullrank.worker import attempt_stem
from fullrank.workfolder import WorkFolder, moved_aside

_OTHER_LAYOUT = "items of an earlier version have results of other names or shapes than those of most items"
_READ_AGAIN_BYTES = 128 << 20
"""Up to this size a result that leaves nothing to do is read and verified first, within about a second."""


class Kinship(Enum):
    """What a study is to one of which there are results."""

    SAME = "the same study"
    GROWN = "the same study with more items at its end"
    ACCEPTED = "another version of the code or other constants"


def existing(study: Study, choices: Choices, folder: WorkFolder) -> Ending | None:
    """Return the ending of a run that has nothing to do, for its result is there; None if there is something to do.

    Raises OutputError for a file that is in the way or damaged, StudyChanged for one of another study.
    """
    output = choices.output
    if not _has_result(output, fresh=choices.fresh):
        return None
    with _or_fresh(), ResultFile(output) as file:
        old, summary, mark = Identity.from_json(file.identity), file.summary, fingerprint(file)
        is_read_again = file.n_items * file.item_bytes <= _READ_AGAIN_BYTES
    if folder.has_study and folder.continues(mark):
        # what went on from it may be of a study that has grown and shrunk again: then it is whole as it stands
        is_whole_again = old == study.identity and folder.study() != old
        if not is_whole_again:
            return None
    if summary.n_ok == 0 and old != study.identity:
        return None  # nothing of value: it will be moved aside
    retries = choices.retry_failed and summary.n_failed > 0
    found = kinship(old, study, choices, retries=retries, what=str(output))
    if found is not Kinship.SAME or retries or summary.n_missing:
        return None
    if is_read_again:
        with _or_fresh():
            verify(output)
    n_finished = summary.n_items - summary.n_missing
    return Ending(End.ALREADY_COMPLETE, output, summary.n_items, n_finished, summary)


def _has_result(output: Path, *, fresh: bool) -> bool:
    """Return whether results are there that count; refuse what is in the way."""
    if not output.exists():
        return False
    if output.is_dir():
        raise OutputError(f"{output}: is a folder; name a file for the result")
    try:
        ours = is_ours(output)
    except OutputError as error:
        if fresh and _is_hdf5(output):  # damaged; moved aside like a whole one
            return False
        raise OutputError(f"{error}{', or start anew with --fresh' if _is_hdf5(output) else ''}") from None
    if not ours:
        raise OutputError(f"{output}: is no result of fullrank and stays as it is; choose another path with -o")
    return not fresh


@contextmanager
def _or_fresh() -> Iterator[None]:
    """Tell whose result cannot be read, or is damaged, that a run can do without it."""
    try:
        yield
    except OutputError as error:
        raise OutputError(f"{error}, or start anew with --fresh") from None


def _is_hdf5(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(8) == b"\x89HDF\r\n\x1a\n"


def kinship(old: Identity, study: Study, choices: Choices, *, retries: bool, what: str) -> Kinship:
    """Return what the study is to the one of which there are results; StudyChanged if it is another.

    ``retries`` says whether failed items are done again: who asks for that has mended the code.
    """
    found = between(old, study.identity, study.config.sweep)
    if not found.changes:
        if choices.accept_change:
            raise UsageError(f"{what}: nothing has changed since; leave out --accept-change")
        return Kinship.SAME
    if found.is_grown:
        return Kinship.GROWN
    if found.may_stay and (choices.accept_change or (retries and found.is_mended)):
        return Kinship.ACCEPTED
    cures = "Start anew with --fresh, which moves the old results aside"
    if found.may_stay:
        more = ", and --retry-failed does failed items again" if found.is_mended else ""
        cures += (
            f". Or keep what is finished with --accept-change{more}; the file then tells which version made which item"
        )
    elif found.problem:
        cures = f"They cannot be kept: {found.problem}. {cures}"
    listed = "\n".join(f"  {difference}" for difference in found.changes)
    raise StudyChanged(f"{what}: the results there are of another study; since then changed:\n{listed}\n{cures}.")


def prepare_folder(folder: WorkFolder, study: Study, choices: Choices, *, console: Console, system: System) -> None:
    """Leave in the work folder only what belongs to the study.

    Raises StudyChanged if it holds results of another one, which stay.
    """
    folder.remove_unfinished()
    if folder.is_half_restored:
        folder.remove_contents()
    if choices.fresh:
        _move_aside(folder, console, system)
    if folder.output.exists():
        _meet_result(folder, study, choices, console=console, system=system)
    known = folder.study()
    if known is not None and known != study.identity:
        known = _meet_other_study(known, folder, study, choices, console=console)
    elif known is not None and choices.accept_change:
        raise UsageError(f"{folder.path}: nothing has changed since; leave out --accept-change")
    _meet_failures(folder, choices, console=console)
    if known is None:
        if folder.journals():
            _tell_moved(folder.move_contents_aside(), console)
        folder.remove_contents()  # of a run that died before it wrote a journal
        _begin(folder, study)


def _begin(folder: WorkFolder, study: Study) -> None:
    config = study.config
    folder.begin_study(study.identity.to_json(), config=config.text, config_path=config.path)


def _tell_moved(aside: Path | None, console: Console) -> None:
    if aside is not None:
        console.say(f"moved aside: {aside}")


def _move_aside(folder: WorkFolder, console: Console, system: System) -> None:
    """Move away all that earlier runs left, for ``--fresh``."""
    if folder.output.exists():
        _tell_moved(moved_aside(folder.output, system), console)
    if is_partial_of(folder.partial, None):
        _tell_moved(moved_aside(folder.partial, system), console)
    if folder.journals():
        _tell_moved(folder.move_contents_aside(), console)
    folder.remove_contents()


def _meet_result(folder: WorkFolder, study: Study, choices: Choices, *, console: Console, system: System) -> None:
    """Go on from the result that is there, if that is not under way already; or move away one without any result."""
    with ResultFile(folder.output) as file:
        old, mark = Identity.from_json(file.identity), fingerprint(file)
        if folder.has_study and folder.continues(mark):
            return
        if file.summary.n_ok == 0 and old != study.identity:
            _tell_moved(moved_aside(folder.output, system), console)
            return
        with _or_fresh():
            verify(folder.output)  # what is made of it has to be true
        if _has_all_of(file, folder):
            folder.keep_what_was_printed()
        elif folder.journals():
            _tell_moved(folder.move_contents_aside(), console)
        folder.remove_contents()
        with folder.restoring(mark):
            restore(file, folder, system=system)
            folder.begin_study(file.identity, config=file.config, config_path=study.config.path)
    console.say(f"going on from {folder.output}, which stays until the new result takes its place")


def _has_all_of(file: ResultFile, folder: WorkFolder) -> bool:
    """Return whether a file was made from what is in the folder: its run was killed while it cleared away."""
    made_by = {(row.attempt, row.started) for row in file.attempts()}
    noted = [(row.attempt, row.started) for row in folder.attempt_log.rows()]
    return bool(noted) and made_by.issuperset(noted)


def _meet_other_study(
    known: Identity, folder: WorkFolder, study: Study, choices: Choices, *, console: Console
) -> Identity | None:
    """Have the folder hold the present study if what was finished can be kept; None if nothing there has a value."""
    survey = Survey()
    for journal in folder.journals():
        survey.add_journal(journal)
    if survey.n_ok == 0:
        console.say("the study has changed, and no item of the old one has a result; this one starts anew")
        return None
    retries = choices.retry_failed and survey.n_failed > 0
    found = kinship(known, study, choices, retries=retries, what=str(folder.path))
    present, versions = study.identity.to_json(), folder.versions()
    if versions[-1:] != (present,):  # else a run was killed between the two notes
        kept = versions if found is Kinship.ACCEPTED else versions[:-1]
        folder.note_versions((*kept, present))
    if is_partial_of(folder.partial, known.to_json()):  # the journals have all that is in it
        folder.remove_partial()
    _begin(folder, study)
    console.say(f"{found.value}: finished items are kept")
    return study.identity


def _meet_failures(folder: WorkFolder, choices: Choices, *, console: Console) -> None:
    """Have failed items done again, if the user asks for it or nothing but failed ones ended the last attempt."""
    if choices.retry_failed and folder.journals():
        folder.retry_failures()
    else:
        meet_all_failed(folder, console=console)


def meet_all_failed(folder: WorkFolder, *, console: Console, shard: Shard | None = None) -> None:
    """Have items done again that ended the last attempt because all of them failed; of one shard, if it is given."""
    for stem in stems_of_all_failed(folder, shard):
        console.say("the last attempt was stopped because all its items failed; they are done again")
        _tell_moved(folder.move_contents_aside(f"{stem}*"), console)


def stems_of_all_failed(folder: WorkFolder, shard: Shard | None = None) -> tuple[str, ...]:
    """Return how the files of a last attempt are called that was stopped because all its items failed."""
    last = (row for row in folder.attempt_log.latest() if shard is None or row.shard == str(shard))
    return tuple(attempt_stem(row.attempt) for row in last if row.reason == REASON_ALL_FAILED)


def keep_displaced(folder: WorkFolder, new: Path, *, has_all: bool, console: Console, system: System) -> None:
    """Keep what a new result, which is to get the output's name, has no place for.

    The layout of most items is the study's, so those of earlier versions may be the odd ones now. The journals are
    kept if the new result has not all of their values (``has_all``), and these are not in the result that the run went
    on from; that is moved aside if the new one does not hold all that it holds, and so is one that others put there.
    """
    output, is_gone_on_from, holds_all = folder.output, False, False
    if output.exists():
        with ResultFile(output) as before, ResultFile(new) as after:
            is_gone_on_from = folder.continues(fingerprint(before))
            holds_all = is_gone_on_from and _holds_all_of(after, before)
    n_versions_in_journals_alone = len(folder.versions()) - is_gone_on_from
    if not has_all and n_versions_in_journals_alone > 1:
        folder.note_that_it_holds_more()
    if holds_all or not output.exists():
        return
    aside = moved_aside(output, system)
    if is_gone_on_from:
        what = "the results of new items have other names, types or shapes than those that were there, which"
        console.say(f"{what} are kept in {aside}")
    else:
        console.say(f"another result was put at {output} while this run was on; it is kept in {aside}")


def _holds_all_of(after: ResultFile, before: ResultFile) -> bool:
    types = {entry.name: (entry.dtype, entry.is_bool, len(entry.shape)) for entry in after.fields}
    if any(types.get(e.name) != (e.dtype, e.is_bool, len(e.shape)) for e in before.fields):
        return False
    was_ok = before.array("status").ravel() == Status.OK
    is_ok = after.array("status").ravel()[: len(was_ok)] == Status.OK
    return bool((is_ok >= was_ok).all())


def clear_away(folder: WorkFolder, identity: str, *, console: Console) -> Path | None:
    """Remove what the result makes superfluous; return where it is kept what the function printed.

    The result stands whatever happens here, so an error is told and not raised; the same command cleans up again.
    """
    try:
        printed = folder.keep_what_was_printed()
        if is_partial_of(folder.partial, identity):
            folder.remove_partial()
        if folder.holds_more:
            aside = folder.move_contents_aside()
            console.say(f"{_OTHER_LAYOUT}, for which the file has no place: their journals are kept in {aside}")
        folder.remove_contents()
    except StorageError as error:
        console.say(f"the result is complete, but what it was made from is left: {error}")
        return None
    return printed
