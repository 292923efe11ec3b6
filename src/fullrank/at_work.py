"""Who is at work in a study's work folder: one run of all of it, or runs of its shards."""

from fullrank.holder import holder_of, may_be_stale
from fullrank.shard import Shard
from fullrank.workfolder import WorkFolder

_MOST_NAMED = 4


def shards_at_work(folder: WorkFolder, *, but: Shard | None = None) -> dict[Shard, str]:
    """Return who runs a shard that goes on with the study as it stands here, by shard.

    A run that has its shard's lock and waits for the lock of all is none of them yet.
    """
    found = {}
    for shard, path in folder.shards().items():
        holder = holder_of(path) if shard != but else None
        if holder is not None and folder.has_joined(shard):
            found[shard] = holder
    return found


def all_may_be_gone(folder: WorkFolder) -> bool:
    """Return whether all who hold a lock of the study are out of sight, none of them in a job that goes on."""
    held = [path for path in (folder.path, *folder.shards().values()) if holder_of(path) is not None]
    return all(map(may_be_stale, held))


def at_work(folder: WorkFolder, only: Shard | None = None) -> str:
    """Return who works on the study, for a person; "" if nobody does. Of shards that of ``only``, if it is given."""
    whole = holder_of(folder.path)
    shards = [(shard, holder_of(path)) for shard, path in folder.shards().items() if only in (None, shard)]
    found = [] if whole is None else [whole]
    found += [f"shard {shard} by {holder}" for shard, holder in shards if holder is not None]
    return "; ".join(found[:_MOST_NAMED]) + (f" and {len(found) - _MOST_NAMED} more" * (len(found) > _MOST_NAMED))
