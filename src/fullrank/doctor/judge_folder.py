"""Judgements of the file system that the output is on."""

from collections.abc import Iterable

from fullrank.doctor.facts import FolderFacts
from fullrank.doctor.finding import Finding, ok, problem, warning
from fullrank.metrics import spelled_seconds
from fullrank.room import spelled_bytes

SLOW_SYNC_SECONDS = 0.5
"""A journal is synced every 5 s, and root's files several times at the end."""
LITTLE_BYTES = 1 << 30
FEW_FILES = 1000
_ANOTHER = "choose another place with -o"


def judge_folder(found: FolderFacts, *, needed_bytes: int | None, is_for_nodes: bool) -> Iterable[Finding]:
    """Yield what is to be said of the output's folder.

    ``needed_bytes`` is what the study will write, None if no study was named. With ``is_for_nodes`` others than this
    one are to see it, and none of them has been asked.
    """
    kind = f" ({found.kind})" if found.kind else ""
    if found.refusal:
        yield problem("output", f"{found.folder}{kind}: {found.refusal}", f"{_ANOTHER}, or mend the folder's rights")
        return
    yield _of_syncs(found, f"{found.folder}{kind}")
    yield _of_locks(found)
    yield _of_room(found, needed_bytes)
    if is_for_nodes and found.doubt:
        yield warning("shared", found.doubt, f"{_ANOTHER} that all nodes see")


def _of_syncs(found: FolderFacts, place: str) -> Finding:
    if found.fsync_seconds is None:
        return ok("output", f"{place} can be written")
    text = f"{place} can be written, fsync takes {spelled_seconds(found.fsync_seconds)}"
    if found.fsync_seconds < SLOW_SYNC_SECONDS:
        return ok("output", text)
    return warning("output", text, f"{_ANOTHER}, or ask your site why a sync is slow there")


def _of_locks(found: FolderFacts) -> Finding:
    if found.hdf5_refusal:
        cure = f"{_ANOTHER}; where locks are the reason, export HDF5_USE_FILE_LOCKING=FALSE"
        return problem("HDF5", f"no file can be written: {found.hdf5_refusal}", cure)
    off = f" (HDF5_USE_FILE_LOCKING={found.hdf5_locking})" if found.hdf5_locking else ""
    if found.lock_refusal:
        cure = "mount it with locks, or see to it yourself that no two programs write to one file"
        return warning("HDF5", f"files are written{off}, but locks do not hold: {found.lock_refusal}", cure)
    return ok("HDF5", f"files are written{off}, and locks hold")


def _of_room(found: FolderFacts, needed_bytes: int | None) -> Finding:
    if found.free_bytes is None:
        return ok("disk", "the file system does not tell how much is free")
    free = f"{spelled_bytes(found.free_bytes)} free; quotas are not seen"
    needs = (
        ""
        if needed_bytes is None
        else f", this study writes about {spelled_bytes(needed_bytes)} if an item is one number"
    )
    if needed_bytes is not None and found.free_bytes < needed_bytes:
        return problem("disk", f"{free}{needs}", f"make room, or {_ANOTHER}")
    if found.n_free_files is not None and found.n_free_files < FEW_FILES:
        return warning("disk", f"room for {found.n_free_files} more files; {free}", f"delete files, or {_ANOTHER}")
    if needed_bytes is None and found.free_bytes < LITTLE_BYTES:
        return warning("disk", free, f"make room, or {_ANOTHER}")
    return ok("disk", f"{free}{needs}")
