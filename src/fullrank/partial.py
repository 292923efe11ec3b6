"""``fullrank gather``: the finished items of a study as a file, while it runs or after it was stopped."""

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fullrank.backends import serial
from fullrank.commit import Commit, check_partial, put_in_place, write_file
from fullrank.config import load
from fullrank.crew import LocalCrew, LocalTeam
from fullrank.errors import Stopped, StorageError, StudyChanged, UsageError
from fullrank.identity import Identity
from fullrank.provenance import collect, origin
from fullrank.room import needed_bytes, record_bytes, with_need
from fullrank.standing import output_of
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

    def to_dict(self) -> dict[str, Any]:
        """Return the same as plain data."""
        return asdict(self)

    def text(self) -> str:
        """Return a line for a person."""
        return (
            f"{self.path}\n{self.n_ok:,} of {self.n_items:,} items ok, {self.n_failed:,} failed, "
            f"{self.n_missing:,} missing"
        )


def gather(study: Path, output: Path | None, *, partial: bool, system: System = os) -> Gathered:
    """Write what the journals hold, into the partial file unless every item is there.

    The study itself is left as it is: a run that goes on meanwhile is not disturbed, one that was stopped can go on.
    Raises Stopped if items are missing and ``partial`` is not set.
    """
    result = output_of(study, output)
    folder = WorkFolder(result)
    identity = folder.identity()
    if identity is None:
        there = f"the result is complete: {result}" if result.exists() else f"it was not started: fullrank run {study}"
        raise UsageError(f"{study}: there is nothing to gather; {there}")
    config = load(study if study.suffix == ".toml" else folder.config_path(), folder.settings())
    if config.sweep.describe() != Identity.from_json(identity).sweep:
        raise StudyChanged(f"{config.path}: the sweep is not the one whose journals are in {folder.path}")
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
    commit = Commit(
        config,
        identity,
        folder.versions(),
        folder.attempts(),
        folder.interrupted(),
        provenance,
        folder.closings(),
    )
    check_partial(folder.partial, identity)
    temporary = folder.temporary(PARTIAL_STEM)
    try:
        summary = write_file(crew, survey, commit=commit, temporary=temporary, system=system)
        put_in_place(temporary, folder.partial, system)
    except StorageError as error:
        if not error.is_full:
            raise
        needed = needed_bytes(config.sweep.n_items, 0, record_bytes=record_bytes(survey))
        raise with_need(error, folder.path, needed=needed) from error
    return Gathered(str(folder.partial), summary.n_items, summary.n_ok, summary.n_failed, summary.n_missing)
