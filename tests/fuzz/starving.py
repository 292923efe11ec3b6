"""How long a process has waited for a core: on a busy machine that is no fault of what it computes."""

from pathlib import Path


def waited_seconds(pid: int | str = "self") -> float:
    """Return how long the main thread of a process was ready to run and others ran; 0 where Linux does not tell."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9
    except (OSError, IndexError):
        return 0.0


class OwnTime:
    """Time since a moment that counts: computing and sleeping, not waiting for a core."""

    def __init__(self, pid: int | str, now: float) -> None:
        self._pid = pid
        self._begun = now - waited_seconds(pid)

    def seconds(self, now: float) -> float:
        """Return how much there was until ``now``."""
        return now - waited_seconds(self._pid) - self._begun
