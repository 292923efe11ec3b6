"""How many cores this process may use: the least of its affinity, control groups and job."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from fullrank.scheduler import job_from


def usable_cores(
    environ: Mapping[str, str] | None = None,
    *,
    n_affine: int | None = None,
    proc: Path = Path("/proc"),
    cgroups: Path = Path("/sys/fs/cgroup"),
) -> int:
    """Return the number of cores, at least 1, that this process can keep busy and may.

    ``environ`` is that of the process by default, ``n_affine`` the number of cores the kernel lets
    it run on. Where nothing limits it, these are all cores of the machine.
    """
    limits = [affine_cores() if n_affine is None else n_affine]
    quota = cgroup_quota(proc=proc, cgroups=cgroups)
    if quota is not None:
        limits.append(round(quota))
    job = job_from(os.environ if environ is None else environ)
    # batch systems that do not bind processes to cores trust them to keep to what they asked for
    if job is not None and job.n_cores is not None:
        limits.append(job.n_cores)
    return max(1, min(limits))


def physical_cores(cpus: Path = Path("/sys/devices/system/cpu")) -> int | None:
    """Return how many cores stand behind the processors this process may run on; None where the system is silent.

    Hyper-threads are processors that share a core, so this is at most their number.
    """
    return len(cores_behind(cpus)) or None


def cores_behind(cpus: Path = Path("/sys/devices/system/cpu")) -> frozenset[str]:
    """Return these cores, each named by the numbers of its hyper-threads; none where the system is silent."""
    if not hasattr(os, "sched_getaffinity"):
        return frozenset()
    siblings = {
        _text(cpus / f"cpu{number}/topology/thread_siblings_list").strip() for number in os.sched_getaffinity(0)
    }
    return frozenset() if "" in siblings else frozenset(siblings)


def affine_cores() -> int:
    """Return the number of processors that the kernel lets this process run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1  # macOS has no affinity


def cgroup_quota(*, proc: Path, cgroups: Path) -> float | None:
    """Return how many cores' worth of time the control groups give this process; None: no limit.

    A group is bound by its ancestors too, so the least of them counts.
    """
    quotas = [
        quota
        for folder in _group_folders(proc / "self" / "cgroup", cgroups)
        if (quota := _quota_v2(folder) or _quota_v1(folder)) is not None
    ]
    return min(quotas, default=None)


def _group_folders(membership: Path, cgroups: Path) -> Iterator[Path]:
    """Folders of the groups that limit CPU time, from the process's own up to the root.

    Inside a container the root of the mount is often the container's own group while the path is
    the host's: what is not there is passed over.
    """
    for line in _text(membership).splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        for mount in _mounts(controllers, cgroups):
            folder = mount / path.lstrip("/")
            yield folder
            yield from (parent for parent in folder.parents if parent.is_relative_to(mount))


def _mounts(controllers: str, cgroups: Path) -> tuple[Path, ...]:
    if not controllers:  # version 2; "unified" where version 1 is mounted beside it
        return cgroups, cgroups / "unified"
    if "cpu" in controllers.split(","):
        return cgroups / controllers, cgroups / "cpu"
    return ()


def _quota_v2(folder: Path) -> float | None:
    quota, _, period = _text(folder / "cpu.max").partition(" ")
    return _ratio(quota, period)


def _quota_v1(folder: Path) -> float | None:
    return _ratio(_text(folder / "cpu.cfs_quota_us"), _text(folder / "cpu.cfs_period_us"))


def _ratio(quota: str, period: str) -> float | None:
    """Quota over period; "max" and -1 mean no limit, and so does a file that is not there."""
    if not (quota.strip().isdecimal() and period.strip().isdecimal() and int(period)):
        return None
    return int(quota) / int(period)


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
