"""What a run does while its file is verified: it keeps its lock, and reads what it will tell of the file."""

from collections.abc import Callable

from fullrank.report import Reading, Report
from fullrank.schema import Block, Tables
from fullrank.store import ResultFile


class RunOnlooker:
    """Gives signs of life, and makes the report if one is asked for; without one the file is as good.

    A report that fails is left out: what went wrong there is no fault of the file, which is to get its name.
    """

    def __init__(self, renew_lock: Callable[[], object], *, is_reported: bool) -> None:
        self.report: Report | None = None
        """Of a file that has been read to its end."""
        self._renew_lock = renew_lock
        self._reading = Reading() if is_reported else None

    def begin(self, file: ResultFile, tables: Tables) -> None:
        """Look at the file before its first items."""
        self._guarded(lambda reading: reading.begin(file, tables))

    def add(self, block: Block) -> None:
        """Look at the next items."""
        self._renew_lock()
        self._guarded(lambda reading: reading.add(block))

    def end(self) -> None:
        """Have the report, if there is one."""
        self._guarded(Reading.end)
        if self._reading is not None:
            self.report = self._reading.report

    def _guarded(self, look: Callable[[Reading], None]) -> None:
        try:
            if self._reading is not None:
                look(self._reading)
        except Exception:  # whoever tells of the file makes the report then, and fails in the open
            self._reading = None
