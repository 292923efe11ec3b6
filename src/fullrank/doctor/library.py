"""Which mpiexec belongs to the MPI library here, which one stands on the PATH, and whether they start one world."""

import os
import shlex
from collections.abc import Iterator
from pathlib import Path
from shutil import which

from fullrank.dataclass import dataclass
from fullrank.doctor.asking import within
from fullrank.doctor.facts import RankFacts
from fullrank.doctor.finding import OK, Finding, ok, warning
from fullrank.doctor.judge_ranks import judge_meeting
from fullrank.doctor.questions import N_PROBED, meeting_of, probe
from fullrank.errors import BackendError
from fullrank.launch import NoMpiexec, Starter, find_mpiexec
from fullrank.launcher import Launched, stripped_environment
from fullrank.scheduler import job_from
from fullrank.submit.starting import by_srun

FIND_SECONDS = 20.0


@dataclass(frozen=True)
class Fitting:
    """The launcher of the MPI library that mpi4py loads."""

    mpiexec: Path | None
    vendor: str
    """ "" where mpi4py loads none."""
    lacking: str = ""
    """Why there is none."""
    cure: str = ""


def fitting() -> Fitting:
    """Look for it, for a limited time."""
    try:
        mpiexec, vendor = within(FIND_SECONDS, find_mpiexec)
        return Fitting(mpiexec, vendor)
    except NoMpiexec as error:
        return Fitting(None, error.vendor, error.lacking, error.to_get_one)
    except BackendError as error:
        lacking, _, cure = str(error).partition("\n")
        return Fitting(None, "", lacking, cure)
    except TimeoutError as error:
        return Fitting(None, "", f"loading an MPI library: {error}", "look at the library: its device may not answer")


def of_launch(launched: Launched, folder: str) -> tuple[Finding, tuple[RankFacts, ...]]:
    """Have the ranks of this launch meet; return what is to be said of it, and who they are. For root."""
    found = meeting_of(launched, folder)
    judged = judge_meeting(found, cure="")
    if judged.level == OK:
        return judged, found.ranks
    return judge_meeting(found, cure=_cure(fitting(), launched)), ()


def _cure(fit: Fitting, launched: Launched) -> str:
    if launched.name == "srun" and fit.vendor:
        return (
            f"start with {by_srun(fit.vendor).words}, if your Slurm has that plug-in (srun --mpi=list), or by mpiexec"
        )
    if fit.mpiexec is None:
        return f"{fit.lacking}. {fit.cure}"
    return (
        f"start with the launcher of {fit.vendor}: {fit.mpiexec} -n {launched.size} …, or let fullrank find it: "
        f"fullrank run CONFIG -b mpi -n {launched.size}"
    )


def of_libraries(folder: str) -> tuple[list[Finding], tuple[RankFacts, ...]]:
    """Probe the fitting mpiexec, and another one on the PATH; return what to say, and the ranks of the former."""
    fit = fitting()
    on_path = which("mpiexec")
    launcher = [str(fit.mpiexec)] if fit.mpiexec is not None else _srun_here(fit)
    if not launcher:
        return [warning("MPI", fit.lacking, fit.cure)], ()
    found = probe(launcher, folder, Starter(tuple(launcher), fit.vendor).environment(os.environ, N_PROBED))
    cure = "reinstall it, or load another MPI: mpi4py takes MPI4PY_LIBMPI; without MPI, -b processes uses all cores"
    findings = [judge_meeting(found, cure=cure)]
    if on_path is not None and (fit.mpiexec is None or Path(on_path).resolve() != fit.mpiexec.resolve()):
        findings += _of_another(on_path, launcher[0], folder)
    return findings, found.ranks if findings[0].level == OK else ()


def _srun_here(fit: Fitting) -> list[str]:
    """Return the words of srun where it is what a job of this study would start with."""
    job = job_from(os.environ)
    if not fit.vendor or job is None or job.scheduler != "slurm" or which("srun") is None:
        return []
    return shlex.split(by_srun(fit.vendor).words)


def _of_another(mpiexec: str, fitting_one: str, folder: str) -> Iterator[Finding]:
    """Yield what is to be said of an mpiexec that the user finds by name, and fullrank does not take."""
    found = probe([mpiexec], folder, stripped_environment(os.environ))
    judged = judge_meeting(found, cure=f"type {fitting_one} in its place, or fullrank run CONFIG -b mpi")
    if judged.level == OK:
        yield ok("mpiexec", f"{mpiexec}, the one on the PATH, starts one world, too")
    else:
        yield warning("mpiexec", f"on the PATH: {judged.text}", judged.cure)
