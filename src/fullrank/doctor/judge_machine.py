"""Judgements of one process's surroundings: Python, cores, threads, batch system, the user's module."""

from collections.abc import Mapping

from fullrank.doctor.facts import CoreFacts, ImportFacts, PythonFacts
from fullrank.doctor.finding import Finding, ok, problem, warning
from fullrank.metrics import spelled_seconds
from fullrank.report.layout import counted
from fullrank.scheduler import Job

SLOW_IMPORT_SECONDS = 2.0
SHORT_REST_SECONDS = 600.0
"""Of a job: what is left of it is hardly worth a start."""


def judge_python(found: PythonFacts) -> Finding:
    """Say which Python it is, and whether its threads take turns."""
    name = f"{found.implementation} {found.version}"
    if not found.is_free_threaded:
        return ok("Python", f"{name}, with GIL: threads take turns, processes and ranks do not")
    if found.gil == "disabled":
        return ok("Python", f"{name}, free-threaded: threads compute at the same time")
    module = found.gil.removeprefix("enabled").removeprefix(" by ")
    by = f"module {module} switched the GIL on" if module else "the GIL is switched on"
    return warning(
        "Python", f"{name} is free-threaded, but {by}: threads take turns", "-b processes, or PYTHON_GIL=0 at your risk"
    )


def judge_cores(found: CoreFacts, *, is_rank: bool = False) -> Finding:
    """Say how many cores may be used, of how many, and what holds the others back; a rank is well with one."""
    text = f"{found.n_usable} usable of {found.n_machine}{_reason(found)}{_hyper_threads(found)}"
    if not is_rank and found.n_job is not None and found.n_affine < found.n_job:
        given = f"the job has {counted(found.n_job, 'core')} here, but this process may run on {found.n_affine}"
        cure = "on Slurm: srun --cpus-per-task or --cpu-bind=none; else ask for a binding that spans the job's cores"
        return warning("cores", f"{text}: {given}", cure)
    if found.quota is not None and found.quota < 1:
        cure = "give the container more time, by --cpus or the pod's limits"
        return warning("cores", f"{text}: {found.quota:.2g} of a core's time", cure)
    return ok("cores", text)


def _reason(found: CoreFacts) -> str:
    if found.n_usable >= found.n_machine:
        return ""
    limits = {"affinity": found.n_affine, "control group": found.quota, "job": found.n_job}
    known = {name: limit for name, limit in limits.items() if limit is not None}
    least = min(known, key=lambda name: known[name])
    return f" (the {least} gives {known[least]:.3g})"


def _hyper_threads(found: CoreFacts) -> str:
    if found.n_physical is None or found.n_physical >= found.n_affine:
        return ""
    return (
        f", on {counted(found.n_physical, 'physical core')} whose hyper-threads share them: "
        f"`fullrank compare -n {found.n_physical},{found.n_affine}` tells what the second thread brings"
    )


def judge_threads(settings: Mapping[str, int], *, n_workers: int, n_cores: int) -> Finding:
    """Judge the user's own variables among those that tell numerical libraries how many threads to start.

    ``settings`` has those that the user has set, by name; a run sets the others to 1.
    """
    name = max(settings, key=lambda name: settings[name], default="")
    most = settings.get(name, 1)
    if most * n_workers <= max(n_cores, n_workers):
        return ok("BLAS threads", f"{most} for each worker")
    started = f"{counted(n_workers, 'worker')} would start {most * n_workers} threads on {counted(n_cores, 'core')}"
    n_fitting = max(1, n_cores // most)
    return warning("BLAS threads", f"{name}={most}: {started}", f"unset {name}, or start fewer workers: -n {n_fitting}")


def judge_scheduler(job: Job | None, *, submit: str, now: float, n_ranks: int | None, refusal: str = "") -> Finding:
    """Judge the job this process runs in; without one, ``submit`` is the command that would queue one, "" if none.

    ``refusal`` is why `fullrank submit` would take no batch system, though there is one.

    ``n_ranks`` have been started together, None: none. ``now`` is in s since 1970.
    """
    if job is None and refusal:
        return warning("scheduler", refusal, "or name it in site.toml: scheduler")
    if job is None:
        here = f"{submit} is on the PATH and this is no job: fullrank submit queues one" if submit else "none, no job"
        return ok("scheduler", here)
    text = f"job {job.job_id}"
    if job.ends_at is not None:
        left = job.ends_at - now
        text += f", which ends in {spelled_seconds(left)}" if left > 0 else ", whose time is over"
        if left < SHORT_REST_SECONDS:
            return warning(
                "scheduler", text, "ask for a longer job: a run stops before its end, and goes on in the next"
            )
    if n_ranks is not None and job.n_ranks is not None and n_ranks < job.n_ranks:
        has = f"{text}: {counted(n_ranks, 'rank')} started, there is room for {job.n_ranks}"
        return warning("scheduler", has, f"start with -n {job.n_ranks}")
    if n_ranks is None and job.n_ranks is not None and job.n_ranks > 1:
        text += f"; `mpiexec -n {job.n_ranks} fullrank doctor` looks at all its ranks"
    return ok("scheduler", text)


def judge_import(found: ImportFacts, *, limit_seconds: float) -> Finding:
    """Judge how the study's function was imported, within ``limit_seconds``."""
    if found.refusal:
        return problem(
            "import", found.refusal, "mend that; fullrank run CONFIG --dry-run then shows what a run would do"
        )
    note, _, cure = found.notes[-1].rpartition("\n") if found.notes else ("", "", "")
    cure = (
        cure or "import there what the function needs, and nothing else; have the environment on each node's own disk"
    )
    line = f"; {note}" if note else ""
    if found.seconds is None:
        return problem("import", f"not imported within {spelled_seconds(limit_seconds)}{line}", cure)
    text = f"the function's module takes {spelled_seconds(found.seconds)}"
    return ok("import", text) if found.seconds < SLOW_IMPORT_SECONDS else warning("import", f"{text}{line}", cure)
