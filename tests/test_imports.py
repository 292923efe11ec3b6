"""Who imports whom: the layers, and what a worker may load."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import fullrank

PACKAGE = Path(fullrank.__file__).parent

LAYERS = [
    "dataclass garbage",
    "errors status files system account gil durations beside parent leaving repeat compare.records",
    "launcher scheduler witness deadline told_code job_end job_over residues",
    "axes",
    "sweep tables",
    "config",
    "looks schedule leading seeds encode journal filesystem cores features",
    "function signature module_names",
    "job",
    "claim",
    "evaluate",
    "interrupt output survey fatal contained isolation",
    "worker",
    "backends crew",
    "schema gather buckets",
    "store",
    "syntax codebase identity owner lock holder provenance metrics",
    "shard",
    "attempts notes printed predicted",
    "silence progress monitor workfolder room",
    "at_work",
    "versions",
    "report outside slow_import study example",
    "shares",
    "implied skeleton asking named",
    "compare",
    "plots",
    "commit misfit onlooking",
    "flat",
    "parts result frames export",
    "choices console",
    "ending growth",
    "restore since",
    "recorded",
    "standing leftovers earlier there costs",
    "driver partial passing_on launch",
    "preview single stored selftest sharded",
    "compare.conduct compare.rounds compare.tryout compare.agreement compare.hold compare.measure "
    "compare.one_study compare.others compare.unlike compare.failing",
    "plan",
    "submit",
    "allocation",
    "request",
    "doctor",
    "abilities apart commands option_values",
    "conduct in_python",
    "calling",
    "arguments",
    "api",
    "cli",
    "__main__",
]
"""A module imports, when it is imported itself, only from its own layer and those above it."""

STANDARD_LIBRARY_ONLY = ["sweep", "schedule", "journal", "encode", "evaluate", "worker", "survey", "contained", "crew"]
STANDARD_LIBRARY_ONLY += ["leading"]
STANDARD_LIBRARY_ONLY += ["isolation.evaluator", "isolation.child"]
STANDARD_LIBRARY_ONLY += ["backends.serial", "backends.threads", "backends.processes", "backends.child"]
STANDARD_LIBRARY_ONLY += ["backends.interpreters", "backends.guest"]
STANDARD_LIBRARY_ONLY += ["workloads.ep", "workloads.mandelbrot", "workloads.lyapunov"]
STANDARD_LIBRARY_ONLY += ["workloads.ising", "workloads.nqueens"]
HEAVY = {"numpy", "h5py", "mpi4py", "msgspec", "rich", "matplotlib"}


def module_name(file: Path) -> str:
    return ".".join(file.relative_to(PACKAGE).with_suffix("").parts)


def imported_at_import(file: Path) -> set[str]:
    """The modules that importing this file imports: imports inside functions and for type checkers do not count."""
    found: set[str] = set()
    waiting: list[ast.AST] = [ast.parse(file.read_text("utf-8"))]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names if node.module == "fullrank")
        elif not isinstance(node, ast.FunctionDef) and not (
            isinstance(node, ast.If) and "TYPE_CHECK" in ast.dump(node)
        ):
            waiting.extend(ast.iter_child_nodes(node))
    return found


FILES = sorted(PACKAGE.rglob("*.py"))
ORDER = {name: layer for layer, names in enumerate(LAYERS) for name in names.split()}


def part_of(name: str) -> str:
    """The part of fullrank that has a layer: the module itself where that is named, else its package."""
    parts = name.split(".")
    return ".".join(parts[:2]) if ".".join(parts[:2]) in ORDER else parts[0]


@pytest.mark.parametrize("file", FILES, ids=module_name)
def test_module_imports_only_from_layers_above_it(file: Path) -> None:
    own = part_of(module_name(file))
    if own in ("__init__", "workloads"):
        return
    for imported in imported_at_import(file):
        if imported.startswith("fullrank."):
            other = part_of(imported.removeprefix("fullrank."))
            if other != own and other in ORDER:
                assert ORDER[other] <= ORDER[own], f"{module_name(file)} imports {imported}"


def test_every_module_has_a_layer() -> None:
    modules = {part_of(module_name(file)) for file in FILES} - {"__init__", "workloads"}
    assert modules == set(ORDER)


@pytest.mark.parametrize(("package", "allowed"), [("h5py", "store."), ("mpi4py", "backends.mpi")])
def test_package_has_one_importer(package: str, allowed: str) -> None:
    importers = {module_name(file) for file in FILES if f"import {package}" in file.read_text("utf-8")}
    importers |= {module_name(file) for file in FILES if f"from {package}" in file.read_text("utf-8")}
    # launch.py asks in a process of its own, by a program text
    assert {name for name in importers if not name.startswith(allowed)} <= {"launch"}


@pytest.mark.parametrize("module", ["", *STANDARD_LIBRARY_ONLY])
def test_what_workers_import_is_the_standard_library_alone(module: str) -> None:
    name = f"fullrank.{module}" if module else "fullrank"
    program = f"import sys, {name}; print(*sorted(set(sys.modules) & {HEAVY!r}))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == ""


def test_ranks_make_no_class_by_compiling_text() -> None:
    program = "import sys, fullrank.worker, fullrank.crew; print(*{'dataclasses', 'inspect'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == ""
