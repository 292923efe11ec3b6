"""``fullrank status --watch``: a study's standing again and again, until its run ends, or until it is complete."""

import json
import os
import sys
import time
from argparse import Namespace
from collections.abc import Callable
from typing import Protocol

from fullrank.console import tell
from fullrank.dataclass import replace
from fullrank.job_over import job_is_over
from fullrank.option_values import DEFAULT_WATCH_SECONDS
from fullrank.outside import Recent
from fullrank.progress import INTERVAL_PER_ELAPSED, LONGEST_INTERVAL_SECONDS
from fullrank.report.layout import printable, wrapped
from fullrank.standing import COMPLETE, RUNNING, Standing, standing

_ASK_SECONDS = 10.0
"""A batch system has many users."""
_LOOK_SHARE = 10
"""A look that reads large journals is followed by so many times as long a rest."""


class View(Protocol):
    """Shows one standing after the other."""

    def show(self, found: Standing, *, is_last: bool) -> None:
        """Show how far the study is now."""


class JsonLines:
    """One object a line."""

    def show(self, found: Standing, *, is_last: bool) -> None:  # each look is a line
        """Write the object."""
        sys.stdout.write(json.dumps(found.to_dict()) + "\n")


class Redrawn:
    """The whole text, drawn over the one before; the terminal is left as it was."""

    def __init__(self) -> None:
        self._n_lines = 0

    def show(self, found: Standing, *, is_last: bool) -> None:  # the last text stays
        """Draw it."""
        columns, n_rows = os.get_terminal_size(1)  # 0 of some pseudo-terminals
        # what has more lines than the terminal could not be drawn over
        lines = [part for line in found.text().split("\n") for part in _folded(printable(line), (columns or 80) - 1)]
        lines = lines[: (n_rows or 25) - 1]
        up = f"\x1b[{self._n_lines}F" if self._n_lines else ""
        sys.stdout.write(up + "".join(f"{line}\x1b[K\n" for line in lines) + "\x1b[J")
        self._n_lines = len(lines)


def _folded(line: str, n_columns: int) -> list[str]:
    """Return a line as those that a terminal has room for; a table's row keeps its blanks."""
    return list(wrapped("", line, n_columns)) if len(line) > n_columns else [line]


class Lines:
    """A line now and then, rarer in long runs; at the end the whole text."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._begun = clock()
        self._written_at: float | None = None

    def show(self, found: Standing, *, is_last: bool) -> None:
        """Write the first line of the text, if it is time for one."""
        now = self._clock()
        interval = min(LONGEST_INTERVAL_SECONDS, INTERVAL_PER_ELAPSED * (now - self._begun))
        if is_last:
            sys.stdout.write(f"{found.text()}\n")
        elif self._written_at is None or now - self._written_at >= interval:
            self._written_at = now
            sys.stdout.write(f"{found.line()}\n")


def view_for(*, as_json: bool) -> View:
    """Return the view that suits standard output."""
    if as_json:
        return JsonLines()
    is_terminal = sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"
    return Redrawn() if is_terminal else Lines()


def watch(arguments: Namespace) -> Standing:
    """Show the study's standing until its run ends, or as long as it may go on, or Ctrl-C; return the last one."""
    interval_seconds = DEFAULT_WATCH_SECONDS if arguments.watch is None else arguments.watch
    view = view_for(as_json=arguments.json)
    found: Standing | None = None
    recent = Recent()
    ask_at, is_over = 0.0, False
    try:
        while True:
            begun = time.monotonic()
            found = standing(arguments.study, arguments.output)
            found = replace(found, recent_per_second=recent.per_second(begun, found.n_finished))
            cost_seconds = time.monotonic() - begun
            is_last = not _may_go_on(found, until_complete=arguments.until_complete)
            if arguments.job and not is_last and found.state != RUNNING and begun >= ask_at:
                ask_at = begun + _ASK_SECONDS
                is_over = is_last = job_is_over(arguments.job) is True
                if is_over:  # it may have finished the study since
                    found = standing(arguments.study, arguments.output)
            view.show(found, is_last=is_last)
            sys.stdout.flush()
            if is_last:
                if is_over and found.state != COMPLETE:
                    tell(f"fullrank: job {arguments.job} is over, and the study is not complete: look at its log\n")
                return found
            time.sleep(max(interval_seconds, _LOOK_SHARE * cost_seconds))
    except KeyboardInterrupt:
        if found is None:
            raise
        return found


def _may_go_on(found: Standing, *, until_complete: bool) -> bool:
    """Return whether there is more to be seen: shards that are stopped, or not started, may wait in a queue."""
    if found.state == RUNNING:
        return True
    waits = until_complete or any(share.n_left for share in found.shards)
    return waits and found.state != COMPLETE and not found.is_refused
