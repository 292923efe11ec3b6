"""What doctor asks other processes, and what it makes of answers that do not come."""

import os
from pathlib import Path

from fullrank.dataclass import dataclass
from fullrank.doctor.asking import Answer, ask
from fullrank.doctor.facts import FolderFacts, ImportFacts, Meeting
from fullrank.doctor.rank import rank_facts
from fullrank.launch import Starter
from fullrank.launcher import Launched, python_module, stripped_environment, thread_limits

DISK_SECONDS = 20.0
IMPORT_SECONDS = 60.0
MEETING_SECONDS = 40.0
LONGER = 1.5
"""Ranks other than root wait so much longer than root, which tells what it has found out before they leave."""
_NO_ANSWER = "no answer within {:g} s: the file system hangs"
N_PROBED = 2


@dataclass(frozen=True)
class StudyFacts:
    """What the config says, and what came of importing its function."""

    output: str
    """Absolute, "" if the config cannot be read."""
    n_items: int | None
    imported: ImportFacts


def study_facts(config: Path, output: Path | None) -> StudyFacts:
    """Load a config and import its function in a process of its own, as a worker's."""
    environ = stripped_environment(os.environ)
    command = python_module("fullrank.doctor.module", str(config), str(output or ""))
    answer = ask(command, limit_seconds=IMPORT_SECONDS, environ=environ | thread_limits(environ))
    told = {name: value for part in answer.told for name, value in part.items() if name != "note"}
    notes = tuple(part["note"] for part in answer.told if "note" in part)
    refusal = told.get("refusal", "")
    if not refusal and "seconds" not in told and answer.exit_code is not None:
        refusal = f"the process that imported it ended with exit code {answer.exit_code}: {answer.complaint}"
    imported = ImportFacts(told.get("seconds"), refusal, notes, told.get("gil", ""))
    return StudyFacts(told.get("output", ""), told.get("n_items"), imported)


def folder_facts(output: Path) -> FolderFacts:
    """Try out the file system below ``output``."""
    command = python_module("fullrank.doctor.disk", str(output))
    answer = ask(command, limit_seconds=DISK_SECONDS, environ=stripped_environment(os.environ))
    if answer.told:
        return FolderFacts(**answer.told[0])
    refusal = _NO_ANSWER.format(DISK_SECONDS) if answer.exit_code is None else answer.complaint
    return FolderFacts(folder=str(output.parent), kind="", is_shared=False, doubt="", refusal=refusal)


def meeting_of(launched: Launched, folder: str) -> Meeting:
    """Have all ranks of this launch meet. Collective: each calls it, and root alone learns who met."""
    seconds = MEETING_SECONDS * (1.0 if launched.rank == 0 else LONGER)
    command = python_module("fullrank.doctor.rank", folder)
    answer = ask(command, limit_seconds=seconds, environ=os.environ, keeps_descriptors=True)
    return _meeting(answer, launched.name, launched.size)


def probe(starter: Starter, folder: str) -> Meeting:
    """Start two ranks, and have them meet."""
    command = starter.command(N_PROBED, python_module("fullrank.doctor.rank", folder))
    answer = ask(command, limit_seconds=MEETING_SECONDS, environ=starter.environment(os.environ, N_PROBED))
    return _meeting(answer, starter.words_of_user, N_PROBED)


def _meeting(answer: Answer, launcher: str, n_started: int) -> Meeting:
    ranks = tuple(rank_facts(rank) for part in answer.told for rank in part.get("ranks", ()))
    failure = next((part["failure"] for part in answer.told if "failure" in part), "")
    if not ranks and not failure and answer.exit_code is not None:
        failure = answer.complaint or f"exit code {answer.exit_code}, and not a word"
    return Meeting(launcher, n_started, ranks, failure, is_late=answer.exit_code is None and not ranks)
