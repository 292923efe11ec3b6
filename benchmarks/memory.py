"""The most memory each rank of a large run takes."""

import re
from pathlib import Path
from statistics import median

import studies
from harness import Limit, Raw, neighbours, table
from programs import OWN, Bench, ProgramError, watch

TITLE = "Memory"
ASKED = {"0": Limit(250), "1": Limit(150)}
N_ROUNDS = 3
RANK_VARIABLES = ("PMI_RANK", "OMPI_COMM_WORLD_RANK")
COUNTS = ("VmHWM", "RssAnon")
"""Peak of all that is resident; and of that what is no file's (libraries are shared by the ranks of a node)."""


def measure(bench: Bench) -> Raw:
    """Run many no-op items on two ranks, and look at them every 50 ms."""
    n_items = 1_000_000 if bench.quick else 10_000_000
    config = studies.write_doing_nothing(bench.scratch / "memory.toml", n_items)
    output = bench.scratch / "memory.h5"
    command = [*OWN.mpiexec(2), *OWN.fullrank, "run", str(config), "-o", str(output), "--quiet"]
    n_rounds = min(N_ROUNDS, bench.n_rounds)
    raw: Raw = {"n_items": n_items, "rounds": []}
    with neighbours(raw):
        for number in range(n_rounds):
            bench.tell(f"round {number + 1} of {n_rounds}: {n_items:,} items")
            raw["rounds"].append(_watched(command, bench.scratch))
            output.unlink()
    return raw


def _watched(command: list[str], folder: Path) -> Raw:
    """Return the peaks in MB of each rank, by rank, and the seconds of the command."""
    peaks: dict[str, dict[str, float]] = {}

    def look(pids: list[int]) -> None:
        for pid in pids:
            _look(pid, peaks)

    wall_seconds = watch(command, folder=folder, look=look)
    if not peaks:
        raise ProgramError("no rank was seen: is the launcher's rank variable another one?")
    return {"peaks_mb": peaks, "wall_seconds": round(wall_seconds, 3)}


def _look(pid: int, peaks: dict[str, dict[str, float]]) -> None:
    """Note what a process holds if it is a rank."""
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace")
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:  # it has ended
        return
    variables = dict(entry.split("=", 1) for entry in environment.split("\0") if "=" in entry)
    rank = next((variables[name] for name in RANK_VARIABLES if name in variables), None)
    if rank is None:
        return
    known = peaks.setdefault(rank, dict.fromkeys(COUNTS, 0.0))
    for name in COUNTS:
        found = re.search(rf"^{name}:\s+(\d+) kB", status, re.MULTILINE)
        if found:
            known[name] = round(max(known[name], int(found[1]) * 1024 / 1e6), 1)


def report(raw: Raw) -> str:
    """Return the section as Markdown."""
    rows = []
    for rank in sorted(raw["rounds"][0]["peaks_mb"]):
        for name, what in (("VmHWM", "resident"), ("RssAnon", "of it no file's")):
            values = [entry["peaks_mb"][rank][name] for entry in raw["rounds"]]
            limit = ASKED.get(rank) if name == "VmHWM" else None
            label = f"{'root' if rank == '0' else 'the other rank'}: {what}"
            rows.append([label, f"{median(values):,.0f}", f"{max(values):,.0f}", *_judged(max(values), limit)])
    seconds = ", ".join(f"{entry['wall_seconds']:.0f}" for entry in raw["rounds"])
    n_rounds = len(raw["rounds"])
    return "\n\n".join(
        [
            f"{raw['n_items']:,} items of one float on two ranks; peaks in MB (10^6 bytes). The verdict is on the "
            f"worst of {n_rounds} rounds, for peaks vary little: it says what was seen, not with which confidence "
            f"another run stays below. The commands took {seconds} s.",
            table(["peak, MB", "median", "worst", "asked", f"verdict on the worst of {n_rounds}"], rows),
        ]
    )


def _judged(worst: float, limit: Limit | None) -> list[str]:
    return ["", ""] if limit is None else [str(limit), "holds" if limit.holds(worst) else "DOES NOT HOLD"]
