"""Queueing a job: which batch system is here, and what it answers."""

import os
import re
import subprocess
from collections.abc import Mapping
from shutil import which

from fullrank.dataclass import dataclass
from fullrank.errors import UsageError
from fullrank.submit.systems import LSF, PBS, SGE, SLURM, SYSTEMS, BatchSystem


@dataclass(frozen=True)
class Answer:
    """What a batch system said to a script."""

    exit_code: int
    words: str
    """What it printed, for a person."""
    number: str | None
    """The job's; None if it was refused, or the answer has none that is known."""


def system_here(wanted: str | None, environ: Mapping[str, str]) -> BatchSystem:
    """Return the batch system that is wanted, else the only one here; UsageError if there is none, or several."""
    if wanted is not None:
        return SYSTEMS[wanted]
    found = _found(environ)
    if len(found) == 1:
        return found[0]
    if found:
        several = " and ".join(f"{system.name} ({system.submit})" for system in found)
        raise UsageError(f"the commands of several batch systems are on the PATH: {several}; choose one by --scheduler")
    raise UsageError(
        "expected the commands of a batch system on the PATH, found none of sbatch, qsub and bsub; submit from a login "
        "node, see the script with --dry-run --scheduler slurm, or compute on this machine: fullrank run CONFIG"
    )


def _found(environ: Mapping[str, str]) -> list[BatchSystem]:
    def has(command: str) -> bool:
        return which(command, path=environ.get("PATH", "")) is not None

    found = [system for system in (SLURM, LSF) if has(system.submit)]
    if has("qsub"):  # PBS and Grid Engine have the same name for it
        found.append(SGE if environ.get("SGE_ROOT") or has("qconf") else PBS)
    return found


def queue(script: str, system: BatchSystem, environ: Mapping[str, str]) -> Answer:
    """Give a script to the batch system, which reads it from a pipe: if it refuses, nothing is left behind.

    Raises UsageError if the system's command is not there.
    """
    command = which(system.submit, path=environ.get("PATH", ""))
    if command is None:
        raise UsageError(
            f"{system.title}: its command {system.submit} is not on the PATH; submit from a login node, or see the "
            f"script with --dry-run"
        )
    done = subprocess.run([command], input=os.fsencode(script), capture_output=True, check=False, env=dict(environ))
    said = [os.fsdecode(stream).strip() for stream in (done.stdout, done.stderr)]
    number = re.search(system.answer, said[0], re.MULTILINE)
    return Answer(done.returncode, "\n".join(filter(None, said)), number[1] if number is not None else None)
