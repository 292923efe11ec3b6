"""What a backend, or this system, cannot do of what ``[run]`` asks for: told before anything is started."""

import sys

from fullrank.config import RunOptions
from fullrank.dataclass import dataclass
from fullrank.errors import BackendError


@dataclass(frozen=True)
class Abilities:
    """What the workers of a backend can do."""

    isolates: bool = True
    """Evaluate items in a child process."""


_OF_BACKENDS = {"interpreters": Abilities(isolates=False)}
"""Backends that cannot do everything."""


def check_abilities(backend: str, options: RunOptions, *, platform: str = sys.platform) -> None:
    """Raise BackendError, with the way out, for the first key of ``options`` that ``backend`` cannot fulfil."""
    abilities = _OF_BACKENDS.get(backend, Abilities())
    if options.isolate and not abilities.isolates:
        raise BackendError(
            f"run.isolate: backend '{backend}' does not evaluate items in child processes; try another: -b processes"
        )
    if options.item_memory_limit_bytes is not None and platform != "linux":
        raise BackendError(
            f"run.item_memory_limit_bytes: needs Linux, this is {platform}; leave the key out, or run it there"
        )
