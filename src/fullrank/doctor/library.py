"""What a run here starts ranks with, which mpiexec stands on the PATH, and whether they start one world."""

import os
from collections.abc import Iterator
from pathlib import Path
from shutil import which

from fullrank.allocation import allocation_from, find_starter
from fullrank.dataclass import dataclass
from fullrank.doctor.asking import within
from fullrank.doctor.facts import RankFacts
from fullrank.doctor.finding import OK, Finding, ok, warning
from fullrank.doctor.judge_ranks import judge_meeting
from fullrank.doctor.questions import meeting_of, probe
from fullrank.errors import BackendError, ConfigError
from fullrank.launch import NoMpiexec, Starter
from fullrank.launcher import Launched
from fullrank.submit.starting import by_srun

FIND_SECONDS = 20.0


@dataclass(frozen=True)
class Fitting:
    """What a run here would start its ranks with."""

    starter: Starter | None
    lacking: str = ""
    """Why there is nothing."""
    cure: str = ""
    vendor: str = ""
    """Of the MPI library that mpi4py loads, where there is nothing to start it with."""


def fitting() -> Fitting:
    """Look for it, as a run does, for a limited time."""
    try:
        return Fitting(within(FIND_SECONDS, lambda: find_starter(os.environ, allocation_from(os.environ))))
    except NoMpiexec as error:
        return Fitting(None, error.lacking, error.to_get_one, error.vendor)
    except BackendError as error:
        lacking, _, cure = str(error).partition("\n")
        return Fitting(None, lacking, cure)
    except ConfigError as error:
        return Fitting(None, str(error), "mend that profile: no run and no job begins with it")
    except TimeoutError as error:
        return Fitting(None, f"loading an MPI library: {error}", "look at the library: its device may not answer")


def of_launch(launched: Launched, folder: str) -> tuple[Finding, tuple[RankFacts, ...]]:
    """Have the ranks of this launch meet; return what is to be said of it, and who they are. For root."""
    found = meeting_of(launched, folder)
    judged = judge_meeting(found, cure="")
    if judged.level == OK:
        return judged, found.ranks
    return judge_meeting(found, cure=_cure(fitting(), launched)), ()


def _cure(fit: Fitting, launched: Launched) -> str:
    starter = fit.starter
    vendor = fit.vendor if starter is None else starter.vendor
    if launched.name == "srun" and vendor:
        return f"start with {by_srun(vendor).words}, if your Slurm has that plug-in (srun --mpi=list), or by mpiexec"
    if starter is None:
        return f"{fit.lacking}. {fit.cure}"
    of_library = f" of {vendor}" if vendor else ""
    return (
        f"start with the launcher{of_library}: {starter.words_of_user} -n {launched.size} …, or let fullrank find it: "
        f"fullrank run CONFIG -b mpi -n {launched.size}"
    )


def of_libraries(folder: str) -> tuple[list[Finding], tuple[RankFacts, ...]]:
    """Probe what a run would start ranks with, and another mpiexec on the PATH; return what to say, and the ranks."""
    fit = fitting()
    starter, on_path = fit.starter, which("mpiexec")
    if starter is None:
        return [warning("MPI", fit.lacking, fit.cure)], ()
    found = probe(starter, folder)
    cure = "reinstall it, or load another MPI: mpi4py takes MPI4PY_LIBMPI"
    if starter.name:
        cure = "mend launcher in site.toml, by which the ranks of all jobs are started"
    findings = [judge_meeting(found, cure=f"{cure}; without MPI, -b processes uses all cores")]
    if on_path is not None and Path(on_path).resolve() != Path(starter.words[0]).resolve():
        findings += _of_another(on_path, starter, folder)
    return findings, found.ranks if findings[0].level == OK else ()


def _of_another(mpiexec: str, starter: Starter, folder: str) -> Iterator[Finding]:
    """Yield what is to be said of an mpiexec that the user finds by name, and fullrank does not take."""
    found = probe(Starter((mpiexec,)), folder)
    judged = judge_meeting(found, cure=f"type {starter.words_of_user} in its place, or fullrank run CONFIG -b mpi")
    if judged.level == OK:
        yield ok("mpiexec", f"{mpiexec}, the one on the PATH, starts one world, too")
    else:
        yield warning("mpiexec", f"on the PATH: {judged.text}", judged.cure)
