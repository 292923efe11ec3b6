"""How far a run is: the estimate against simulated runs, the displays on faked clocks and a real pseudo-terminal."""

import io
import math
import os
import pty
import random
import re
import statistics
import termios
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fullrank.backends.base import Tally
from fullrank.progress import Bar, Display, PlainLines, Scatter, Silent, choose_display, remaining_seconds


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


Range = tuple[float, float]


def estimate(n_todo: int, n_finished: int, n_workers: int, *, elapsed: float, busy: float) -> Range | None:
    return remaining_seconds(n_todo, n_finished, n_workers=n_workers, elapsed_seconds=elapsed, busy_seconds=busy)


@given(
    n_todo=st.integers(1, 500),
    n_workers=st.integers(1, 40),
    quarters=st.integers(1, 5000),
    item_seconds=st.sampled_from([0.001, 1.0, 3600.0]),
    scatter=st.floats(0, 3),
)
def test_range_contains_the_truth_if_all_items_take_equally_long(
    n_todo: int, n_workers: int, quarters: int, item_seconds: float, scatter: float
) -> None:
    rounds = math.ceil(n_todo / n_workers)
    quarters %= 4 * rounds
    n_finished = min(n_todo, quarters // 4 * n_workers)
    found = remaining_seconds(
        n_todo,
        n_finished,
        n_workers=n_workers,
        elapsed_seconds=quarters / 4 * item_seconds,
        busy_seconds=n_finished * item_seconds,
        scatter=scatter,
        quiet_seconds=quarters % 4 / 4 * item_seconds,
    )
    truth = (rounds - quarters / 4) * item_seconds
    if found is None:
        assert n_finished == 0
    else:
        least, most = found
        assert least <= truth * (1 + 1e-9)
        assert most >= truth * (1 - 1e-9)


def test_range_mostly_contains_the_truth_if_times_are_exponential() -> None:
    rng = random.Random(20261123)
    n_inside = n_tried = 0
    for _ in range(40):
        intervals = simulated([rng.expovariate(1) for _ in range(400)], n_workers=4)
        makespan = max(end for _, end in intervals)
        for share in (0.1, 0.3, 0.5, 0.7, 0.9):
            now = share * makespan
            ended = [(begin, end) for begin, end in intervals if end <= now]
            least, most = remaining_seconds(
                400,
                len(ended),
                n_workers=4,
                elapsed_seconds=now,
                busy_seconds=sum(end - begin for begin, end in ended),
                quiet_seconds=now - max(end for _, end in ended),
            ) or (math.nan, math.nan)
            n_tried += 1
            n_inside += least <= makespan - now <= most
            assert most < 3 * (makespan - now) + 5
    assert n_inside / n_tried > 0.85


def simulated(durations: list[float], *, n_workers: int) -> list[tuple[float, float]]:
    """Begin and end of each item if the worker that is free first takes the next."""
    free = [0.0] * n_workers
    intervals = []
    for duration in durations:
        worker = min(range(n_workers), key=free.__getitem__)
        intervals.append((free[worker], free[worker] + duration))
        free[worker] += duration
    return intervals


def test_nothing_is_said_before_an_item_has_finished() -> None:
    assert estimate(100, 0, 4, elapsed=60.0, busy=0.0) is None


def test_nothing_is_left_when_all_items_have_finished() -> None:
    assert estimate(100, 100, 4, elapsed=60.0, busy=240.0) == (0.0, 0.0)


def test_items_that_run_beyond_all_others_may_run_for_as_long_again() -> None:
    found = remaining_seconds(
        1000, 999, n_workers=2, elapsed_seconds=4000.0, busy_seconds=999.0, scatter=0.1, quiet_seconds=3500.0
    )
    assert found is not None
    assert found[1] >= 3500.0


def test_more_finished_items_make_the_range_narrower() -> None:
    few, many = estimate(10_000, 10, 2, elapsed=5.0, busy=10.0), estimate(10_000, 5000, 2, elapsed=2500.0, busy=5000.0)
    assert few is not None and many is not None
    assert many[1] / many[0] < 1.1 < few[1] / few[0]


def test_time_outside_items_counts() -> None:
    found = estimate(1000, 500, 1, elapsed=100.0, busy=50.0)
    assert found is not None
    assert 80.0 < found[0] < 100.0 < found[1] < 120.0


@given(st.lists(st.floats(0.1, 10.0), min_size=2, max_size=50))
def test_scatter_is_standard_deviation_over_mean_if_items_come_one_by_one(times: list[float]) -> None:
    scatter = Scatter()
    for seconds in times:
        scatter.add(1, seconds)
    assert scatter.value() == pytest.approx(statistics.pstdev(times) / statistics.fmean(times), abs=1e-6)


def test_scatter_is_found_from_sums_over_many_items_too() -> None:
    rng = random.Random(1)
    scatter = Scatter()
    for _ in range(2000):
        n = rng.randint(1, 30)
        scatter.add(n, math.fsum(rng.expovariate(0.2) for _ in range(n)))
    assert scatter.value() == pytest.approx(1.0, abs=0.1)


def test_scatter_of_nothing_is_that_of_exponential_times() -> None:
    assert Scatter().value() == 1.0


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


def play(display: Display, clock: Clock, *, seconds: float, n_per_second: float, step: float = 0.25) -> None:
    """Show a steady run from its start on."""
    begun = clock.now
    while clock.now - begun < seconds:
        clock.now += step
        n = int(n_per_second * (clock.now - begun))
        display.show(Tally(n, n // 100, n / max(n_per_second, 1e-9)), clock.now - begun)


def written(stream: io.StringIO) -> list[str]:
    lines = stream.getvalue().splitlines()
    stream.seek(0)
    stream.truncate()
    return lines


def test_one_item_is_told_as_one(clock: Clock, stream: io.StringIO) -> None:
    lines = PlainLines(stream, clock=clock)
    lines.begin(1, 0, n_workers=1)
    assert written(stream) == ["1 item to do on 1 worker"]


def test_log_gets_a_line_every_five_seconds(clock: Clock, stream: io.StringIO) -> None:
    lines = PlainLines(stream, clock=clock)
    lines.begin(2000, 0, n_workers=2)
    play(lines, clock, seconds=40.0, n_per_second=20.0)
    first, *others = written(stream)
    assert first == "2,000 items to do on 2 workers"
    assert len(others) == 8
    for line in others:
        form = r" *\d+\.\d+ s  \d+/2,000 items +\d+ %  \d+\.\d items/s  about \d+-\d+ s left(, \d+ failed)?"
        assert re.fullmatch(form, line)


def test_log_gets_rarer_lines_in_a_long_run(clock: Clock, stream: io.StringIO) -> None:
    lines = PlainLines(stream, clock=clock)
    lines.begin(10**6, 0, n_workers=2)
    play(lines, clock, seconds=3600.0, n_per_second=10.0, step=1.0)
    n_first_hour = len(written(stream))
    play(lines, clock, seconds=7200.0, n_per_second=10.0, step=1.0)
    assert 50 < n_first_hour < 100
    assert len(written(stream)) <= n_first_hour + 60


def test_log_gets_a_line_a_minute_while_nothing_finishes(clock: Clock, stream: io.StringIO) -> None:
    lines = PlainLines(stream, clock=clock)
    lines.begin(10, 0, n_workers=2)
    play(lines, clock, seconds=301.0, n_per_second=0.0, step=1.0)
    _, *others = written(stream)
    assert len(others) == 5
    assert others[0].strip() == "1 min  0/10 items    0 %  0.0 items/h"


def test_log_counts_items_of_earlier_attempts(clock: Clock, stream: io.StringIO) -> None:
    lines = PlainLines(stream, clock=clock)
    lines.begin(1588, 412, n_workers=1)
    clock.now += 6.0
    lines.show(Tally(88, 3, 6.0), 6.0)
    first, line = written(stream)
    assert first == "1,588 of 2,000 items to do on 1 worker"
    assert "  500/2,000 items   25 %  14.7 items/s  " in line
    assert line.endswith(" left, 3 failed")


@pytest.mark.parametrize("n_finished", [70, 100])
def test_log_does_not_end_with_a_line_that_is_there(n_finished: int, clock: Clock, stream: io.StringIO) -> None:
    lines = PlainLines(stream, clock=clock)
    lines.begin(100, 0, n_workers=2)
    clock.now += 6.0
    lines.show(Tally(n_finished, 0, 6.0), 6.0)
    clock.now += 0.2
    lines.show(Tally(n_finished, 0, 6.0), 6.2)
    lines.end()
    assert [line.split()[2] for line in written(stream)[1:]] == [f"{n_finished}/100"]


@pytest.mark.parametrize(("n_finished", "seconds"), [(71, 0.2), (70, 20.0)])
def test_log_ends_with_what_changed_since_its_last_line(
    n_finished: int, seconds: float, clock: Clock, stream: io.StringIO
) -> None:
    lines = PlainLines(stream, clock=clock)
    lines.begin(100, 0, n_workers=2)
    clock.now += 6.0
    lines.show(Tally(70, 0, 6.0), 6.0)
    clock.now += seconds
    lines.show(Tally(n_finished, 0, 6.0), 6.0 + seconds)
    lines.end()
    assert [line.split()[2] for line in written(stream)[1:]] == ["70/100", f"{n_finished}/100"]


def test_log_ends_with_the_last_state_once(clock: Clock, stream: io.StringIO) -> None:
    lines = PlainLines(stream, clock=clock)
    lines.begin(100, 0, n_workers=2)
    lines.show(Tally(100, 0, 0.5), 0.25)
    lines.end()
    lines.end()
    assert written(stream)[1:] == ["     250 ms  100/100 items  100 %  400 items/s"]


def test_percents_reach_100_only_with_the_last_item(clock: Clock, stream: io.StringIO) -> None:
    lines = PlainLines(stream, clock=clock)
    lines.begin(10_000, 0, n_workers=2)
    lines.show(Tally(9_999, 0, 0.5), 0.25)
    lines.end()
    assert " 99 % " in stream.getvalue()


@pytest.mark.parametrize(("n", "elapsed", "rate"), [(500, 2.0, "250 items/s"), (90, 60.0, "1.5 items/s")])
@pytest.mark.parametrize("display", [PlainLines, Bar])
def test_rates_have_the_unit_that_fits(
    display: type[PlainLines] | type[Bar], n: int, elapsed: float, rate: str, stream: io.StringIO
) -> None:
    shown = display(stream)
    shown.begin(1000, 0, n_workers=2)
    shown.show(Tally(n, 0, elapsed), elapsed)
    shown.end()
    assert rate in stream.getvalue()


def test_slow_items_are_counted_by_the_minute_and_by_the_hour(clock: Clock, stream: io.StringIO) -> None:
    lines = PlainLines(stream, clock=clock)
    lines.begin(1000, 0, n_workers=2)
    for n, elapsed in ((6, 120.0), (7, 7 * 1800.0)):
        clock.now += 600.0
        lines.show(Tally(n, 0, elapsed), elapsed)
    assert re.findall(r"\S+ items/\S+", stream.getvalue()) == ["3.0 items/min", "2.0 items/h"]


class Broken(io.StringIO):
    """A terminal that is gone."""

    def write(self, text: str) -> int:
        raise BrokenPipeError


@pytest.mark.parametrize("display", [PlainLines, Bar])
def test_broken_stream_does_not_end_the_run(display: type[PlainLines] | type[Bar]) -> None:
    shown = display(Broken())
    shown.begin(10, 0, n_workers=2)
    shown.show(Tally(10, 0, 1.0), 100.0)
    shown.end()


@pytest.mark.parametrize("display", [PlainLines, Bar, Silent])
def test_display_that_has_not_begun_shows_and_ends_nothing(display: type, stream: io.StringIO) -> None:
    shown = Silent() if display is Silent else display(stream)
    shown.show(Tally(10, 0, 1.0), 100.0)
    shown.end()
    assert stream.getvalue() == ""


def frames(text: str) -> list[str]:
    """What stood in the line at the bottom, one state after the other, without colours."""
    return [re.sub(r"\x1b\[[0-9;]*[mK]", "", frame) for frame in text.split("\r") if frame]


@pytest.mark.parametrize("columns", [12, 40, 60, 80, 200])
def test_bar_never_reaches_the_last_column(
    columns: int, clock: Clock, stream: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    bar = Bar(stream, clock=clock)
    bar.begin(123_456, 100_000, n_workers=2)
    play(bar, clock, seconds=60.0, n_per_second=1000.0, step=1.0)
    bar.end()
    assert all(len(frame.rstrip("\n")) < columns for frame in frames(stream.getvalue()))
    assert all("failed" in frame for frame in frames(stream.getvalue())[10:]) or columns < 80


def test_bar_leaves_cursor_and_line_as_they_were(clock: Clock, stream: io.StringIO) -> None:
    bar = Bar(stream, clock=clock)
    bar.begin(100, 0, n_workers=2)
    play(bar, clock, seconds=5.0, n_per_second=20.0)
    bar.end()
    bar.end()
    controls = set(re.findall(r"\x1b\[[^A-Za-z]*[A-Za-z]", stream.getvalue()))
    assert {control[-1] for control in controls} <= {"m", "K"}
    assert stream.getvalue().count("\n") == 1
    assert stream.getvalue().endswith("\n")


def test_bar_grows_with_the_items(clock: Clock, stream: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("NO_COLOR", "1")  # rich then draws what is done alone
    bar = Bar(stream, clock=clock)
    bar.begin(100, 0, n_workers=2)
    play(bar, clock, seconds=10.0, n_per_second=10.0, step=1.0)
    bar.end()
    lengths = [frame.count("━") for frame in frames(stream.getvalue())]
    assert lengths == sorted(lengths)
    assert (lengths[0], lengths[-1]) == (0, 40)
    assert "100/100 items  100 %" in frames(stream.getvalue())[-1]


def test_bar_is_drawn_a_few_times_a_second_however_often_it_is_shown(clock: Clock, stream: io.StringIO) -> None:
    bar = Bar(stream, clock=clock)
    bar.begin(10**6, 0, n_workers=2)
    play(bar, clock, seconds=10.0, n_per_second=10.0, step=0.01)
    assert 40 <= len(frames(stream.getvalue())) <= 60


@pytest.fixture
def terminal() -> Iterator[tuple[int, io.TextIOWrapper]]:
    """Both ends of a pseudo-terminal: where its user looks, and where programs write."""
    user, program = pty.openpty()
    with os.fdopen(program, "w", encoding="utf-8") as stream:
        yield user, stream
    os.close(user)


def test_bar_on_a_terminal_is_driven_from_another_thread_and_leaves_its_modes_alone(
    terminal: tuple[int, io.TextIOWrapper], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    user, stream = terminal
    before = termios.tcgetattr(user)
    display = choose_display(stream)

    def run_that_fails() -> None:
        display.begin(300, 100, n_workers=2)
        try:
            display.show(Tally(30, 1, 2.0), 1.0)
            raise KeyboardInterrupt
        except KeyboardInterrupt:
            display.end()

    thread = threading.Thread(target=run_that_fails)
    thread.start()
    thread.join()
    seen = ""
    while not seen.endswith("\n"):  # a terminal hands on what it has in pieces
        seen += os.read(user, 1 << 16).decode()
    assert "100/400 items" in seen
    assert "130/400 items   32 %" in seen
    assert "in 1.00 s, 1 failed" in seen
    assert "\x1b[?25l" not in seen
    assert seen.endswith("\n")
    assert termios.tcgetattr(user) == before


@pytest.mark.parametrize(("term", "kind"), [("xterm", Bar), ("dumb", PlainLines)])
def test_terminal_gets_a_bar_unless_it_is_dumb(
    terminal: tuple[int, io.TextIOWrapper], term: str, kind: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", term)
    assert type(choose_display(terminal[1])) is kind


def test_file_gets_lines_and_quiet_nothing(stream: io.StringIO) -> None:
    assert type(choose_display(stream)) is PlainLines
    assert type(choose_display(stream, force_terminal=True)) is Bar
    assert type(choose_display(stream, quiet=True, force_terminal=True)) is Silent
