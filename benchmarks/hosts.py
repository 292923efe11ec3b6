"""Two hosts over TCP: how long a claim waits while root computes, and what of two cores reaches the items.

It is run where two hosts can be reached by ssh without a password and see this folder, once with the
Python of each MPI library:

    python benchmarks/hosts.py n1 n2 [--ssh PROGRAM] [--rounds 6] >> benchmarks/HOSTS.md
"""

import argparse
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import machine
import numpy as np
from harness import FIGURE_HEADS, Limit, drawn_order, figure, table
from numpy.typing import NDArray

from fullrank.store import ResultFile

ITEM = """\
import os, time
RANK = int(os.environ.get("PMI_RANK", os.environ.get("OMPI_COMM_WORLD_RANK", "0")))

def f(k, of_root, of_others):
    begun = time.time()
    end = begun + (of_others if RANK else of_root)
    while time.time() < end:
        for _ in range(1000):
            pass
    return {"rank": RANK, "begun": begun, "ended": time.time()}
"""
ROOT_SECONDS = 2.0
OTHER_SECONDS = 0.6
"""Long enough that each claim is of one item."""
N_WAITED = 40
EQUAL_SECONDS, N_EQUAL = 0.5, 40
LONGEST_WAIT_MS = {"mpich": 30.0, "openmpi": 40.0}
LEAST_RATIO = 0.98
TIME_LIMIT_SECONDS = 200
BIN = Path(sys.executable).parent


def main() -> None:
    """Measure and write the section as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("hosts", nargs=2)
    parser.add_argument("--ssh", default=os.environ.get("FC_SSH", "ssh"), help="program that stands for ssh")
    parser.add_argument("--rounds", type=int, default=6)
    arguments = parser.parse_args()
    library = "mpich" if (BIN / "mpichversion").exists() else "openmpi"
    two, one = [(host, 1) for host in arguments.hosts], [(arguments.hosts[0], 2)]
    waits: list[float] = []
    efficiencies: dict[str, list[float]] = {"two": [], "one": []}
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        bench = _Bench(Path(folder), library, arguments.ssh)
        waited = bench.run(two, n_items=N_WAITED, of_root=ROOT_SECONDS, of_others=OTHER_SECONDS)
        waits = _gaps_ms(*waited)
        ways, seed = {"two": two, "one": one}, random.randrange(2**32)
        for number in range(arguments.rounds):
            for name in drawn_order(list(ways), (), number, seed):
                hosts = ways[name]
                _, begun, ended = bench.run(hosts, n_items=N_EQUAL, of_root=EQUAL_SECONDS, of_others=EQUAL_SECONDS)
                efficiencies[name].append(N_EQUAL * EQUAL_SECONDS / 2 / float(ended.max() - begun.min()))
    sys.stdout.write(_section(bench, waits, efficiencies))


class _Bench:
    """Starts studies on hosts."""

    def __init__(self, folder: Path, library: str, ssh: str) -> None:
        self._folder, self.library, self._ssh = folder, library, ssh
        self.name = ""
        """Of the MPI library, as the last run tells it."""
        (folder / "sim.py").write_text(ITEM)

    def run(
        self, hosts: Sequence[tuple[str, int]], *, n_items: int, of_root: float, of_others: float
    ) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
        """Return rank, begin and end of each item, of the time that the hosts share; s."""
        constants = f"[workload.constants]\nof_root = {of_root}\nof_others = {of_others}\n"
        text = f'[workload]\nfunction = "sim.py:f"\n{constants}[sweep.grid]\nk = {{ range = {n_items} }}\n'
        (self._folder / "study.toml").write_text(text)
        output = self._folder / "study.h5"
        words = [*self._launcher(hosts), sys.executable, "-m", "fullrank", "run", "study.toml", "-o", str(output)]
        subprocess.run(
            words,
            cwd=self._folder,
            env=self._environment(len(hosts)),
            check=True,
            timeout=TIME_LIMIT_SECONDS,
            stdout=sys.stderr,
        )
        with ResultFile(output) as file:
            self.name = str(file.provenance().get("mpi_library", self.library))
            found = file.array("rank"), file.array("begun"), file.array("ended")
        output.unlink()
        return found

    def _launcher(self, hosts: Sequence[tuple[str, int]]) -> list[str]:
        path = self._folder / "hosts"
        line = "{}:{}\n" if self.library == "mpich" else "{} slots={}\n"
        path.write_text("".join(line.format(*host) for host in hosts))
        option = "-f" if self.library == "mpich" else "--hostfile"
        passed = [] if self.library == "mpich" else ["-x", "PYTHONPATH"]
        return [str(BIN / "mpiexec"), option, str(path), "-n", str(sum(n for _, n in hosts)), *passed]

    def _environment(self, n_hosts: int) -> dict[str, str]:
        own = {"PYTHONPATH": os.environ.get("PYTHONPATH", ""), "HYDRA_LAUNCHER_EXEC": self._ssh}
        own["PRTE_MCA_plm_ssh_agent"] = self._ssh
        if n_hosts > 1:  # hosts that are one machine's would share memory
            own |= {"UCX_TLS": "tcp,self", "MPIR_CVAR_CH4_NETMOD": "ofi"}
        own |= {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
        return os.environ | own


def _gaps_ms(ranks: NDArray[np.int64], begun: NDArray[np.float64], ended: NDArray[np.float64]) -> list[float]:
    """Return the time between one item and the next of the rank that is not root: claim, journal and all."""
    own = np.flatnonzero(ranks == 1)
    order = own[np.argsort(begun[own])]
    gaps: list[float] = (1000 * (begun[order][1:] - ended[order][:-1])).tolist()
    return gaps


def _section(bench: _Bench, waits: Sequence[float], efficiencies: dict[str, list[float]]) -> str:
    ratios = [two / one for two, one in zip(efficiencies["two"], efficiencies["one"], strict=True)]
    rows = [
        [
            f"from item to item of the other rank, root in items of {ROOT_SECONDS:g} s, ms",
            *figure(waits, digits=1, limit=Limit(LONGEST_WAIT_MS[bench.library])),
        ],
        ["efficiency, 2 hosts × 1 rank", *figure(efficiencies["two"], digits=4)],
        ["efficiency, 1 host × 2 ranks", *figure(efficiencies["one"], digits=4)],
        ["**two hosts / one host**", *figure(ratios, digits=4, limit=Limit(LEAST_RATIO, at_least=True))],
    ]
    code = machine.state_of_code()
    note = (
        f"Measured {date.today()} of commit {code.get('commit', 'unknown')}: {len(waits)} waits, one after the other "
        f"in one run, and {len(ratios)} rounds of {N_EQUAL} items of {EQUAL_SECONDS:g} s, whose two ways are begun in "
        "an order that is drawn."
    )
    return f"## {bench.name}\n\n{note}\n\n{table(['what', *FIGURE_HEADS], rows)}\n\n"


if __name__ == "__main__":
    main()
