"""Measure fullrank beside its peers, and write RESULTS.md and raw.h5. ``make bench`` calls it; README.md says how."""

import argparse
import os
import platform
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

import break_even
import efficiency
import files_opened
import gather
import isolation
import memory
import overhead
import rawfile
import scale
import shared_array
import simulated
import startup
import waiting
from harness import Raw
from programs import HERE, OWN, Bench, ProgramError, run, warm_up
from studies import write_doing_nothing

SECTIONS: dict[str, ModuleType] = {
    "efficiency": efficiency,
    "break-even": break_even,
    "overhead": overhead,
    "gather": gather,
    "isolation": isolation,
    "startup": startup,
    "files": files_opened,
    "memory": memory,
    "shared": shared_array,
    "scale": scale,
    "simulated": simulated,
    "waiting": waiting,
}
RAW, RESULTS = "raw.h5", "RESULTS.md"
FORMAT = 2
BUSY_SHARE = 0.05
"""Of the cores for others: beyond this, times are those of the neighbours."""
N_ROUNDS = 9
"""With nine an interval of 95 % leaves out the greatest and the least; five give none at all."""


def main() -> int:
    """Measure what is asked for; return the exit code: 1 if a measurement failed."""
    arguments = _arguments()
    if arguments.render:
        return _write(_load(HERE / RAW))
    with tempfile.TemporaryDirectory(prefix="fullrank-bench-") as folder:
        n_rounds = 2 if arguments.quick else arguments.rounds
        return _measure_all(arguments.only, Bench(Path(folder), n_rounds, quick=arguments.quick, tell=_tell))


def _measure_all(names: list[str], bench: Bench) -> int:
    warm_up(write_doing_nothing(bench.scratch / "warm-up.toml", 1))
    raw: Raw = {"format": FORMAT, "machine": machine(bench), "sections": {}}
    print(_head(raw["machine"]))
    code = 0
    for name in names:
        _tell(f"--- {SECTIONS[name].TITLE}")
        begun = time.monotonic()
        try:
            part: Raw = {"date": datetime.now(UTC).date().isoformat(), "raw": SECTIONS[name].measure(bench)}
        except ProgramError as error:
            _tell(f"not measured: {error}")
            code = 1
            continue
        part["seconds"] = round(time.monotonic() - begun, 1)
        print(f"\n{_section(name, part)}", flush=True)
        raw["sections"][name] = part
        if not bench.quick:  # at once: another may fail
            _write(_merged(_load(HERE / RAW), raw))
    if bench.quick:
        _tell("a quick run: nothing was written")
    return code


def _write(raw: Raw) -> int:
    rawfile.save(HERE / RAW, raw)
    (HERE / RESULTS).write_text(render(raw) + "\n")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure fullrank beside its peers.")
    parser.add_argument(
        "--only",
        type=_sections,
        default=list(SECTIONS),
        metavar="A,B",
        help=f"only these: {', '.join(SECTIONS)}; RESULTS.md keeps the others",
    )
    parser.add_argument("--rounds", type=int, default=N_ROUNDS, help=f"rounds ({N_ROUNDS})")
    parser.add_argument("--quick", action="store_true", help="few items, two rounds, nothing written: does it work?")
    parser.add_argument("--render", action="store_true", help=f"write {RESULTS} again from {RAW}; measure nothing")
    return parser.parse_args()


def _sections(text: str) -> list[str]:
    names = text.split(",")
    for name in names:
        if name not in SECTIONS:
            raise argparse.ArgumentTypeError(f"expected some of {', '.join(SECTIONS)}, got {name}")
    return names


def _tell(text: str) -> None:
    sys.stderr.write(f"{datetime.now():%H:%M:%S} {text}\n")


def machine(bench: Bench) -> Raw:
    """Return what the figures depend on: never a name or a path of this machine."""
    library = run(
        [str(OWN.python), "-c", "from mpi4py import MPI; print(MPI.Get_library_version())"],
        folder=bench.scratch,
    ).stdout
    installed = run(OWN.script("versions.py", "fullrank", "numpy", "h5py", "mpi4py"), folder=bench.scratch).told()
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "kernel": f"{platform.system()} {platform.release()}",
        "python": installed.pop("python"),
        "mpi": " ".join(library.strip("\0\n ").splitlines()[0].split()),
        "packages": installed,
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _load(path: Path) -> Raw:
    try:
        found: Raw = rawfile.load(path) if path.exists() else {}
    except OSError as error:
        raise ProgramError(
            f"{path.name}: expected the HDF5 file that a run without --quick writes, and it cannot be read ({error}); "
            "put back what is committed, or delete it to begin anew"
        ) from None
    return found if found.get("format") == FORMAT else {}


def _merged(old: Raw, new: Raw) -> Raw:
    """Return the new measurements, and the old ones that are of the same machine and versions."""
    if old.get("machine") != new["machine"]:
        return new
    return new | {"sections": old["sections"] | new["sections"]}


def render(raw: Raw) -> str:
    """Return the report as Markdown, from what was kept alone."""
    sections = [_section(name, raw["sections"][name]) for name in SECTIONS if name in raw["sections"]]
    return "\n\n".join([_head(raw["machine"]), *sections])


def _head(told: Raw) -> str:
    packages = ", ".join(f"{name} {version}" for name, version in told["packages"].items())
    return "\n\n".join(
        [
            "# What was measured",
            f"{told['processor']}, {told['cores']} usable cores, {told['kernel']}. Python {told['python']}, "
            f"{told['mpi']}, {packages}.",
            "`make bench` writes this file; README.md says how it is measured and what the words mean. "
            "A verdict needs the whole interval on one side of what is asked.",
        ]
    )


def _section(name: str, part: Raw) -> str:
    module = SECTIONS[name]
    return "\n\n".join([f"## {module.TITLE}", _conditions(part), module.report(part["raw"])])


def _conditions(section: Raw) -> str:
    """Say when it was measured, and what else went on."""
    parts = [section["raw"], *(part for part in section["raw"].values() if isinstance(part, dict))]
    shares = [part["others_share"] for part in parts if "others_share" in part]
    restarts = [name for part in parts for name in part.get("restarts", ())]
    text = f"Measured {section['date']}"
    if "seconds" in section:  # not in raw values of old
        text += f", which took {section['seconds'] / 60:.1f} min"
    if shares:
        text += f"; meanwhile other programs used {100 * max(shares):.0f} % of the cores"
    if max(shares, default=0) > BUSY_SHARE:
        text += " (**too much for verdicts on times: measure again**)"
    if restarts:
        text += f"; failed and were started once more: {', '.join(restarts)}"
    return f"{text}."


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ProgramError as error:
        sys.exit(f"bench: {error}")
