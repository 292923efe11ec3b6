"""``fullrank gather``: the finished items of a study as a file, while it runs or after it was stopped."""

import os
import shlex
from pathlib import Path
from typing import Any

from fullrank.backends import serial
from fullrank.choices import Choices, Console
from fullrank.commit import Commit, check_partial, put_in_place, write_file
from fullrank.config import Config, load, parse
from fullrank.crew import LocalCrew, LocalTeam
from fullrank.dataclass import asdict, dataclass
from fullrank.driver import run
from fullrank.errors import OutputError, Stopped, StorageError, StudyChanged, UsageError
from fullrank.identity import Identity
from fullrank.provenance import collect, origin
from fullrank.room import needed_bytes, record_bytes, with_need
from fullrank.since import since
from fullrank.standing import NOT_STARTED, output_of, standing
from fullrank.store import FileSummary
from fullrank.study import open_study
from fullrank.system import System
from fullrank.workfolder import PARTIAL_STEM, WorkFolder


@dataclass(frozen=True)
class Gathered:
    """What was written."""

    path: str
    n_items: int
    n_ok: int
    n_failed: int
    n_missing: int
    has_changed_since: bool = False
    """Whether the study is another one by now, and the file is of the study as it was."""

    def to_dict(self) -> dict[str, Any]:
        """Return the same as plain data."""
        return asdict(self)

    def text(self) -> str:
        """Return two lines for a person, or three."""
        counts = f"{self.n_ok:,} of {self.n_items:,} items ok, {self.n_failed:,} failed, {self.n_missing:,} missing"
        since = "\nof the study as it was when they were computed; it has changed since" * self.has_changed_since
        return f"{self.path}\n{counts}{since}"


def gather(study: Path, output: Path | None, *, partial: bool, console: Console, system: System = os) -> Gathered:
    """Write what the journals hold, into the partial file.

    The study itself is left as it is: a run that goes on meanwhile is not disturbed, one that was stopped can go on.
    Only where shards have finished every item, and none has written the result, that is done as the last one does it.
    Raises Stopped if items are missing and ``partial`` is not set.
    """
    result = output_of(study, output)
    folder = WorkFolder(result)
    known = folder.study()
    if known is None:
        raise UsageError(f"{study}: there is nothing to gather; {_why_nothing(study, output)}")
    config, has_changed = _config_of(study, folder, known)
    identity = known.to_json()
    crew = LocalCrew(LocalTeam(serial.run))
    (survey,) = crew.call("survey", [str(path) for path in folder.journals()], folder.retried())
    n_missing = config.sweep.n_items - survey.n_finished
    if n_missing > 0 and not partial:
        raise Stopped(
            f"{n_missing:,} of {config.sweep.n_items:,} items are missing; go on with: fullrank run {study}, "
            f"or write what is there with: fullrank gather {study} --partial"
        )
    provenance = collect(argv=["fullrank", "gather"], config_folder=config.path.parent)
    provenance |= origin(config)
    if not (n_missing or partial or has_changed) and folder.shards():
        choices = Choices(result, "serial", 1, provenance=provenance)
        whole = run(open_study(config), choices, crew=crew, console=console, system=system)
        return _gathered(result, whole.summary)
    commit = Commit(
        config,
        identity,
        folder.versions(),
        folder.attempt_log.rows(),
        folder.interrupted(),
        provenance,
        folder.attempt_log.closings(),
    )
    check_partial(folder.partial, identity)
    temporary = folder.temporary(PARTIAL_STEM)
    try:
        _, summary = write_file(crew, survey, commit=commit, temporary=temporary, system=system)
        put_in_place(temporary, folder.partial, system)
    except StorageError as error:
        if not error.is_full:
            raise
        needed = needed_bytes(config.sweep.n_items, 0, record_bytes=record_bytes(survey))
        raise with_need(error, folder.path, needed=needed) from error
    return _gathered(folder.partial, summary, has_changed=has_changed)


def _gathered(path: Path, summary: FileSummary | None, *, has_changed: bool = False) -> Gathered:
    if summary is None:
        raise OutputError(f"{path}: items were lost while it was gathered; the run command evaluates them")
    counts = summary.n_items, summary.n_ok, summary.n_failed, summary.n_missing
    return Gathered(str(path), *counts, has_changed_since=has_changed)


def _why_nothing(study: Path, output: Path | None) -> str:
    """Return what stands at the output of a study without a work folder; OutputError if it is no result."""
    found = standing(study, output)
    if found.state == NOT_STARTED:
        return f"it was not started: fullrank run {study}"
    if found.n_items is not None and found.n_finished < found.n_items:
        return f"{found.output} is a partial result of {found.n_finished:,} of {found.n_items:,} items"
    return f"the result is complete: {found.output}"


def _config_of(study: Path, folder: WorkFolder, identity: Identity) -> tuple[Config, bool]:
    """Return the config by which the journals were made, and whether it is the kept one, for the study has changed.

    Raises StudyChanged if a file of the sweep has changed too, so that nothing tells which items they are of.
    """
    present = load(study if study.suffix == ".toml" else folder.config_path(), folder.settings())
    found = since(present, identity)
    if not found.changes and present.sweep.describe() == identity.sweep:
        return present, False
    kept = parse(folder.config(), present.path, folder.settings())
    if kept.sweep.describe() == identity.sweep:
        return kept, True
    ways = "go on with it" if found.is_grown else "see what becomes of them"
    command = shlex.join(["fullrank", "run" if found.is_grown else "status", str(study)])
    raise StudyChanged(
        f"{present.path}: expected the table of the sweep as it was when the items in {folder.path} were computed, "
        f"got another one; put that back, or {ways}: {command}"
    )
