"""What stands around the sections of ``make bench``: cores, the state of the code, what is kept, what is judged."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from benchmark_modules import BENCHMARKS, imported

MACHINE = {
    "processor": "A",
    "cores": 2,
    "kernel": "Linux 1",
    "python": "3.11.7",
    "mpi": "MPICH",
    "packages": {"numpy": "2"},
}


@pytest.fixture(scope="module")
def frame() -> Iterator[Any]:
    names = ("bench", "gather", "harness", "machine", "memory", "overhead", "programs")
    with imported(*names) as modules:
        yield SimpleNamespace(**dict(zip(names, modules, strict=True)))


@pytest.fixture
def affinity() -> Iterator[None]:
    """This process's cores, which are given back."""
    cores = os.sched_getaffinity(0)
    yield
    os.sched_setaffinity(0, cores)


def memory_part(frame: Any, **kept: Any) -> dict[str, Any]:
    peaks = {"0": {"VmHWM": 200.0, "RssAnon": 100.0}, "1": {"VmHWM": 170.0, "RssAnon": 50.0}}
    rounds = [{"peaks_mb": peaks, "wall_seconds": 20.0}] * 3
    return {"date": "2026-11-27", "raw": {"n_items": 10, "rounds": rounds, "others_share": 0.01}} | kept


def page(frame: Any, machine: dict[str, Any] = MACHINE, **sections: Any) -> dict[str, Any]:
    return {"format": frame.bench.FORMAT, "machine": machine, "sections": sections}


def test_two_cores_are_hyper_threads_of_one_only_where_there_is_no_other(frame: Any) -> None:
    assert frame.machine.two_of({2: "2,3", 3: "2,3", 8: "8,9"}) == [2, 8]
    assert frame.machine.two_of({2: "2,3", 3: "2,3"}) == [2, 3]


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="there is one core")
def test_what_is_started_has_two_cores_however_many_there_are(frame: Any, affinity: None) -> None:
    told = frame.machine.keep_to_two_cores(quick=False)
    asked = "import os; print(len(os.sched_getaffinity(0)))"
    child = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert child.stdout == "2\n"
    assert told["bound_cores"] == 2
    assert "of which two" in frame.machine.spelled(told)["bound_cores"]


def test_one_core_is_refused_except_for_a_quick_run(frame: Any, affinity: None) -> None:
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    with pytest.raises(frame.programs.ProgramError, match=r"^expected two usable cores, .* and there is one$"):
        frame.machine.keep_to_two_cores(quick=False)
    assert frame.machine.keep_to_two_cores(quick=True)["bound_cores"] == 1


@pytest.mark.parametrize(
    ("path", "expected"), [("/tmp/a/b", "tmpfs"), ("/tmpdir", "ext4"), ("/var/x", "xfs"), ("/var/x/y z", "xfs")]
)
def test_the_file_system_is_the_one_mounted_nearest_and_last(frame: Any, path: str, expected: str) -> None:
    mounts = "a / ext4 rw 0 0\nb /tmp tmpfs rw 0 0\nc /var overlay rw 0 0\nd /var xfs rw 0 0\n"
    assert frame.machine.file_system(Path(path), mounts) == expected


def test_files_in_memory_are_warned_of_and_those_on_disk_are_named(frame: Any) -> None:
    in_memory = frame.bench._head(MACHINE | {"scratch": "tmpfs", "memory_gb": 25})
    assert "files on tmpfs" in in_memory
    assert "25 GB of memory" in in_memory
    assert "measure again with TMPDIR on a disk" in in_memory
    assert "measure again" not in frame.bench._head(MACHINE | {"scratch": "ext4"})


def git(tree: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=x", "-c", "user.email=x@localhost")
    return subprocess.run(["git", *identity, *arguments], cwd=tree, capture_output=True, text=True, check=True).stdout


def test_the_state_of_the_code_leaves_out_what_a_measurement_writes(frame: Any, tmp_path: Path) -> None:
    assert frame.machine.state_of_code(tmp_path) == {}
    for name in ("src/a.py", "benchmarks/bench.py", "benchmarks/RESULTS.md", "docs/b.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("1\n")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "-m", "one")
    commit = git(tmp_path, "rev-parse", "HEAD")[:12]
    for name in ("benchmarks/RESULTS.md", "benchmarks/raw.h5", "docs/b.md"):
        (tmp_path / name).write_text("2\n")
    assert frame.machine.state_of_code(tmp_path) == {"commit": commit, "has_changes": False}
    (tmp_path / "src" / "new.py").write_text("1\n")
    assert frame.machine.state_of_code(tmp_path) == {"commit": commit, "has_changes": True}


def test_sections_of_another_machine_are_kept_and_say_in_what_it_was_another(frame: Any) -> None:
    old = page(frame, memory=memory_part(frame))
    newer = MACHINE | {"kernel": "Linux 2", "packages": {"numpy": "3"}}
    new = page(frame, newer, isolation={"date": "2026-11-28", "raw": {}, "machine": newer})
    merged = frame.bench._merged(old, new)
    assert merged["machine"] == newer
    assert merged["sections"].keys() == {"memory", "isolation"}
    text = frame.bench._section("memory", merged["sections"]["memory"], merged["machine"])
    assert "Measured 2026-11-27, on another machine or with other versions (Linux 1, numpy 2); meanwhile" in text
    # and after a third page, of the first machine again, it has nothing to say
    again = frame.bench._merged(merged, page(frame, MACHINE))
    assert "another machine" not in frame.bench._section("memory", again["sections"]["memory"], again["machine"])


def test_a_section_names_its_commit_and_old_ones_say_nothing(frame: Any) -> None:
    part = memory_part(frame, commit="0123456789ab", has_changes=False, seconds=90.0, machine=MACHINE)
    assert "Measured 2026-11-27 of commit 0123456789ab, which took 1.5 min; meanwhile" in frame.bench._section(
        "memory", part, MACHINE
    )
    changed = frame.bench._section("memory", part | {"has_changes": True}, MACHINE)
    assert "commit 0123456789ab **with changes that are not in it**" in changed
    assert "commit" not in frame.bench._section("memory", memory_part(frame), MACHINE)


def test_a_section_that_fails_keeps_its_figures_with_their_date_and_says_so(frame: Any) -> None:
    failed = page(frame, memory={"failed": "2026-11-28"}, overhead={"failed": "2026-11-28"})
    text = frame.bench.render(frame.bench._merged(page(frame, memory=memory_part(frame)), failed))
    assert "**Not measured on 2026-11-28**: it failed; the figures are those of an earlier day." in text
    assert "Measured 2026-11-27; meanwhile" in text
    assert "**Not measured on 2026-11-28**: it failed; there are no earlier figures." in text
    after = frame.bench._merged(page(frame, memory={"failed": "2026-11-28"}), page(frame, memory=memory_part(frame)))
    assert "Not measured" not in frame.bench.render(after)


@pytest.mark.parametrize("error", ["ProgramError", "KeyError"])
def test_a_section_that_fails_does_not_keep_the_next_one_from_being_measured(
    frame: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, error: str
) -> None:
    def fail(bench: Any) -> None:
        raise (frame.programs.ProgramError if error == "ProgramError" else KeyError)("no such rank")

    told: list[str] = []
    monkeypatch.setattr(frame.bench, "_tell", told.append)
    monkeypatch.setattr(frame.overhead, "measure", fail)
    monkeypatch.setattr(frame.memory, "measure", lambda bench: memory_part(frame)["raw"])
    monkeypatch.setattr(frame.bench, "HERE", tmp_path)
    asked = frame.programs.Bench(tmp_path, n_rounds=6, quick=False, tell=told.append)
    assert frame.bench._measure_all(["overhead", "memory"], asked, MACHINE, {"commit": "x", "has_changes": False}) == 1
    assert any("no such rank" in text for text in told)
    kept = frame.bench._load(tmp_path / "raw.h5")["sections"]
    assert kept["memory"]["commit"] == "x"
    assert kept["memory"]["machine"] == MACHINE
    assert (tmp_path / "RESULTS.md").read_text() == frame.bench.render(frame.bench._load(tmp_path / "raw.h5")) + "\n"


def test_stopped_measurement_says_what_is_kept(frame: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(bench: Any) -> Any:
        raise KeyboardInterrupt

    told: list[str] = []
    monkeypatch.setattr(frame.bench, "_tell", told.append)
    monkeypatch.setattr(frame.memory, "measure", lambda bench: memory_part(frame)["raw"])
    monkeypatch.setattr(frame.overhead, "measure", stop)
    monkeypatch.setattr(frame.bench, "HERE", tmp_path)
    asked = frame.programs.Bench(tmp_path, n_rounds=6, quick=False, tell=told.append)
    assert (
        frame.bench._measure_all(["memory", "overhead"], asked, MACHINE, {"commit": "x", "has_changes": False}) == 130
    )
    assert told[-1].startswith("stopped in overhead, of which nothing is kept; written: ")
    assert frame.bench._load(tmp_path / "raw.h5")["sections"].keys() == {"memory"}


def test_without_strace_earlier_figures_stay(frame: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    told: list[str] = []
    monkeypatch.setattr(frame.bench, "_tell", told.append)
    part = frame.bench._measured("files", frame.programs.Bench(tmp_path, n_rounds=6, quick=False, tell=told.append))
    assert part.keys() == {"failed"}
    assert told == ["not measured: strace is not installed"]


@pytest.mark.parametrize("kept", [None, {"format": 1, "sections": {}}])
def test_nothing_is_rendered_of_what_is_not_there_or_of_another_format(
    frame: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: dict[str, Any] | None
) -> None:
    monkeypatch.setattr(frame.bench, "HERE", tmp_path)
    if kept is not None:
        frame.bench.rawfile.save(tmp_path / "raw.h5", kept)
    before = [(path.name, path.read_bytes()) for path in tmp_path.iterdir()]
    with pytest.raises(frame.bench.ProgramError, match=r"there is none to render|its format is 1, not 2"):
        frame.bench._render_again()
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == before


def test_section_that_is_asked_for_twice_is_measured_once(frame: Any) -> None:
    assert frame.bench._sections("files,memory,files") == ["files", "memory"]


def test_nothing_is_judged_while_others_were_busy(frame: Any) -> None:
    quiet = memory_part(frame)
    busy = memory_part(frame, raw=quiet["raw"] | {"others_share": 0.06})
    judged, withheld = (frame.bench._section("memory", part, MACHINE) for part in (quiet, busy))
    assert judged.count("holds") == 1
    assert judged.count("DOES NOT HOLD") == 1
    assert "holds" not in withheld
    assert "DOES NOT HOLD" not in withheld
    assert withheld.count(frame.bench.NOT_JUDGED) == 2
    assert "too much for verdicts" in withheld
    assert "verdict on the worst of 3" in withheld
    assert "≤ 250" in withheld


def command(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, str(BENCHMARKS / "bench.py"), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("rounds", ["0", "5", "-1", "many"])
def test_fewer_rounds_than_give_an_interval_are_refused(rounds: str) -> None:
    done = command(f"--rounds={rounds}", "--render")
    assert done.returncode == 2
    assert f"expected a whole number from 6 on, for fewer rounds give no interval of 95 %, got {rounds}" in done.stderr


def test_help_says_which_sections_have_their_own_rounds() -> None:
    told = " ".join(command("--help").stdout.split())
    assert "rounds (9), at least 6; gather takes 7 at most, memory takes 3 at most" in told


def test_what_will_be_measured_is_told_with_the_minutes_of_last_time(
    frame: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr(frame.bench, "_tell", told.append)
    frame.bench._announce(["memory", "files"], page(frame, memory={"seconds": 90.0}, scale={"seconds": 600.0}))
    assert told[1:] == ["  memory: 1.5", "  files: not known", "in all 2 min, and those that are not known"]


def gathered(n_rounds: int, factor: float) -> dict[str, Any]:
    own = {"gather": 4.0, "write": 6.0, "verify": 5.0, "gather_cpu": 5.0, "write_cpu": 11.0, "verify_cpu": 6.0}
    plain = {"write": 8.0, "check": 4.0, "write_cpu": 8.0, "check_cpu": 4.0}

    def sample(parts: dict[str, float]) -> dict[str, float]:
        return {f"{part}_seconds": seconds * factor for part, seconds in parts.items()}

    samples = {
        "fullrank gather": [sample(own) | {"growth_mb": 90.0}] * n_rounds,
        "plain h5py": [sample(plain)] * n_rounds,
    }
    return {"samples": samples, "restarts": [], "others_share": 0.0}


def test_gathering_is_told_by_the_clock_and_by_cpu_on_two_cores_and_on_one(frame: Any) -> None:
    runs = [{"gather_seconds": 1.0, "write_seconds": seconds} for seconds in (9.0, 3.0, 7.0)]
    raw = {"n_items": 10_000_000, "at_end": {"runs": runs, "others_share": 0.2}, "one_core": gathered(3, 2.0)}
    raw |= gathered(7, 1.0)
    text = " ".join(frame.gather.report(raw).replace("|", " ").split())
    assert "gathering and writing / of h5py's writing, wall** 0.80 0.80 to 0.80 ≥ 0.5 holds" in text
    assert "the same, CPU 0.50 0.50 to 0.50 the same, wall, verification too 0.53 0.53 to 0.53" in text
    assert "with verification / of h5py's writing and reading back, wall 0.80 0.80 to 0.80 **growth" in text
    assert "file written 0.600 0.600 to 0.600 1.100 1.100 to 1.100" in text
    assert "in 3 rounds, of which nothing is asked: median least most" in text
    assert "gathering and writing, µs an item 2.000 2.000 2.000" in text
    assert "gathering and writing, µs an item 0.800 0.400 1.000" in text  # at the end of runs
    assert "wall 1.00 0.80 2.00" in text
    section = frame.bench._section("gather", {"date": "1", "raw": raw}, MACHINE)
    assert "other programs used 20.0 % of the cores" in section
    assert "holds" not in section


def doing_nothing(n_rounds: int) -> dict[str, Any]:
    account = {"elapsed_seconds": 1.5, "compute_seconds": 0.6, "claim_seconds": 0.1, "journal_seconds": 0.1}
    samples: dict[str, Any] = {"bare loop": [{"loop_seconds": 0.5}] * n_rounds}
    for name in ("serial", "mpi, 1 rank"):
        samples[name] = [{"wall_seconds": 3.0, "cpu_seconds": 4.0, **account}] * n_rounds
        samples[f"{name}, one item"] = [{"wall_seconds": 1.0, "cpu_seconds": 1.0, **account}] * n_rounds
    samples["plain h5py"] = [{"write_seconds": 0.3, "check_seconds": 0.3}] * n_rounds
    return {"n_items": 1_000_000, "samples": samples, "restarts": []}


def test_overhead_tells_cpu_time_and_nothing_is_asked_of_both_together(frame: Any) -> None:
    text = " ".join(frame.overhead.report(doing_nothing(7)).replace("|", " ").split())
    assert "serial: both 1.500 1.500 to 1.500 serial: CPU of the whole command, less that of one item 3.000" in text
    assert "mpi, 1 rank: CPU of the whole command, less that of one item 3.000" in text


def test_a_program_is_told_with_the_cpu_time_of_all_its_processes(frame: Any, tmp_path: Path) -> None:
    spin = "import time\nwhile time.process_time() < 0.2: pass"
    two = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {spin!r}])\n{spin}"
    finished = frame.programs.run([sys.executable, "-c", two], folder=tmp_path)
    assert finished.cpu_seconds >= 0.4
