"""How a run ended, and what it tells of that."""

from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any

from fullrank.dataclass import dataclass
from fullrank.errors import beginning
from fullrank.journal import Frame, Kind, read
from fullrank.repeat import item_command
from fullrank.report import Report
from fullrank.store import FileSummary
from fullrank.study import Study
from fullrank.workfolder import WorkFolder

MAX_EXCEPTION_CHARACTERS = 500
_TELLING_CHARACTERS = 100
"""Of an exception, by which it is found again in its traceback."""


class End(Enum):
    """How a run ended."""

    COMPLETE = "complete"
    ALREADY_COMPLETE = "already complete"
    LIMIT = "limit reached"
    STOPPED = "stopped"
    FAILURES = "stopped for failures"
    DIED = "workers died"
    SHARD = "shard complete"


@dataclass(frozen=True)
class Ending:
    """What came of a run."""

    end: End
    output: Path
    n_items: int
    n_finished: int
    summary: FileSummary | None = None
    """Of the file that was written, the partial one if a limit was reached; None without one."""
    printed: Path | None = None
    """Where it is kept what the function printed."""
    report: Report | None = None
    """Of the file that was written, if it was asked for and could be made beside its verification."""
    n_failed: int = 0
    """Of a run without a file."""
    is_fruitless: bool = False
    """Whether no item ended before the run was stopped."""
    first_failure: str = ""
    """Of a run that was stopped for failures: what the first of them raised, and the command that repeats it."""

    def to_dict(self) -> dict[str, Any]:
        """Return what programs are told: path, counts, and why it ended."""
        summary = self.summary
        n_failed = self.n_failed if summary is None else summary.n_failed
        return {
            "output": str(self.output),
            "end": self.end.value,
            "n_items": self.n_items,
            "n_finished": self.n_finished,
            "n_ok": self.n_finished - n_failed,
            "n_failed": n_failed,
            "results_sha256": None if summary is None else summary.results_sha256,
            "printed": None if self.printed is None else str(self.printed),
            "first_failure": self.first_failure,
        }


def first_failure(study: Study, folder: WorkFolder) -> str:
    """Return what the first failed item of the latest attempt raised, and how to repeat it; empty if none failed."""
    for path in reversed(folder.journals()):
        for frame in read(path):
            if isinstance(frame, Frame) and frame.kind == Kind.FAILURES:
                index, described = frame.indices()[0], frame.json()[0]
                where = f"item {index} ({shown(study.config.sweep.parameters(index))})"
                failure = told(described)
                separator = "\n" if "\n" in failure else " "
                command = item_command(str(study.config.path), index, study.config.settings)
                return f"{where}:{separator}{failure}\nTo repeat it: {command}"
    return ""


def told(description: Mapping[str, str]) -> str:
    r"""Return what is known of a failure: its traceback, and its exception where that does not end with it.

    >>> told({"exception": "E: no", "traceback": "Traceback:\n  f(1)\nsim.E: no\n"})
    'Traceback:\n  f(1)\nsim.E: no'
    """
    exception = beginning(description["exception"], MAX_EXCEPTION_CHARACTERS)
    traceback = description.get("traceback", "").rstrip()
    first_line = description["exception"].partition("\n")[0]
    if first_line[:_TELLING_CHARACTERS] in traceback:
        return traceback
    return f"{exception}\n{traceback}".rstrip()


def shown(parameters: Mapping[str, object]) -> str:
    """Return parameters in one line.

    >>> shown({"r": 3.71, "x0": 0.1})
    'r=3.71, x0=0.1'
    """
    return ", ".join(f"{name}={value!r}" for name, value in parameters.items())
