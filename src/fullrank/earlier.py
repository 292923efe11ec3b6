"""What earlier runs left at a run's output and in its work folder: kept, refused or moved aside."""

from pathlib import Path

from fullrank.choices import Choices, Console
from fullrank.commit import is_partial_of
from fullrank.ending import End, Ending
from fullrank.errors import OutputError, StorageError, StudyChanged
from fullrank.identity import Identity, changes
from fullrank.store import ResultFile, is_ours
from fullrank.study import Study
from fullrank.survey import Survey
from fullrank.system import System
from fullrank.worker import attempt_stem
from fullrank.workfolder import REASON_ALL_FAILED, WorkFolder, moved_aside


def existing(study: Study, choices: Choices) -> Ending | None:
    """Return the ending of a run whose complete result is there already; refuse a file that is in the way."""
    output = choices.output
    if not output.exists():
        return None
    if output.is_dir():
        raise OutputError(f"{output}: is a folder; name a file for the result")
    try:
        ours = is_ours(output)
    except OutputError as error:
        if choices.fresh and _is_hdf5(output):  # damaged; moved aside like a whole one
            return None
        raise OutputError(f"{error}{', or start anew with --fresh' if _is_hdf5(output) else ''}") from None
    if not ours:
        raise OutputError(f"{output}: is no result of fullrank and stays as it is; choose another path with -o")
    if choices.fresh:
        return None
    with ResultFile(output) as file:
        old, summary = Identity.from_json(file.identity), file.summary
    if summary.n_ok == 0 and old != study.identity:
        return None  # nothing of value: it will be moved aside
    _refuse_change(old, study.identity, what=str(output))
    n_finished = summary.n_items - summary.n_missing
    return Ending(End.ALREADY_COMPLETE, output, summary.n_items, n_finished, summary)


def _is_hdf5(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(8) == b"\x89HDF\r\n\x1a\n"


def _refuse_change(old: Identity, new: Identity, *, what: str) -> None:
    if old.digest != new.digest:
        differences = "\n".join(f"  {difference}" for difference in changes(old, new))
        raise StudyChanged(
            f"{what}: the results there are of another study; since then changed:\n{differences}\n"
            f"Start anew with --fresh, which moves the old results aside."
        )


def prepare_folder(folder: WorkFolder, study: Study, choices: Choices, *, console: Console, system: System) -> None:
    """Leave in the work folder only what belongs to the study.

    Raises StudyChanged if it holds results of another one, which stay.
    """

    def tell_moved(aside: Path | None) -> None:
        if aside is not None:
            console.say(f"moved aside: {aside}")

    folder.remove_unfinished()
    known = folder.identity()
    attempts = folder.attempts()
    if folder.output.exists():  # one that may stay ends the run before
        tell_moved(moved_aside(folder.output, system))
    if choices.fresh:
        known = None
    elif known is not None and Identity.from_json(known) != study.identity:
        if _holds_results(folder):
            _refuse_change(Identity.from_json(known), study.identity, what=str(folder.path))
        console.say("the study has changed, and no item of the old one has a result; this one starts anew")
        known = None
    elif attempts and attempts[-1].reason == REASON_ALL_FAILED:
        console.say("the last attempt was stopped because all its items failed; they are done again")
        tell_moved(folder.move_contents_aside(f"{attempt_stem(attempts[-1].attempt)}*"))
    if known is None:
        if folder.journals():
            tell_moved(folder.move_contents_aside())
        folder.remove_contents()  # of a run that died before it wrote a journal
        config = study.config
        folder.begin_study(study.identity.to_json(), config=config.text, config_path=config.path)


def _holds_results(folder: WorkFolder) -> bool:
    survey = Survey()
    for journal in folder.journals():
        survey.add_journal(journal)
    return survey.n_ok > 0


def clear_away(folder: WorkFolder, identity: str, *, console: Console) -> Path | None:
    """Remove what the result makes superfluous; return where it is kept what the function printed.

    The result stands whatever happens here, so an error is told and not raised; the same command cleans up again.
    """
    try:
        printed = folder.keep_what_was_printed()
        if is_partial_of(folder.partial, identity):
            folder.remove_partial()
        folder.remove_contents()
    except StorageError as error:
        console.say(f"the result is complete, but what it was made from is left: {error}")
        return None
    return printed
