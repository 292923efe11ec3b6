"""What kills did, told by two witnesses: the journals, and the lines that the items wrote themselves."""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from fullrank.dataclass import dataclass, field
from fullrank.journal import Damage, Kind, read
from fullrank.selftest.items import seconds_of, value_of
from fullrank.selftest.plan import Start
from fullrank.store import ResultFile, verify

RESULT = "evaluate"


@dataclass(frozen=True)
class Kill:
    """One kill and what was there when the last process of the run had ended; of a killed worker, just before it."""

    start: Start
    held: Counter[int]
    """How often each item is on record."""
    n_lines: int
    """Evaluations begun until then."""
    seconds_to_end: float
    """From the kill until the last process was gone; 0 where the run goes on without the killed worker."""
    left_running: tuple[str, ...] = ()
    """Commands of the processes that had to be killed after that."""


@dataclass
class Evidence:
    """What one study's kills and its result amount to."""

    kills: list[Kill] = field(default_factory=list)
    n_lost: int = 0
    n_doubled: int = 0
    n_wrong: int = 0
    done_again_seconds: list[float] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Whether every promise held."""
        return not (self.n_lost or self.n_doubled or self.n_wrong or any(kill.left_running for kill in self.kills))

    def add(self, other: "Evidence") -> None:
        """Count in another study."""
        self.kills += other.kills
        self.n_lost += other.n_lost
        self.n_doubled += other.n_doubled
        self.n_wrong += other.n_wrong
        self.done_again_seconds += other.done_again_seconds


def items_on_record(journals: Iterable[Path]) -> Counter[int]:
    """Return how often each item is in these journals."""
    found: Counter[int] = Counter()
    for journal in journals:
        for frame in read(journal):
            if not isinstance(frame, Damage) and frame.kind in (Kind.VALUES, Kind.FAILURES):
                found.update(frame.indices())
    return found


def begun_items(evaluations: Path) -> list[int]:
    """Return the items whose evaluation was begun, in that order."""
    try:
        lines = evaluations.read_bytes().split(b"\n")[:-1]
    except FileNotFoundError:
        return []
    return [int(line) for line in lines]


def judge(kills: Sequence[Kill], begun: Sequence[int], *, salt: int, n_wrong: int) -> Evidence:
    """Return what the kills of one study cost, from the items that were begun from its first start to its end.

    Lost is an item that was on record at a kill and was begun again later; doubled, one on record twice. Work that is
    done again is what had been begun before a kill, was not on record at it and was begun again: at most the items'
    full time.

    >>> at_first = Kill(Start("mpi", 4, "root", "compute", 0.5), Counter({0: 1, 1: 2}), 3, 0.1)
    >>> found = judge([at_first], [0, 1, 2, 2, 0, 3], salt=1, n_wrong=0)
    >>> found.n_lost, found.n_doubled, found.done_again_seconds == [seconds_of(2, 1)]
    (1, 1, True)
    """
    evidence = Evidence(list(kills), n_wrong=n_wrong)
    lines_before = 0
    for kill in kills:
        later = set(begun[kill.n_lines :])
        evidence.n_lost += len(kill.held.keys() & later)
        evidence.n_doubled += sum(times > 1 for times in kill.held.values())
        interrupted = (set(begun[lines_before : kill.n_lines]) - kill.held.keys()) & later
        evidence.done_again_seconds.append(sum(seconds_of(index, salt) for index in interrupted))
        lines_before = kill.n_lines
    return evidence


def n_wrong_values(output: Path, n_items: int, salt: int) -> int:
    """Return in how many items the verified result differs, to the last bit, from a plain loop.

    Raises OutputError if the file is damaged.
    """
    summary = verify(output)
    with ResultFile(output) as file:
        found = [value for block in file.blocks(n_items) for value in block.values[RESULT].tolist()]
    expected = [value_of(index, salt) for index in range(n_items)]
    differing = sum(one != other for one, other in zip(found, expected, strict=False))
    return int(differing) + abs(len(found) - n_items) + (n_items - summary.n_ok)
