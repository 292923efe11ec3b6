"""A config with its function found: what root needs to know of a study before any worker starts."""

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from fullrank.codebase import is_edited, roots_of, sources
from fullrank.config import ArrayFile, Config
from fullrank.config.cost import is_result
from fullrank.dataclass import dataclass
from fullrank.encode import Naming
from fullrank.errors import FunctionError, StudyChanged
from fullrank.function import FunctionSource, Parameter, constants_of_function, plan_call, users_errors
from fullrank.identity import Identity, array_digest
from fullrank.job import ArrayConstant, Job, SourceFile, mark_of
from fullrank.module_names import refuse_taken
from fullrank.schedule import spread_stride
from fullrank.signature import parameters_of
from fullrank.slow_import import told_if_slow
from fullrank.sweep import RESERVED_NAMES

DEFAULT_FOLDER = Path("results")


@dataclass(frozen=True)
class Study:
    """A checked study."""

    config: Config
    function: FunctionSource
    parameters: tuple[Parameter, ...]
    setup: FunctionSource | None
    setup_parameters: tuple[Parameter, ...]
    sources: tuple[SourceFile, ...]
    """What function and setup are made of, and the arrays among the constants; the identity has their digests."""
    identity: Identity
    cost: FunctionSource | None = None
    """What tells an item's cost, where the order asks for it and no earlier result does."""
    cost_parameters: tuple[Parameter, ...] = ()

    def check_arrays(self) -> None:
        """Raise StudyChanged if an array has changed since the study was opened: workers see that at once."""
        for source in self.sources:
            if not source.is_code and is_edited(source):
                raise StudyChanged(
                    f"{source.path}: was changed while the run computed, and which items used which numbers cannot be "
                    f"told; no result is written. Start anew with --fresh, and leave arrays alone while a run goes on"
                )

    def job(self, *, backend: str, n_workers: int, work_folder: Path) -> Job:
        """Return what workers are told, of the first attempt."""
        config = self.config
        return Job(
            function=self.function,
            parameters=self.parameters,
            setup=self.setup,
            setup_parameters=self.setup_parameters,
            constants={name: _sent(value) for name, value in config.workload.constants.items()},
            seed=config.workload.seed,
            sweep=config.sweep,
            naming=self.naming,
            sources=self.sources,
            stride=spread_stride(config.sweep.n_items) if config.run.order != "index" else 1,
            schedule=config.run.schedule,
            n_workers=n_workers,
            attempt=1,
            backend=backend,
            work_folder=str(work_folder),
            item_time_limit_seconds=config.run.item_time_limit_seconds,
            isolate=config.run.isolate,
            item_memory_limit_bytes=config.run.item_memory_limit_bytes,
            stops_at_failure=config.run.on_error == "stop",
        )

    def shares_global_generators(self, backend: str, n_workers: int) -> bool:
        """Return whether items that run at the same time would draw from the same seeded generators."""
        seeded = self.config.workload.seed is not None
        takes_seed = any(parameter.name == "seed" for parameter in self.parameters)
        return backend == "threads" and n_workers > 1 and seeded and not takes_seed

    @property
    def naming(self) -> Naming:
        """How results are called."""
        axes = {axis.name for axis in self.config.sweep.axes}
        return Naming(
            self.function.name.rpartition(".")[2], self.config.results.names, frozenset(axes | set(RESERVED_NAMES))
        )


def _sent(value: Any) -> Any:
    return ArrayConstant(str(value.path)) if isinstance(value, ArrayFile) else value


def output_path(config: Config, option: Path | None) -> Path:
    """Return where the result goes, absolute: the option, else the config's, else ``results/NAME.h5``."""
    path = option or config.output or DEFAULT_FOLDER / (config.path.stem + ".h5")
    absolute = Path(os.path.abspath(path))  # noqa: PTH100  # resolve() would spell out the user's folders
    return absolute.resolve() if absolute.is_symlink() else absolute


def open_study(config: Config, *, notify: Callable[[str], object] = lambda _sentence: None) -> Study:
    """Import the function at root and check how it is to be called; ``notify`` is told if the import takes long.

    Raises FunctionError if it cannot be found or called with what the study gives; an error that the user's module
    raises while it is imported becomes a FunctionError that carries its traceback.
    """
    function, setup = _sources(config)
    called = function.shown
    files = [file for file in (config.workload.file, config.workload.setup_file) if file is not None]
    refuse_taken(files, folders_of(config), called=called)
    with users_errors(called, f"importing {called.rpartition(':')[0]} failed"), told_if_slow(called, notify):
        loaded = function.load()
    parameters = parameters_of(loaded, called)
    setup_parameters: tuple[Parameter, ...] = ()
    if setup is not None:
        with users_errors(setup.written, f"importing {setup.place} failed"), told_if_slow(setup.written, notify):
            setup_parameters = parameters_of(setup.load(), setup.written)
    _check_call(config, function, parameters, setup_parameters)
    _check_setup(config, setup_parameters)
    code = code_of(config, _loaded_from)
    arrays = {name: value.path for name, value in config.workload.constants.items() if isinstance(value, ArrayFile)}
    marks = {name: mark_of(path) for name, path in arrays.items()}  # before they are read
    identity = identity_of(config, code)
    sources = [*code.values()]
    for name, path in arrays.items():
        sources.append(SourceFile(str(path), marks[name], array_digest(identity.constants[name]), is_code=False))
    cost, cost_parameters = _cost(config)
    return Study(config, function, parameters, setup, setup_parameters, tuple(sources), identity, cost, cost_parameters)


def _sources(config: Config) -> tuple[FunctionSource, FunctionSource | None]:
    workload, folders = config.workload, folders_of(config)
    function = FunctionSource(workload.function, folders, called=config.wording.function)
    return function, FunctionSource(workload.setup, folders) if workload.setup is not None else None


def _cost(config: Config) -> tuple[FunctionSource | None, tuple[Parameter, ...]]:
    """Return the function that tells an item's cost, and its parameters; none where an earlier result tells it."""
    written = config.run.cost
    if written is None or is_result(written):
        return None, ()
    cost = FunctionSource(written, folders_of(config))
    with users_errors(written, f"importing {cost.place} failed"):
        return cost, parameters_of(cost.load(), written)


def folders_of(config: Config) -> tuple[str, ...]:
    """Return the folders that come first on the search path of the user's modules."""
    workload = config.workload
    folders = [str(workload.folder)]
    for file in (workload.file, workload.setup_file):
        if file is not None and str(file.parent) not in folders:
            folders.append(str(file.parent))
    return tuple(folders)


def _check_call(
    config: Config,
    function: FunctionSource,
    parameters: tuple[Parameter, ...],
    setup_parameters: tuple[Parameter, ...],
) -> None:
    axes = [axis.name for axis in config.sweep.axes]
    workload = config.workload
    if workload.seed is not None and any(parameter.name == "seed" for parameter in parameters) and "seed" not in axes:
        axes.append("seed")
    try:
        plan_call(
            parameters,
            axes=axes,
            constants=constants_of_function(workload.constants, parameters, setup_parameters),
            written=function.shown,
            has_setup=workload.setup is not None,
            seed_cure=config.wording.seed_cure,
            parameter_cure=config.wording.parameter_cure,
        )
    except FunctionError as error:
        place = "" if config.wording.function else f"{config.path}: "
        raise FunctionError(f"{place}{error}") from None


def _check_setup(config: Config, parameters: tuple[Parameter, ...]) -> None:
    workload = config.workload
    for parameter in parameters:
        if parameter.required and parameter.name not in workload.constants:
            raise FunctionError(
                f"{config.path}: {workload.setup}: nothing gives its parameter '{parameter.name}'; "
                f"make it a constant under [workload.constants]"
            )


def identity_of(config: Config, code: Mapping[str, SourceFile]) -> Identity:
    """Return what makes a study this study: its config, and the code that :func:`code_of` returns.

    Raises ConfigError for a file of constants that cannot be read.
    """
    workload = config.workload
    return Identity(
        function=workload.function,
        setup=workload.setup,
        sweep=config.sweep.describe(),
        constants=workload.constants,
        seed=workload.seed,
        results=config.results.names,
        code={name: source.digest for name, source in code.items()},
    )


def _loaded_from(module: str) -> str | None:
    return getattr(sys.modules.get(module), "__file__", None)


def code_of(config: Config, file_of: Callable[[str], str | None]) -> dict[str, SourceFile]:
    """Return the files of the function, its neighbours, and ``setup``'s, by name.

    ``file_of`` tells the file of a module that is called by its name. Raises FunctionError for a file that cannot be
    read.
    """
    workload = config.workload
    found: dict[str, SourceFile] = {}
    for written, file in ((workload.function, workload.file), (workload.setup, workload.setup_file)):
        if written is None:
            continue
        if file is None:
            path = file_of(written.rpartition(":")[0])
            if path is None or not path.endswith(".py"):
                continue
            found |= sources(Path(path), _roots_of_module(Path(path), written, config))
        else:
            found |= sources(file, [Path(folder) for folder in folders_of(config)])
    return found


def _roots_of_module(source: Path, written: str, config: Config) -> list[Path]:
    """Return the folders whose modules are this module's own: the config's, or its package's."""
    if source.is_relative_to(config.workload.folder):
        return [config.workload.folder]
    if written.startswith("fullrank."):  # whose own version is no part of a study
        return [source.parent]
    return roots_of(source)
