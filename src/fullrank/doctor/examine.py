"""One examination: all facts gathered, each judged."""

import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from fullrank.dataclass import dataclass
from fullrank.doctor.facts import RankFacts
from fullrank.doctor.finding import Finding, has_problem
from fullrank.doctor.gather import core_facts, python_facts, thread_settings
from fullrank.doctor.judge_folder import judge_folder
from fullrank.doctor.judge_machine import (
    judge_cores,
    judge_import,
    judge_python,
    judge_scheduler,
    judge_threads,
)
from fullrank.doctor.judge_ranks import judge_binding, judge_rank_threads, judge_sight
from fullrank.doctor.library import of_launch, of_libraries
from fullrank.doctor.questions import IMPORT_SECONDS, StudyFacts, folder_facts, meeting_of, study_facts
from fullrank.errors import UsageError
from fullrank.launcher import Launched
from fullrank.room import needed_bytes
from fullrank.scheduler import job_from, submit_command_of_login_node
from fullrank.submit.queue import system_here
from fullrank.submit.site import read_site

_DEFAULT_OUTPUT = Path("results", "study.h5")


@dataclass(frozen=True)
class Examination:
    """What root tells."""

    host: str
    findings: tuple[Finding, ...]
    ranks: tuple[RankFacts, ...]
    """Of the launch this was part of; none without one."""

    @property
    def has_problem(self) -> bool:
        """Whether a run would fail, or not be safe."""
        return has_problem(self.findings)


def examine(config: Path | None, output: Path | None, launched: Launched | None) -> Examination:
    """Look at everything, as root or without a launcher. Collective with :func:`follow` of the other ranks."""
    study = study_facts(config, output) if config is not None else None
    folder = folder_facts(Path((study and study.output) or output or _DEFAULT_OUTPUT).absolute())
    # one that hangs is named to no rank
    seen_folder = "" if folder.refusal else folder.folder
    if launched is None:
        of_mpi, ranks = of_libraries(seen_folder)
    else:
        judged, ranks = of_launch(launched, seen_folder)
        of_mpi = [judged]
    findings = [
        *_of_machine(os.environ, study, launched),
        *of_mpi,
        *judge_binding(ranks),
        *(judge_rank_threads(ranks) if launched is not None else ()),
        *judge_folder(
            folder,
            needed_bytes=needed_bytes(study.n_items, study.n_items) if study and study.n_items else None,
            is_for_nodes=job_from(os.environ) is not None and (launched is None or not ranks),
        ),
    ]
    if launched is not None and seen_folder:
        findings += judge_sight(ranks)
    if study is not None:
        findings.append(judge_import(study.imported, limit_seconds=IMPORT_SECONDS))
    return Examination(os.uname().nodename, tuple(findings), ranks if launched is not None else ())


def follow(launched: Launched) -> None:
    """Be a rank other than root."""
    meeting_of(launched, "")


def _system_here(environ: Mapping[str, str]) -> tuple[str, str]:
    """Return the command that `fullrank submit` would queue with here, "" if none; and why it would take none."""
    if not submit_command_of_login_node(environ):
        return "", ""
    try:
        return system_here(read_site(environ).scheduler, environ).submit, ""
    except UsageError as error:
        return "", str(error)


def _of_machine(environ: Mapping[str, str], study: StudyFacts | None, launched: Launched | None) -> Iterator[Finding]:
    cores = core_facts(environ)
    yield judge_python(python_facts(study.imported.gil if study is not None else ""))
    yield judge_cores(cores, is_rank=launched is not None)
    if launched is None:  # ranks tell of their own threads
        yield judge_threads(thread_settings(environ), n_workers=cores.n_usable, n_cores=cores.n_usable)
    submit, refusal = _system_here(environ)
    yield judge_scheduler(
        job_from(environ),
        submit=submit,
        refusal=refusal,
        now=time.time(),
        n_ranks=launched.size if launched is not None else None,
    )
