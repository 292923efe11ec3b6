"""Facts that this process finds out by itself, and quickly."""

import os
import platform
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path

from fullrank.cores import affine_cores, cgroup_quota, physical_cores, usable_cores
from fullrank.doctor.facts import CoreFacts, PythonFacts
from fullrank.gil import gil_state
from fullrank.launcher import thread_limits
from fullrank.scheduler import job_from


def python_facts(gil: str = "") -> PythonFacts:
    """Return what this Python is; ``gil`` is its state once the user's module is imported, if that is known."""
    return PythonFacts(
        version=platform.python_version(),
        implementation=sys.implementation.name.replace("cpython", "CPython"),
        is_free_threaded=bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
        gil=gil or gil_state(),
    )


def core_facts(environ: Mapping[str, str]) -> CoreFacts:
    """Return what this process may use of the machine."""
    job = job_from(environ)
    return CoreFacts(
        n_machine=os.cpu_count() or 1,
        n_affine=affine_cores(),
        n_physical=physical_cores(),
        quota=cgroup_quota(proc=Path("/proc"), cgroups=Path("/sys/fs/cgroup")),
        n_job=job.n_cores if job is not None else None,
        n_usable=usable_cores(environ),
    )


def thread_settings(environ: Mapping[str, str]) -> dict[str, int]:
    """Return the numbers of threads that the user has set for numerical libraries, by variable.

    >>> thread_settings({"OMP_NUM_THREADS": "4,2", "MKL_NUM_THREADS": "", "HOME": "/"})
    {'OMP_NUM_THREADS': 4}
    """
    texts = {name: environ.get(name, "").partition(",")[0] for name in thread_limits({}) if name.endswith("_THREADS")}
    return {name: int(text) for name, text in texts.items() if text.isdecimal()}
