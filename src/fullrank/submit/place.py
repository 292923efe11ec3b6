"""Whether the nodes of a cluster are likely to see a folder of this machine."""

from pathlib import Path

from fullrank.filesystem import filesystem_type, is_shared

_PLACES = ("/tmp", "/var/tmp", "/dev/shm", "/run")  # nothing is written there
_IN_MEMORY = ("tmpfs", "ramfs")


def doubt_about(folder: Path, mounts: Path = Path("/proc/self/mounts")) -> str:
    """Return a sentence if other machines are unlikely to see ``folder``; "" if nothing speaks against it.

    A disk of this machine's own says nothing: small clusters share the head node's.
    """
    kind = filesystem_type(folder, mounts)
    if is_shared(folder, mounts) or not (kind in _IN_MEMORY or any(map(folder.is_relative_to, _PLACES))):
        return ""
    return (
        f"{folder} looks like a place that each machine has for itself; if the compute nodes do not see this one, the "
        f"job fails or its result stays on a node: work in a folder that all nodes share"
    )
