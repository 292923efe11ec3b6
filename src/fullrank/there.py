"""What stands at a run's output already, and whether the run would go on from it: looked at, never touched."""

from fullrank.at_work import at_work
from fullrank.choices import Choices
from fullrank.commit import is_partial_of
from fullrank.dataclass import dataclass
from fullrank.earlier import existing, kinship, stems_of_all_failed
from fullrank.errors import OutputError, UsageError
from fullrank.identity import Identity, changes
from fullrank.restore import fingerprint
from fullrank.room import ONE_FLOAT, printed_bytes, record_bytes
from fullrank.store import ResultFile
from fullrank.study import Study
from fullrank.survey import Survey
from fullrank.workfolder import WorkFolder

_FRESH = "--fresh, which moves the old results aside"


@dataclass(frozen=True)
class There:
    """What earlier runs left."""

    n_finished: int = 0
    """Items with an end that the run keeps, but for those that it evaluates again."""
    n_failed: int = 0
    """Those of them without a result."""
    n_again: int = 0
    """Those of them that the run evaluates again."""
    is_complete: bool = False
    """A result is there that leaves nothing to do."""
    changes: tuple[str, ...] = ()
    """Sentences: in what the study differs from the one whose results are there."""
    is_moved_aside: bool = False
    """Something is there that the run moves aside before it begins."""
    refusal: str = ""
    """Why the run would not begin as it is asked for."""
    holder: str = ""
    """Who runs the study now."""
    item_bytes: float = ONE_FLOAT
    """What an item takes in a journal."""
    printed_bytes: float = 0.0
    """What an item printed, on average."""
    is_measured: bool = False
    """Whether that is the mean of items that are there; else it is that of one float."""


def look(study: Study, choices: Choices) -> There:
    """Return what the run would find. Changes nothing; StorageError if what is there cannot be read."""
    folder = WorkFolder(choices.output)
    holder = at_work(folder, only=choices.shard)
    try:
        ending = existing(study, choices, folder)
    except (OutputError, UsageError) as error:
        return There(changes=_changes_since(study, folder), refusal=str(error), holder=holder)
    if ending is not None and ending.summary is not None:
        return There(ending.n_finished, ending.summary.n_failed, is_complete=True, holder=holder)
    if choices.fresh:
        has_parts = is_partial_of(folder.partial, None) or bool(folder.journals())
        return There(is_moved_aside=choices.output.exists() or has_parts, holder=holder)
    known = folder.study()
    goes_on_from_result = choices.output.exists() and not _is_under_way(folder)
    if known is None or goes_on_from_result:
        return _from_result(study, choices, folder, holder) if goes_on_from_result else There(holder=holder)
    survey = Survey(retried=folder.retried())
    for journal in folder.journals():
        survey.add_journal(journal)
    changed = tuple(changes(known, study.identity))
    if changed and survey.n_ok == 0:
        return There(changes=changed, holder=holder)
    return There(
        survey.n_finished,
        survey.n_failed,
        survey.n_failed if choices.retry_failed else _n_of_all_failed(folder),
        changes=changed,
        refusal=_refusal(known, study, choices, survey, folder),
        holder=holder,
        item_bytes=record_bytes(survey),
        printed_bytes=printed_bytes(folder.log_bytes(), survey),
        is_measured=survey.n_finished > 0,
    )


def _is_under_way(folder: WorkFolder) -> bool:
    """Return whether the work folder goes on from the result that is there."""
    with ResultFile(folder.output) as file:
        return folder.has_study and folder.continues(fingerprint(file))


def _n_of_all_failed(folder: WorkFolder) -> int:
    """Return how many items are evaluated again because nothing but failed ones ended the last attempt."""
    survey, stems = Survey(), stems_of_all_failed(folder)
    for journal in folder.journals():
        if journal.name.startswith(stems):
            survey.add_journal(journal)
    return survey.n_failed


def _from_result(study: Study, choices: Choices, folder: WorkFolder, holder: str) -> There:
    with ResultFile(folder.output) as file:
        summary, changed = file.summary, tuple(changes(Identity.from_json(file.identity), study.identity))
    if changed and not summary.n_ok:
        return There(changes=changed, holder=holder)
    n_again = summary.n_failed if choices.retry_failed else 0
    return There(summary.n_items - summary.n_missing, summary.n_failed, n_again, changes=changed, holder=holder)


def _changes_since(study: Study, folder: WorkFolder) -> tuple[str, ...]:
    try:
        with ResultFile(folder.output) as file:
            return tuple(changes(Identity.from_json(file.identity), study.identity))
    except OutputError:  # no result of ours, which the refusal tells
        return ()


def _refusal(old: Identity, study: Study, choices: Choices, survey: Survey, folder: WorkFolder) -> str:
    try:
        kinship(old, study, choices, retries=choices.retry_failed and survey.n_failed > 0, what=str(folder.path))
    except UsageError as error:
        return str(error)
    return ""
