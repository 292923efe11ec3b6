"""The figures of a selftest, and their table."""

from collections import Counter
from pathlib import Path
from statistics import median
from typing import Any

from fullrank.dataclass import asdict, dataclass
from fullrank.selftest.evidence import Evidence

_AT_LEAST_FOR_A_BOUND = 30
"""The rule of three is meant for samples no smaller than this."""


@dataclass(frozen=True)
class Figures:
    """What the kills amount to; counts unless a name says otherwise."""

    library: str
    seed: int
    n_kills: int
    n_studies: int
    n_lost: int
    """Items that were on record at a kill and were evaluated again."""
    n_doubled: int
    """Items that were on record twice."""
    n_wrong: int
    """Items of the final files that differ from a plain loop, or are missing."""
    left_running: tuple[str, ...]
    """Commands of processes that outlived a killed run by 15 s."""
    median_done_again_seconds: float
    max_done_again_seconds: float
    max_seconds_to_end: float
    """From a kill until the run's last process was gone."""
    kills_by_victim: dict[str, int]
    kills_by_moment: dict[str, int]
    kills_by_backend: dict[str, int]
    kept: str = ""
    """Folder with what remains of studies that lost something."""

    @classmethod
    def of(cls, evidence: Evidence, *, n_studies: int, library: str, seed: int, kept: Path | None) -> "Figures":
        """Return the figures of all studies."""
        starts = [kill.start for kill in evidence.kills]
        return cls(
            library,
            seed,
            len(starts),
            n_studies,
            evidence.n_lost,
            evidence.n_doubled,
            evidence.n_wrong,
            tuple(command for kill in evidence.kills for command in kill.left_running),
            median(evidence.done_again_seconds or [0.0]),
            max(evidence.done_again_seconds, default=0.0),
            max((kill.seconds_to_end for kill in evidence.kills), default=0.0),
            dict(Counter(start.victim for start in starts)),
            dict(Counter(start.moment for start in starts)),
            dict(Counter(start.backend for start in starts)),
            str(kept) if kept is not None else "",
        )

    @property
    def holds(self) -> bool:
        """Whether nothing was lost, doubled or wrong, and nothing went on running."""
        return not (self.n_lost or self.n_doubled or self.n_wrong or self.left_running)

    @property
    def bound(self) -> float | None:
        """95 % bound of the share of kills that lose something, none having done so: the rule of three.

        J. A. Hanley and A. Lippman-Hand, JAMA 249 (1983) 1743. None if something was lost or the kills are too few.
        """
        return 3 / self.n_kills if self.holds and self.n_kills >= _AT_LEAST_FOR_A_BOUND else None

    def to_dict(self) -> dict[str, Any]:
        """Return the same as plain data."""
        return asdict(self) | {"holds": self.holds, "bound": self.bound}

    def text(self) -> str:
        """Return the table for a person."""
        rows = [
            ("kills survived" if self.holds else "kills", f"{self.n_kills} in {self.n_studies} studies"),
            ("  of", _listed(self.kills_by_victim)),
            ("  aimed at", _listed(self.kills_by_moment)),
            ("  while under", _listed(self.kills_by_backend)),
            ("items lost", str(self.n_lost)),
            ("items doubled", str(self.n_doubled)),
            ("items wrong or missing at the end", str(self.n_wrong)),
            ("processes left after 15 s", "; ".join(self.left_running) or "0"),
            ("work done again per kill", self._done_again()),
            ("until the last process was gone", f"{self.max_seconds_to_end:.2f} s at most"),
            ("95 % bound of losses per kill", f"{self.bound:.2g} (3/{self.n_kills})" if self.bound else "none"),
            ("MPI library, seed", f"{self.library}, {self.seed}"),
        ]
        if self.kept:
            rows.append(("what remains for a look", self.kept))
        return "".join(f"{name:<35}{value}\n" for name, value in rows)

    def _done_again(self) -> str:
        return f"{self.median_done_again_seconds:.3f} s (median), {self.max_done_again_seconds:.3f} s (max)"


def _listed(counts: dict[str, int]) -> str:
    """Return counts in words.

    >>> _listed({"root": 3, "rank": 5})
    'rank 5, root 3'
    """
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items(), key=lambda entry: -entry[1]))
