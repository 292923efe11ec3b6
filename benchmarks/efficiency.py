"""How much of two cores reaches the items: fullrank, its peers, and what the machine itself allows."""

from collections.abc import Callable, Mapping

import efficiency_report
import studies
from harness import Raw, take_rounds
from lineup import KNOWN, PACKAGES, RANKS, Lineup
from programs import OWN, PEERS, Bench, ProgramError, run
from starts import N_CORES, Workload, iterations_per_second

TITLE = "Efficiency on two cores, beside the peers"
report = efficiency_report.report


def measure(bench: Bench) -> Raw:
    """Measure all workloads; returns per workload its size, what was tried before the first round, and the samples."""
    per_second = iterations_per_second(bench.scratch)
    share = 10 if bench.quick else 1
    installed = _installed(bench)
    raw: Raw = {"peers": installed}
    for name, make, n_items, line_up in _WORKLOADS:
        workload = Workload(bench.scratch, name, make(n_items // share, per_second))
        raw[name] = _measure_one(bench, workload, installed, line_up)
    return raw


def _measure_one(
    bench: Bench, workload: Workload, installed: Mapping[str, str], line_up: Callable[[Lineup, Workload], None]
) -> Raw:
    lineup = Lineup(bench, workload, installed)
    line_up(lineup, workload)
    raw: Raw = {
        "n_items": len(workload.work),
        "least_makespan_share": studies.least_makespan(workload.work, N_CORES),
        "trials": lineup.trials,
        "aside": sorted(lineup.aside),
    }
    rounds = take_rounds(lineup.programs, bench.n_rounds, tell=bench.tell, aside=lineup.aside)
    rounds["restarts"] = [*lineup.restarts, *rounds["restarts"]]
    return raw | rounds


def _installed(bench: Bench) -> dict[str, str]:
    """Return the versions of the peers that are installed, of the Python that runs them and of their MPI library.

    Raises ProgramError if it is another Python than that of fullrank: items would take another time.
    """
    installed = dict(run(PEERS.script("versions.py", *PACKAGES), folder=bench.scratch).told())
    own = run(OWN.script("versions.py"), folder=bench.scratch).told()
    if installed["python"] != own["python"]:
        raise ProgramError(
            f"peers are installed beside Python {installed['python']}, and fullrank beside {own['python']}: "
            "delete .venv-bench, and `make bench` makes it again"
        )
    return installed


def _beside_all(lineup: Lineup, workload: Workload) -> None:
    lineup.add_limits()
    lineup.add_fullrank(workload.config)
    lineup.add_mpi_peers()
    lineup.add_process_pools()


def _with_costs(lineup: Lineup, workload: Workload) -> None:
    """Add those for which the order of the items matters: on two ranks a peer has one worker, which needs them all."""
    lineup.add_limits()
    lineup.add_fullrank(workload.config_with_costs, KNOWN)
    lineup.add_fullrank_mpi(workload.config)
    for presorted in (False, True):
        lineup.add_mpi_peers_aside(RANKS[1:], presorted=presorted)
        lineup.add_pool(presorted=presorted)


_WORKLOADS: tuple[tuple[str, Callable[[int, float], list[int]], int, Callable[[Lineup, Workload], None]], ...] = (
    ("heavy", studies.heavy_tailed, 600, _beside_all),
    ("equal", studies.equal, 400, _beside_all),
    ("one-long", studies.one_long, 361, _with_costs),
)
