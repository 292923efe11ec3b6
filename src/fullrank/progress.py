"""How far a run is: a live bar on a terminal, now and then a line in a batch log.

What is counted are finished items. A display never ends a run: where its stream cannot be written,
it falls silent. (An mpiexec that the user has started may end its ranks when it cannot write itself.)
It leaves the terminal as it is, so that a killed run does too: the cursor stays visible, and nobody
else's output is redirected.
"""

import io
import os
import time
from collections.abc import Callable
from contextlib import suppress
from math import ceil, log, sqrt
from typing import TYPE_CHECKING, Protocol, TextIO

from fullrank.dataclass import dataclass, replace
from fullrank.metrics import spelled_range, spelled_seconds

if TYPE_CHECKING:
    from rich.console import Console
    from rich.segment import Segments

    from fullrank.backends.base import Tally

LONGEST_INTERVAL_SECONDS = 60.0
INTERVAL_PER_ELAPSED = 0.1
"""Lines in a log become rarer: one for each tenth of the time that has passed."""
FRAME_SECONDS = 0.2
FRESH_SECONDS = 1.0
"""A line of a log is not written again so soon if no item has finished since."""
BAR_WIDTHS = (8, 40)
"""Least and greatest number of columns of the bar itself."""

Clock = Callable[[], float]


def remaining_seconds(
    n_todo: int,
    n_finished: int,
    *,
    n_workers: int,
    elapsed_seconds: float,
    busy_seconds: float,
    scatter: float = 1.0,
    quiet_seconds: float = 0.0,
) -> tuple[float, float] | None:
    """Return from how long to how long it may still take, in s; None before an item has finished.

    What is left is first the items no worker has begun, then the end of the running ones.

    The former take their number times the mean / workers. The mean is the workers' whole time, with
    what surrounds items: at most per finished item, at least per item finished or running. It is
    that of a sample, as is that of the items to come: the range is widened by two standard errors
    of their difference.

    A worker is on average half-way through a running item, if all take equally long; else further
    from its end, for long items are met more often: mean * (1 + scatter**2) / 2 is left (renewal
    theory's inspection paradox). Of several the last takes 1 + log(number) times as long (the
    greatest of exponential times), or as long again as no item has finished. Or all end just now.

    Where a worker gets a few items alone, and some of them are very long, no more is known of
    the end than this, and the range can be too early.

    Args:
        n_todo: items of this attempt, finished ones included.
        n_finished: those that have ended, failed ones included.
        n_workers: how many compute.
        elapsed_seconds: since the workers' common start.
        busy_seconds: inside finished items, all workers together.
        scatter: standard deviation / mean of the finished items' times; 1 for exponential times.
        quiet_seconds: since an item finished last.
    """
    n_left = n_todo - n_finished
    if n_left <= 0:
        return 0.0, 0.0
    if n_finished <= 0:
        return None
    n_running = min(n_workers, n_left)
    n_waiting = n_left - n_running
    mean = least_mean = busy_seconds / n_finished
    if n_waiting:  # else some workers are idle, and their time tells nothing
        mean = max(mean, n_workers * elapsed_seconds / n_finished)
        least_mean = max(least_mean, n_workers * elapsed_seconds / (n_finished + n_running))
    # a few items tell little of the scatter: as if four of another sample had 1
    variance = (n_finished * scatter**2 + 4) / (n_finished + 4)
    error = 2 * sqrt(variance * (1 / n_finished + 1 / max(1, n_waiting)))
    end = max(mean * (1 + variance) / 2 * (1 + log(n_running)), quiet_seconds)
    least = n_waiting * least_mean / n_workers / (1 + error)
    most = n_waiting * mean / n_workers * (1 + error) + end
    return least, max(most, ceil(n_left / n_workers) * mean)


class Display(Protocol):
    """Shows one attempt. One thread at a time calls it, any; no method raises or waits for long.

    ``end`` is called in any case, and may be called again. ``show`` may be called as often as one
    likes, and once more with the final tally before ``end``.
    """

    def begin(self, n_todo: int, n_finished_before: int, *, n_workers: int) -> None:
        """Workers begin with ``n_todo`` items; earlier attempts finished others."""

    def show(self, tally: "Tally", elapsed_seconds: float) -> None:
        """Take notice of what this attempt has done since its start."""

    def say(self, sentence: str) -> None:
        """Tell one thing in between, on a line of its own."""

    def end(self) -> None:
        """Show the last state and leave the stream at the start of a line."""


class Silent:
    """Shows nothing."""

    def begin(self, n_todo: int, n_finished_before: int, *, n_workers: int) -> None:
        """Do nothing."""

    def show(self, tally: "Tally", elapsed_seconds: float) -> None:
        """Do nothing."""

    def say(self, sentence: str) -> None:
        """Do nothing."""

    def end(self) -> None:
        """Do nothing."""


@dataclass(frozen=True)
class _State:
    """An attempt at one moment, and the words for it."""

    n_todo: int
    n_before: int
    n_workers: int
    n_finished: int = 0
    n_failed: int = 0
    busy_seconds: float = 0.0
    elapsed_seconds: float = 0.0
    scatter: float = 1.0
    quiet_seconds: float = 0.0

    @property
    def n_done(self) -> int:
        return self.n_before + self.n_finished

    @property
    def n_total(self) -> int:
        return self.n_before + self.n_todo

    def counted(self) -> str:
        percent = 100 * self.n_done // max(1, self.n_total)
        return f"{self.n_done:,}/{self.n_total:,} items  {percent:3} %"

    def rate(self) -> str:
        """Spell what this attempt finishes."""
        return spelled_rate(self.n_finished / max(self.elapsed_seconds, 1e-3))

    def elapsed(self) -> str:
        return spelled_seconds(max(self.elapsed_seconds, 1e-3))

    def remaining(self) -> str:
        """Spell how long it may still take; nothing if that cannot be said or nothing is left."""
        seconds = remaining_seconds(
            self.n_todo,
            self.n_finished,
            n_workers=self.n_workers,
            elapsed_seconds=self.elapsed_seconds,
            busy_seconds=self.busy_seconds,
            scatter=self.scatter,
            quiet_seconds=self.quiet_seconds,
        )
        return f"{spelled_range(*seconds)} left" if seconds and seconds[1] else ""

    def failures(self) -> str:
        return f"{self.n_failed:,} failed" if self.n_failed else ""


def spelled_rate(per_second: float) -> str:
    """Spell how many items end a second, or a minute or hour if it is less than one.

    >>> spelled_rate(217.3), spelled_rate(0.05)
    ('217 items/s', '3.0 items/min')
    """
    units = {"s": 1, "min": 60, "h": 3600}
    unit = next((unit for unit, size in units.items() if per_second * size >= 1), "h")
    rate = per_second * units[unit]
    return f"{rate:,.{0 if rate >= 100 else 1}f} items/{unit}"


def _listed(*parts: str) -> str:
    return ", ".join(part for part in parts if part)


class Scatter:
    """Standard deviation / mean of items' times, from sums over any number of items at a time.

    A sum of n times with mean m and standard deviation s is off n * m by s * sqrt(n), so the
    squares of what the sums are off add up to s**2 for each item.
    """

    def __init__(self) -> None:
        self._n = 0
        self._sum = 0.0
        self._products = (0.0, 0.0, 0.0)
        """Of numbers with numbers, of numbers with sums, of sums with sums."""

    def add(self, n: int, seconds: float) -> None:
        """Count ``n`` more items that took ``seconds`` together."""
        nn, ns, ss = self._products
        self._products = nn + n * n, ns + n * seconds, ss + seconds * seconds
        self._n += n
        self._sum += seconds

    def value(self) -> float:
        """Return it; 1 while nothing is known."""
        if self._n <= 0 or self._sum <= 0:
            return 1.0
        mean = self._sum / self._n
        nn, ns, ss = self._products
        return sqrt(max(0.0, ss - 2 * mean * ns + mean * mean * nn) / self._n) / mean


class _Shown:
    """What the two displays that show something share: the state, and a stream that may break."""

    _draws_over = False
    """Whether the last line is one that is drawn again and again."""

    def __init__(self, stream: TextIO, clock: Clock) -> None:
        self._stream = stream
        self._clock = clock
        self._state: _State | None = None
        self._scatter = Scatter()
        self._changed = 0.0
        """When an item finished last, by the clock."""

    def _begin(self, n_todo: int, n_finished_before: int, n_workers: int) -> _State:
        self._changed = self._clock()
        self._scatter = Scatter()
        self._state = _State(n_todo, n_finished_before, n_workers)
        return self._state

    def _update(self, tally: "Tally", elapsed_seconds: float) -> _State | None:
        state, now = self._state, self._clock()
        if state is None:
            return None
        if tally.n_finished != state.n_finished:
            self._changed = now
            self._scatter.add(tally.n_finished - state.n_finished, tally.busy_seconds - state.busy_seconds)
        self._state = replace(
            state,
            n_finished=tally.n_finished,
            n_failed=tally.n_failed,
            busy_seconds=tally.busy_seconds,
            elapsed_seconds=elapsed_seconds,
            scatter=self._scatter.value(),
            quiet_seconds=now - self._changed,
        )
        return self._state

    def say(self, sentence: str) -> None:
        """Write a line; a bar that stands there is drawn again below it."""
        self._write(f"\r{sentence}\x1b[K\n" if self._draws_over else f"{sentence}\n")

    def _write(self, text: str) -> None:
        with suppress(OSError, ValueError):  # the terminal is gone, the stream is closed
            self._stream.write(text)
            self._stream.flush()


class PlainLines(_Shown):
    """A line every few seconds, for batch logs; rarer in long runs, down to one a minute.

    Without a newly finished item there is no line, but once a minute.
    """

    def __init__(self, stream: TextIO, *, interval_seconds: float = 5.0, clock: Clock = time.monotonic) -> None:
        super().__init__(stream, clock)
        self._interval_seconds = interval_seconds
        self._written_at = 0.0
        self._n_written = 0
        self._has_lines = False
        """Of this attempt."""

    def begin(self, n_todo: int, n_finished_before: int, *, n_workers: int) -> None:
        """Say what there is to do."""
        state = self._begin(n_todo, n_finished_before, n_workers)
        self._written_at, self._n_written, self._has_lines = self._clock(), 0, False
        of_all = f" of {state.n_total:,}" if n_finished_before else ""
        workers = "1 worker" if n_workers == 1 else f"{n_workers:,} workers"
        noun = "item" if n_todo == 1 and not of_all else "items"
        self._write(f"{n_todo:,}{of_all} {noun} to do on {workers}\n")

    def show(self, tally: "Tally", elapsed_seconds: float) -> None:
        """Write a line if it is time for one."""
        state = self._update(tally, elapsed_seconds)
        if state is None:
            return
        grown = min(LONGEST_INTERVAL_SECONDS, INTERVAL_PER_ELAPSED * elapsed_seconds)
        interval = max(self._interval_seconds, grown)
        if state.n_finished == self._n_written:
            interval = max(interval, LONGEST_INTERVAL_SECONDS)
        if self._clock() - self._written_at >= interval:
            self._write_state(state)

    def end(self) -> None:
        """Write a line with the last state, unless nothing was done or a line has just said so."""
        state, self._state = self._state, None
        if state is None or not state.elapsed_seconds:
            return
        is_told = self._has_lines and state.n_finished == self._n_written
        if not is_told or (state.n_finished < state.n_todo and self._clock() - self._written_at >= FRESH_SECONDS):
            self._write_state(state)

    def _write_state(self, state: _State) -> None:
        self._written_at, self._n_written, self._has_lines = self._clock(), state.n_finished, True
        outlook = _listed(state.remaining(), state.failures())
        line = f"{state.elapsed():>11}  {state.counted()}  {state.rate()}  {outlook}"
        self._write(f"{line.rstrip()}\n")


class Bar(_Shown):
    """One line at the bottom of a terminal, drawn again several times a second."""

    _draws_over = True

    def __init__(self, stream: TextIO, *, clock: Clock = time.monotonic) -> None:
        super().__init__(stream, clock)
        self._console: Console | None = None
        self._drawn_at = 0.0

    def begin(self, n_todo: int, n_finished_before: int, *, n_workers: int) -> None:
        """Draw the bar."""
        from rich.console import Console  # 0.1 s that only a terminal needs

        # It gets a file of its own: were it the stream, rich would leave the process when that breaks.
        nowhere = io.TextIOWrapper(io.BytesIO(), encoding=self._stream.encoding or "utf-8")
        self._console = Console(file=nowhere, force_terminal=True, force_jupyter=False)
        self._draw(self._begin(n_todo, n_finished_before, n_workers), "")

    def show(self, tally: "Tally", elapsed_seconds: float) -> None:
        """Draw the bar again, unless it was drawn just now."""
        state = self._update(tally, elapsed_seconds)
        if state is not None and self._clock() - self._drawn_at >= FRAME_SECONDS:
            now = state.remaining() or f"{state.elapsed()} so far"
            self._draw(state, _listed(now, state.failures()))

    def end(self) -> None:
        """Draw the last state and begin a new line."""
        state, self._state = self._state, None
        if state is not None:
            self._draw(state, _listed(f"in {state.elapsed()}", state.failures()))
            self._write("\n")

    def _draw(self, state: _State, outlook: str) -> None:
        self._drawn_at = self._clock()
        if self._console is not None:
            # Erased behind what was written, not before: that would flicker.
            self._write(f"\r{self._line(self._console, state, outlook)}\x1b[K")

    def _line(self, console: "Console", state: _State, outlook: str) -> str:
        """Return the line with its colours, less wide than the terminal: the last column wraps."""
        from rich.text import Text

        left = f"  {state.counted()}  "[: console.width - 1]
        right = f"{state.rate()}  {outlook}"
        room = console.width - 1 - len(left)
        if len(right) > room:
            right = outlook[: max(0, room)]
        bar_width = min(room - len(right) - 2, BAR_WIDTHS[1])
        with console.capture() as captured:
            console.print(Text(left), end="")
            if bar_width >= BAR_WIDTHS[0]:
                console.print(_bar(console, state, bar_width), Text(right), sep="  ", end="")
            else:
                console.print(Text(right), end="")
        return captured.get()


def _bar(console: "Console", state: _State, width: int) -> "Segments":
    from rich.progress_bar import ProgressBar
    from rich.segment import Segment, Segments

    bar = list(console.render(ProgressBar(max(1, state.n_total), state.n_done, width=width)))
    # without colours rich leaves out what is not done
    n_blanks = width + 2 - sum(segment.cell_length for segment in bar)
    return Segments([*bar, Segment(" " * n_blanks)])


def choose_display(stream: TextIO, *, quiet: bool = False, force_terminal: bool = False) -> Display:
    """Return the display that suits ``stream``.

    ``force_terminal``: what is written ends on a terminal though the stream is none, as that of a
    rank whose launcher passes it on.
    """
    if quiet:
        return Silent()
    is_terminal = stream.isatty() and os.environ.get("TERM", "dumb") != "dumb"
    return Bar(stream) if is_terminal or force_terminal else PlainLines(stream)
