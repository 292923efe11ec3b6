"""Asked by doctor, in a process of its own: what the file system below an output can do."""

import errno
import os
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from fullrank.dataclass import replace
from fullrank.doctor.facts import FolderFacts

_N_SYNCS = 5


def folder_facts(output: Path) -> FolderFacts:
    """Try out the folder that ``output`` goes to, or the nearest above it that is there; nothing stays in it."""
    from fullrank.filesystem import filesystem_type, is_shared
    from fullrank.room import free_bytes
    from fullrank.submit.place import doubt_about

    folder = _nearest(output.parent)
    found = FolderFacts(
        folder=str(folder),
        kind=filesystem_type(folder),
        is_shared=is_shared(folder),
        doubt=doubt_about(folder),
        hdf5_locking=os.environ.get("HDF5_USE_FILE_LOCKING", ""),
        free_bytes=free_bytes(folder),
        n_free_files=_free_files(folder),
    )
    try:
        with TemporaryDirectory(prefix=".fullrank-doctor-", dir=folder, ignore_cleanup_errors=True) as trial:
            return replace(
                found,
                fsync_seconds=_longest_sync_seconds(Path(trial, "synced")),
                lock_refusal=_lock_refusal(Path(trial, "locked")),
                hdf5_refusal=_hdf5_refusal(Path(trial, "written.h5")),
            )
    except OSError as error:
        return replace(found, refusal=error.strerror or str(error))


def _nearest(folder: Path) -> Path:
    return next((place for place in (folder, *folder.parents) if place.exists()), Path("/"))


def _free_files(folder: Path) -> int | None:
    try:
        found = os.statvfs(folder)
    except OSError:
        return None
    return found.f_favail if found.f_files else None


def _longest_sync_seconds(path: Path) -> float:
    longest_seconds = 0.0
    with path.open("wb", buffering=0) as file:
        for _ in range(_N_SYNCS):
            file.write(bytes(4096))
            begun = time.perf_counter()
            os.fsync(file.fileno())
            longest_seconds = max(longest_seconds, time.perf_counter() - begun)
    return longest_seconds


def _lock_refusal(path: Path) -> str:
    """Say why a lock that one open file holds does not keep out another; "" if it does."""
    import fcntl

    with path.open("wb") as holder, path.open("wb") as other:
        try:
            fcntl.flock(holder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return ""
        except OSError as error:
            return error.strerror or errno.errorcode.get(error.errno or 0, str(error))
    return "two programs are given the same lock at once"


def _hdf5_refusal(path: Path) -> str:
    from fullrank.store.trial import write_refusal

    return write_refusal(path)


def main() -> None:
    """Answer for the output that the command line names."""
    from fullrank.dataclass import asdict
    from fullrank.doctor.answering import teller

    tell = teller()
    tell(asdict(folder_facts(Path(sys.argv[1]))))


if __name__ == "__main__":
    main()
