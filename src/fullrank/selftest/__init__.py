"""Kills real runs on this machine's MPI and file system, goes on with them, and counts what was lost.

``selftest`` runs small studies under the ``mpiexec`` of the MPI library, kills a rank, root, mpiexec or all of them
by their process numbers, starts the same study again with another number of ranks or in child processes, and compares
the end with a plain loop. Linux alone: it reads /proc.
"""

import random
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from fullrank.errors import BackendError, OutputError
from fullrank.launch import find_mpiexec
from fullrank.selftest.evidence import Evidence
from fullrank.selftest.figures import Figures
from fullrank.selftest.trial import Launcher, Trial

__all__ = ["Figures", "selftest"]

N_ITEMS = 150
_KILLS_A_STUDY = 6


def selftest(n_kills: int, folder: Path | None, *, seed: int, tell: Callable[[str], None]) -> Figures:
    """Survive ``n_kills`` kills in a new folder below ``folder``, which is removed unless something was lost.

    ``folder`` lies on the file system to be tested; without one it is the system's for temporary files. Raises
    BackendError where there is no MPI or no /proc, OutputError if the folder cannot be written.
    """
    if sys.platform != "linux":
        raise BackendError(f"selftest finds the processes it kills in /proc, which {sys.platform} does not have")
    launcher = Launcher(*find_mpiexec())
    try:
        scratch = Path(tempfile.mkdtemp(prefix="fullrank-selftest-", dir=folder))
    except OSError as error:
        raise OutputError(f"{folder or tempfile.gettempdir()}: cannot be written: {error.strerror}") from error
    rng, evidence, n_studies = random.Random(seed), Evidence(), 0
    try:
        while len(evidence.kills) < n_kills:
            n_studies += 1
            trial = Trial(scratch / f"study-{n_studies}", launcher, salt=rng.getrandbits(32), n_items=N_ITEMS)
            evidence.add(trial.run(rng, min(_KILLS_A_STUDY, n_kills - len(evidence.kills))))
            tell(f"{len(evidence.kills)} of {n_kills} kills, {n_studies} studies")
    except KeyboardInterrupt:
        shutil.rmtree(scratch, ignore_errors=True)
        raise
    kept = None if evidence.is_clean else scratch
    if kept is None:
        scratch.rmdir()
    return Figures.of(evidence, n_studies=n_studies, library=launcher.library, seed=seed, kept=kept)
