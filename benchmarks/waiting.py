"""What a rank costs that has nothing to do: waiting for another one's item, and root's timer where nobody asks."""

import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from harness import Limit, Raw, Sample, Samples, column, figure, table, take_rounds
from programs import HERE, MPI_LIBRARIES, OWN, Bench, Environment, ProgramError, run, watch, with_libraries

from fullrank.store import ResultFile

TITLE = "Waiting"
ITEMS = HERE / "peers" / "sleeping.py"
LONG_SECONDS, SHORT_SECONDS = 30.0, 1.0
QUICK_SECONDS = 4.0
MARGIN_SECONDS = 2.0
"""Left out at the begin of the wait: a rank has its share of the end of its own work."""
N_ROUNDS = 3
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
        """Return the percent of a core that a process used in between."""
        seen = [entry for entry in self.moments[pid] if begin <= entry[0] <= end]
        if len(seen) < 2:
            return 0.0
        (first, used_first), (last, used_last) = seen[0], seen[-1]
        return 100 * (used_last - used_first) / (last - first)


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
        programs[_tick_name(name)] = partial(_tick, environment, bench.scratch, OVER_NETWORK[name])
    command = [*OWN.fullrank, "run", "-b", "processes", "-n", "2"]
    programs[PROCESSES] = partial(_wait, command, bench.scratch, seconds=seconds, rank=0)
    n_rounds = 1 if bench.quick else min(N_ROUNDS, bench.n_rounds)
    raw = take_rounds(programs, n_rounds, tell=bench.tell)
    return raw | {"seconds": seconds}


def _tick_name(library: str) -> str:
    return f"{library}: root's timer where nobody asks"


def _tick(environment: Environment, folder: Path, variables: Sequence[str]) -> Sample:
    told = run(["env", *variables, *environment.mpiexec(2), *environment.script("tick.py")], folder=folder).told()
    return {name: float(told[name]) for name in ("tick_microseconds", "period_milliseconds")}


def _wait(command: Sequence[str], folder: Path, *, seconds: float, rank: int) -> Sample:
    """Return the percent of a core that those use who wait for the long item, and all together."""
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
    watch([*command, str(study), "-o", str(output)], folder=folder, look=watched.look)
    with ResultFile(output) as file:
        pids, begun, ended = (file.array(name).tolist() for name in ("pid", "begun", "ended"))
    output.unlink()
    long = max(range(2), key=lambda item: ended[item] - begun[item])
    begin, end = ended[1 - long] + MARGIN_SECONDS, ended[long]
    if pids[0] == pids[1]:
        raise ProgramError("one worker ran both items: nobody waited")
    shares = {pid: watched.share(pid, begin, end) for pid in watched.moments}
    waiting = pids[1 - long] if watched.moments[pids[1 - long]][-1][0] >= end else next(iter(watched.moments))
    return {"waiting_percent": shares[waiting], "all_percent": sum(shares.values())}


def report(raw: Raw) -> str:
    """Return the section as Markdown."""
    samples: Samples = raw["samples"]
    n_rounds = len(next(iter(samples.values())))
    rows = []
    for name in samples:
        if "tick_microseconds" in samples[name][0]:
            continue
        rows.append([name, *_worst(column(samples, name, "waiting_percent"), ASKED_WAITING)])
        rows.append(["· all processes of the run together", *_worst(column(samples, name, "all_percent"), None)])
    ticks = []
    for name in MPI_LIBRARIES:
        if _tick_name(name) in samples:
            tick, period = (
                column(samples, _tick_name(name), key) for key in ("tick_microseconds", "period_milliseconds")
            )
            shares = [0.1 * one / other for one, other in zip(tick, period, strict=True)]
            ticks.append([f"{_tick_name(name)}, every {period[0]:g} ms: % of its time", *_worst(shares, ASKED_TICK)])
            ticks.append(["· µs a tick", *_worst(tick, None)])
    heads = ["% of a core", "median", "worst", "asked", "verdict"]
    return "\n\n".join(
        [
            f"One worker sleeps in an item of {raw['seconds']:g} s, the other one has finished and waits: what the "
            "waiting process uses of a core meanwhile, by the kernel's count, all its threads included; and all "
            "processes of the run, launchers and those that only watch included. Root's timer answers ranks of other "
            "hosts while root computes; here both ranks are on one host and are kept from its shared memory, and what "
            f"a tick takes is timed by raising its signal. Verdicts are on the worst of {n_rounds} rounds.",
            table(heads, rows),
            table(["root's timer", *heads[1:]], ticks),
        ]
    )


def _worst(values: Sequence[float], limit: Limit | None) -> list[str]:
    cells = [figure(values, digits=2)[0], f"{max(values):.2f}", "", ""]
    if limit is not None:  # it varies little, and the worst of the rounds counts
        cells[2:] = [str(limit), "holds" if limit.holds(max(values)) else "DOES NOT HOLD"]
    return cells
