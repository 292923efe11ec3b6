"""The report of a comparison as people and programs read it."""

import fcntl
import json
import os
import pty
import struct
import subprocess
import sys
import termios
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from comparisons import MPI, PROCESSES, PURE_PYTHON, SERIAL, THREADS, Way, comparison, stopped

from fullrank.compare.records import Comparison, Variant
from fullrank.compare.words import text, to_dict
from fullrank.store import write_comparison

INTERPRETERS = Variant("interpreters", 2)


def whole() -> Comparison:
    return comparison(PURE_PYTHON, not_possible={INTERPRETERS: "the function imports numpy"})


def line_of(variant: Variant, report: str) -> str:
    return next(line for line in report.splitlines() if line.startswith(f"  {variant} "))


def test_report_is_a_table_with_one_line_for_each_way_and_a_command() -> None:
    report = text(comparison(PURE_PYTHON, noise=0.0, not_possible={INTERPRETERS: "the function imports numpy"}))
    table = "\n".join(report.splitlines()[3:9])
    assert table == (
        "  way              speed-up            cores busy  verdict\n"
        "  serial           1                   1.0 of 2    the baseline\n"
        "  threads ×2       0.98× [0.98, 0.98]  1.0 of 2    the GIL lets one thread compute at a time; slower\n"
        "  processes ×2     1.95× [1.95, 1.95]  2.0 of 2    pays\n"
        "  mpi ×2           1.96× [1.96, 1.96]  2.0 of 2    pays; the only one that goes beyond this machine\n"
        "  interpreters ×2  not possible: the function imports numpy"
    )
    assert "\n  fullrank run study.toml -b processes -n 2\n" in report
    assert "11 rounds, 400 of 2,000 items each time" in report


@pytest.mark.parametrize("width", [60, 80, 100, 140])
@pytest.mark.parametrize(
    "found",
    [
        whole(),
        comparison(PURE_PYTHON, n_rounds=5),
        comparison({SERIAL: Way(0.05), PROCESSES: Way(0.03, 2.0, 0.4)}, n_items=500, n_sampled=500, noise=0.5),
        comparison(
            {SERIAL: Way(4.0), **{Variant("processes", n): Way(4.0 / n, n) for n in (2, 4, 8, 16, 32, 64)}}, noise=0.4
        ),
        comparison({SERIAL: Way(4.0)}, not_possible={MPI: f"no mpiexec here; {'install one; ' * 20}"}),
        stopped(whole(), after=3),
        stopped(whole(), after=1),
    ],
)
def test_no_line_but_a_command_is_wider_than_asked(found: Comparison, width: int) -> None:
    lines = [line for line in text(found, width=width).splitlines() if not line.startswith("  fullrank ")]
    assert max(map(len, lines)) <= width


@pytest.mark.parametrize("width", [60, 80, 100, 140])
def test_no_figure_is_lost_for_want_of_room(width: int) -> None:
    found = whole()
    report = text(found, width=width)
    assert "…" not in report
    for figure in ("command", "makespan", "start+end", "CPU", "balance", "items/s", "whole study"):
        assert any(line.startswith("  way ") and figure in line for line in report.splitlines())


def test_verdicts_stand_below_their_figures_where_they_have_no_room_beside_them() -> None:
    lines = text(whole(), width=60).splitlines()
    assert lines[lines.index(line_of(THREADS, "\n".join(lines))) + 1] == (
        "      the GIL lets one thread compute at a time; slower"
    )


def test_wide_terminal_has_each_verdict_on_one_line() -> None:
    crowded = {SERIAL: Way(4.0), Variant("mpi", 8): Way(2.04, cores_busy=2.0, around=0.5)}
    said = "pays; 8 workers take turns on 2 usable cores (oversubscribed); the only one that goes beyond this machine"
    assert said not in text(comparison(crowded), width=100)
    assert said in text(comparison(crowded), width=160)


def test_path_of_the_study_stays_whole() -> None:
    path = f"/home/ada/{'a' * 80}/study.toml"
    assert path in text(replace(whole(), config_path=path), width=60).partition("Recommended")[0]


def test_way_is_not_split_from_its_number_of_workers() -> None:
    report = text(whole(), width=60)
    assert not [line for line in report.splitlines() if line.lstrip().startswith("×")]


@pytest.mark.parametrize("columns", [60, 140])
def test_terminal_gets_a_report_of_its_width(columns: int, tmp_path: Path) -> None:
    write_comparison(tmp_path / "compare.h5", whole())
    shown = on_terminal([sys.executable, "-m", "fullrank", "report", tmp_path / "compare.h5"], columns=columns)
    assert shown.strip() == text(whole(), width=columns).strip()


def on_terminal(words: Sequence[object], *, columns: int) -> str:
    """Run a program on a terminal of its own; return what it shows there."""
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    with subprocess.Popen(list(map(str, words)), stdin=subprocess.DEVNULL, stdout=its, stderr=its):
        os.close(its)
        shown = b""
        with suppress(OSError):  # Linux: the other end was closed
            while got := os.read(ours, 65536):
                shown += got
    os.close(ours)
    return shown.decode().replace("\r\n", "\n")


def test_no_mpiexec_is_shown_with_the_way_to_get_it() -> None:
    cure = "no mpiexec here; install one: pip install 'fullrank[mpich]'"
    report = text(comparison({SERIAL: Way(4.0)}, not_possible={MPI: cure}))
    assert f"not possible: {cure}" in " ".join(report.split())


def test_stopped_comparison_says_so_in_its_second_line_and_keeps_what_was_measured() -> None:
    report = text(stopped(whole(), after=4 * 9 + 2))
    assert "stopped in round 10 of 11" in report.splitlines()[1]
    assert "9 of 11 rounds are whole" in report
    assert "1.9" in line_of(PROCESSES, report)


@pytest.mark.parametrize(("after", "in_round"), [(3, 1), (4, 2), (5, 2), (8, 3), (43, 11)])
def test_stop_is_told_with_the_round_that_it_came_in(after: int, in_round: int) -> None:
    assert f"stopped in round {in_round} of 11" in text(stopped(whole(), after=after))


def test_way_that_never_ran_is_told_as_not_measured() -> None:
    assert "not measured" in line_of(MPI, text(stopped(whole(), after=2)))


def test_too_few_rounds_show_medians_without_intervals_and_no_recommendation() -> None:
    report = text(comparison(PURE_PYTHON, n_rounds=5))
    assert "[" not in line_of(PROCESSES, report)
    assert "too few rounds: a verdict takes 7" in line_of(PROCESSES, report)
    assert (
        "No recommendation yet\n  fullrank compare study.toml --backends threads,processes,mpi -n 2 --rounds 11\n"
        in report
    )


def test_end_of_an_interval_that_excludes_1_is_never_spelled_as_1() -> None:
    slightly = {SERIAL: Way(4.0), PROCESSES: Way(3.99)}
    assert "1.00× [1.003, 1.003]" in text(comparison(slightly, noise=0.0))


def test_text_from_outside_cannot_steer_the_terminal() -> None:
    found = replace(whole(), title="A\x1b[2Jtitle", notes=("a\x07note",), not_possible={INTERPRETERS: "no\x1b[0m"})
    report = text(found)
    assert all(character.isprintable() or character == "\n" for character in report)


def test_study_of_one_item_has_no_plural() -> None:
    one = {SERIAL: Way(0.05, longest=0.05), PROCESSES: Way(0.06, 1.0, 0.35, compute=0.05, longest=0.05)}
    report = text(comparison(one, n_items=1, n_sampled=1))
    assert "11 rounds, 1 item each time" in report
    assert "1 items" not in report
    assert "all 1" not in report


def test_machine_is_named() -> None:
    assert "Machine  Example CPU, 2 usable cores (2 physical), Python 3.11.7, GIL enabled\n" in text(whole())


def test_notes_of_the_measurement_are_told() -> None:
    assert "  - The network was slow.\n" in text(replace(whole(), notes=("The network was slow.",)))


def test_mapping_for_programs_is_json_with_every_raw_value() -> None:
    found = whole()
    told = json.loads(json.dumps(to_dict(found), allow_nan=False))
    ways = {(way["backend"], way["n_workers"]): way for way in told["ways"]}
    assert list(ways) == [("serial", 1), ("threads", 2), ("processes", 2), ("mpi", 2), ("interpreters", 2)]
    assert ways["interpreters", 2]["outcome"] == "not possible"
    for number, variant in enumerate(found.variants):
        raw = [m.makespan_seconds for m in found.measurements if m.variant == number]
        assert [m["makespan_seconds"] for m in ways[variant.backend, variant.n_workers]["measurements"]] == raw
    assert ways["processes", 2]["speedup"]["interval"][0] > 1
    assert told["recommendation"]["way"] == {"backend": "processes", "n_workers": 2}
    assert ways["threads", 2]["measurements"][0]["others_cores"] is None  # unknown


def test_stopped_comparison_is_json_too() -> None:
    told = json.loads(json.dumps(to_dict(stopped(whole(), after=1)), allow_nan=False))
    assert told["partial"] is True
    assert told["recommendation"]["way"] is None
    assert THREADS.backend in {way["backend"] for way in told["ways"]}
