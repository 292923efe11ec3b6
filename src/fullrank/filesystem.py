"""What kind of file system a folder is on."""

from pathlib import Path

_CLUSTER = (
    "nfs",
    "nfs4",
    "lustre",
    "gpfs",
    "beegfs",
    "ceph",
    "glusterfs",
    "panfs",
    "pvfs2",
    "orangefs",
    "wekafs",
    "vast",
)
_OTHERS = ("cifs", "smb3", "afs", "9p", "fuse.ceph", "fuse.glusterfs", "fuse.sshfs")
_SHARED = frozenset({*_CLUSTER, *_OTHERS})


def is_shared(folder: Path, mounts: Path = Path("/proc/self/mounts")) -> bool:
    """Return whether ``folder`` is on a file system that other nodes see too, as far as its type tells."""
    return filesystem_type(folder, mounts) in _SHARED


def filesystem_type(folder: Path, mounts: Path = Path("/proc/self/mounts")) -> str:
    """Return the type of the file system that holds ``folder``, "" where the system does not tell."""
    try:
        lines = mounts.read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return ""
    resolved, best, kind = folder.resolve(), -1, ""
    for line in lines:
        _, place, found, *_ = line.split(" ")
        point = Path(place.replace("\\040", " "))
        if resolved.is_relative_to(point) and len(point.parts) >= best:
            best, kind = len(point.parts), found
    return kind
