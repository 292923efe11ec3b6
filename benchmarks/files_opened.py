"""Which files a rank opens: on a cluster thousands of ranks ask one file server for them."""

import re
import shutil
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import studies
from harness import Limit, Raw, table
from programs import OWN, Bench, ProgramError, run

TITLE = "Files opened"
ASKED = Limit(80)
HEAVY = ("numpy", "h5py")
ROOT, OTHER, IMPORTS = "fullrank run, root", "fullrank run, the other rank", "from mpi4py import MPI"
_OPENED = re.compile(r'\bopen(?:at)?\([^"]*"(?P<path>[^"]*)", (?P<flags>[A-Z_|]+).*\) = \d+')
OF_THE_KERNEL = ("/proc/", "/sys/", "/dev/")
"""No file server is asked for these; and how often a rank looks into /proc depends on how long it waits."""
_STARTED = re.compile(r"\bexecve\(.*\) = 0$")


def measure(bench: Bench) -> Raw:
    """Trace the ranks of a run of one item, and a program that imports MPI. Raises ProgramError without strace."""
    if shutil.which("strace") is None:
        raise ProgramError("strace is not installed")
    folder = bench.scratch
    config = studies.write_doing_nothing(folder / "traced.toml", 1)
    fullrank = [*OWN.fullrank, "run", str(config), "-o", str(folder / "traced.h5")]
    imports = [str(OWN.python), "-c", "from mpi4py import MPI"]
    traced = {ROOT: fullrank, OTHER: fullrank, IMPORTS: imports}
    traces = {name: folder / f"{number}.strace" for number, name in enumerate(traced)}

    def under_strace(name: str) -> list[str]:
        options = ["-f", "-qq", "-e", "trace=open,openat,execve", "-o", str(traces[name])]
        return ["strace", *options, *traced[name]]

    # the launcher numbers ranks as they stand in its command
    first = [*OWN.mpiexec(1), *under_strace(ROOT)]
    run([*first, ":", "-n", "1", *under_strace(OTHER)], folder=folder)
    run([*OWN.mpiexec(1), *imports, ":", "-n", "1", *under_strace(IMPORTS)], folder=folder)
    return {name: _summary(path.read_text()) for name, path in traces.items()}


def opened_files(trace: str) -> list[str]:
    r"""Return the files that were opened, from a trace: no directories, nothing that was not there or is the kernel's.

    >>> opened_files('7 open("/a/b.py", O_RDONLY|O_CLOEXEC) = 3\n7 openat(AT_FDCWD, "/a", O_RDONLY) = -1 ENOENT')
    ['/a/b.py']
    """
    found = (match for line in trace.splitlines() if (match := _OPENED.search(line)))
    paths = [match["path"] for match in found if "O_DIRECTORY" not in match["flags"]]
    return [path for path in paths if not path.startswith(OF_THE_KERNEL) and not Path(path).is_dir()]


def before_restart(trace: str) -> str:
    """Return the part of a trace before the process started another program in its place; all of it if it did not."""
    lines = trace.splitlines()
    starts = [number for number, line in enumerate(lines) if _STARTED.search(line)]
    return "\n".join(lines[: starts[1]] if len(starts) > 1 else lines)


def _summary(trace: str) -> Raw:
    paths = opened_files(trace)
    return {
        "n_files": len(paths),
        "n_different": len(set(paths)),
        "n_before_restart": len(opened_files(before_restart(trace))),
        "by_package": dict(Counter(map(package_of, paths)).most_common()),
        "heavy": sorted(_heavy(paths)),
    }


def package_of(path: str) -> str:
    """Return whose a file is: never a path of this machine.

    >>> package_of("/x/site-packages/mpi4py/run.py"), package_of("/x/python3.11/json/decoder.py")
    ('mpi4py', 'standard library')
    """
    parts = Path(path).parts
    if "site-packages" in parts:
        return parts[parts.index("site-packages") + 1].removesuffix(".pth").split("-")[0]
    if "/src/fullrank/" in path:
        return "fullrank"
    if ".h5.work" in path:
        return "work folder"
    if any(re.fullmatch(r"python3\.\d+", part) for part in parts):
        return "standard library"
    if re.search(r"\.so(\.|$)", path):
        return "shared libraries"
    return "system" if path.startswith("/etc") else "other"


def _heavy(paths: Iterable[str]) -> set[str]:
    """Return which heavy packages were imported; asking for a version opens metadata alone."""
    return {name for path in paths for name in HEAVY if f"/site-packages/{name}/" in path}


def report(raw: Raw) -> str:
    """Return the section as Markdown."""
    rows = [_row(name, raw[name]) for name in (ROOT, OTHER, IMPORTS)]
    beyond = {key: raw[OTHER][key] - raw[IMPORTS][key] for key in ("n_files", "n_different")}
    n_second = beyond["n_files"] - _n_first_start(raw)
    for what, n_opens, n_different, judged in (
        ("different files", "", str(beyond["n_different"]), beyond["n_different"]),
        ("opens", str(beyond["n_files"]), "", beyond["n_files"]),
        ("opens, PYTHONHASHSEED set", str(n_second), "", n_second),
    ):
        verdict = "holds" if ASKED.holds(judged) else "DOES NOT HOLD"
        name = f"**the other rank beyond the import: {what}**"
        rows.append([name, n_opens, n_different, "", str(ASKED), verdict])
    heavy = raw[OTHER]["heavy"]
    said = "DOES NOT HOLD" if heavy else "holds"
    rows.append(["**the other rank: what it imports of them**", "", "", ", ".join(heavy) or "none", "none", said])
    heads = ["program", "opens", "different files", "numpy, h5py", "asked", "verdict on one run"]
    text = [
        "Successful opens of files (strace), of a run of one no-op item on two ranks. Directories are left out, and "
        f"what is the kernel's own ({', '.join(name.rstrip('/') for name in OF_THE_KERNEL)}): no file server is asked "
        "for that. The verdict is on one run: these are counts that hardly vary, and no interval is given for them.",
        table(heads, rows),
        _owners(raw),
    ]
    if n_first := _n_first_start(raw):
        text.append(
            f"{n_first} of the other rank's opens are Python's first start: it starts again where PYTHONHASHSEED is "
            "not set, and opens the same files a second time. `fullrank run -b mpi` sets it for the ranks it starts."
        )
    return "\n\n".join(text)


def _n_first_start(raw: Raw) -> int:
    """Return how many opens came before the process started itself again; 0 if it did not."""
    n_first = int(raw[OTHER]["n_before_restart"])
    return n_first if n_first < raw[OTHER]["n_files"] else 0


def _row(name: str, part: Raw) -> list[str]:
    return [name, str(part["n_files"]), str(part["n_different"]), ", ".join(part["heavy"]) or "none", "", ""]


def _owners(raw: Raw) -> str:
    """Return whose files they are, as a table."""
    names = list(raw[OTHER]["by_package"] | raw[IMPORTS]["by_package"])
    counts = [[str(raw[program]["by_package"].get(name, 0)) for program in (OTHER, IMPORTS)] for name in names]
    return table(["opens by owner", OTHER, IMPORTS], [[name, *pair] for name, pair in zip(names, counts, strict=True)])
