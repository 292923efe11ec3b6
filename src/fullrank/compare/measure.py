"""One measurement: a real ``fullrank run`` of the sample in a fresh process, and what its result file tells."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from fullrank.compare.failing import failed_item
from fullrank.compare.one_study import OneStudy
from fullrank.compare.others import watch
from fullrank.compare.records import Variant
from fullrank.compare.stopping import StopRequest
from fullrank.compare.variants import BASELINE
from fullrank.dataclass import dataclass
from fullrank.errors import FailedItems, FullrankError, OutputError, Stopped, StorageError, UsageError
from fullrank.launcher import python_module, stripped_environment
from fullrank.metrics import Work, work
from fullrank.owner import Verdict, judge, owner_from, process_start, this_process
from fullrank.parent import end_with, signal_name
from fullrank.repeat import set_options
from fullrank.store import ResultFile, block_size
from fullrank.workfolder import WorkFolder

OWNER_FILE = ".owner-of-comparison"
"""In the folder of a bench: the process that measures there."""
_PREFIX = "fullrank: error: "
_KINDS: Mapping[int, type[FullrankError]] = {
    kind.exit_code: kind for kind in (UsageError, FailedItems, FullrankError, StorageError, Stopped)
}
"""Of what a run says of itself, by its exit code."""


class RunFailed(FullrankError):
    """A run that was to be measured ended badly."""

    def __init__(self, exit_code: int, said: str) -> None:
        super().__init__(said)
        self.run_exit_code = exit_code

    @property
    def reason(self) -> str:
        """What it said, in one line."""
        if self.run_exit_code == FailedItems.exit_code and (item := failed_item(str(self))):
            return f"too many items failed; {item}"[:300]
        said = "; ".join(line.strip() for line in str(self).splitlines() if line.strip())
        if self.run_exit_code in _KINDS and said:
            return said[:300]
        return f"{self.ending}{f'; it said: {said}' if said else ''}"[:300]

    @property
    def ending(self) -> str:
        """How it ended: the signal, or the exit code."""
        return spelled_ending(self.run_exit_code)


def spelled_ending(code: int) -> str:
    """Spell how a process ended.

    >>> spelled_ending(-9), spelled_ending(139), spelled_ending(5)
    ('it was killed by SIGKILL', 'it ended with exit code 139, that of a death by SIGSEGV', 'it ended with exit code 5')
    """
    if code < 0:
        return f"it was killed by {signal_name(-code)}"
    name = signal_name(code - 128) if code > 128 else ""
    return f"it ended with exit code {code}" + (f", that of a death by {name}" if name.startswith("SIG") else "")


@dataclass(frozen=True)
class Taken:
    """What one run gave."""

    result: Path
    """Its result file."""
    wall_seconds: float
    others_cores: float
    work: Work
    item_seconds: tuple[float, ...]
    """Of the items that have an end, by index."""
    results_sha256: str
    facts: Mapping[str, str | int | float]
    """What ran where: the result file's provenance."""
    identity: str
    """Of the study that it ran, canonical JSON."""


class Bench:
    """Where runs are measured; a context manager, whose folder vanishes with it.

    The user's results and their work folders are never touched: each run writes to a file of its own in a folder
    beside the comparison's file, on the disk where results would go. What a killed comparison of the same file left
    there is removed by the next one.
    """

    def __init__(
        self,
        config: Path,
        *,
        beside: Path,
        stop: StopRequest,
        settings: Sequence[str] = (),
    ) -> None:
        """``settings`` are ``KEY=VALUE`` that hold instead of the config's."""
        self._config = config
        self._settings = settings
        self._stop = stop
        self._study = OneStudy(config)
        try:
            beside.parent.mkdir(parents=True, exist_ok=True)
            _remove_left_behind(beside)
            self.folder = Path(tempfile.mkdtemp(prefix=f".{beside.name}.", dir=beside.parent))
            (self.folder / OWNER_FILE).write_text(this_process().to_json())
        except OSError as error:
            raise OutputError(f"{beside.parent}: cannot be written: {error.strerror}") from error
        self._n_runs = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def run(self, variant: Variant, n_items: int) -> Taken:
        """Run the first ``n_items`` of the sweep's spread order once.

        Raises RunFailed if the run does, StudyEdited if the study is no longer that of the first run, and
        KeyboardInterrupt if a stop was asked for, when the run has ended.
        """
        self._stop.check()
        self._n_runs += 1
        output = self.folder / f"{self._n_runs:04d}.h5"
        others = watch()
        begun = time.perf_counter()
        code, said = to_its_end(self._command(variant, n_items, output), self._stop)
        wall_seconds = time.perf_counter() - begun
        others_cores = others(wall_seconds)
        self._stop.check()
        partial = WorkFolder(output).partial
        result = partial if partial.exists() else output
        if code != 0 or not result.exists():
            raise RunFailed(code, said)
        taken = _read(result, wall_seconds=wall_seconds, others_cores=others_cores)
        self._study.check(taken.identity)
        return taken

    def remove(self, taken: Taken) -> None:
        """Remove a result and its journals."""
        for path in self.folder.glob(f"{taken.result.name.partition('.')[0]}.*"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def _command(self, variant: Variant, n_items: int, output: Path) -> list[str]:
        options = ["-b", variant.backend, "-n", str(variant.n_workers), "--limit", str(n_items), "-o", str(output)]
        # a failed item is a result to compare like any other
        options += ["--quiet", "--here", "--allow-failures", str(n_items), *set_options(self._settings)]
        # the config's folder is where the run itself looks for the function
        folders = (str(self._config.absolute().parent),)
        return python_module("fullrank", "run", str(self._config), *options, folders=folders)


def _remove_left_behind(beside: Path) -> None:
    """Remove the folders of comparisons whose process is gone; those of which that is not known stay.

    Raises OSError if the folder cannot be listed.
    """
    me = this_process()
    for folder in beside.parent.iterdir():
        if not folder.name.startswith(f".{beside.name}.") or folder.is_symlink():
            continue
        try:
            owner = owner_from((folder / OWNER_FILE).read_text())
        except (OSError, ValueError):  # not ours
            continue
        if owner is not None and judge(owner, me, process_start) is Verdict.GONE:
            shutil.rmtree(folder, ignore_errors=True)


def run_variant(bench: Bench, variant: Variant, n_items: int) -> Taken:
    """Run a variant once.

    Raises RunFailed if a variant other than the baseline fails: it may be left out. What makes the baseline fail is
    the user's to mend, and raised as it would be of any run.
    """
    try:
        return bench.run(variant, n_items)
    except RunFailed as error:
        if variant != BASELINE:
            raise
        raise error_of_run(error, f"the run of {variant}") from None


def error_of_run(error: RunFailed, what: str) -> FullrankError:
    """Return the error as the run itself would raise it; ``what`` failed, where the run did not say why."""
    kind = _KINDS.get(error.run_exit_code)
    if kind is None:
        return FullrankError(f"{what} failed: {error.reason}")
    return kind(str(error) or f"{what} failed: {error.reason}")


def to_its_end(command: Sequence[str], stop: StopRequest) -> tuple[int, str]:
    """Run a program in a session of its own; return its exit code and what it said last on standard error."""
    with tempfile.TemporaryFile() as said:
        with subprocess.Popen(
            command,
            env=stripped_environment(os.environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=said,
            start_new_session=True,  # Ctrl-C is for the comparison to hear
            preexec_fn=end_with(os.getpid()),
        ) as process:
            code = stop.wait(process)
        said.seek(max(0, said.seek(0, os.SEEK_END) - 65536))
        return code, _error_of(said.read().decode(errors="replace"))


def _error_of(said: str) -> str:
    """Return the error a run told of, else the last of what it said.

    >>> _error_of("fullrank: 3 of 4 items were finished before, fullrank: error: no MPI library")
    'no MPI library'
    """
    _, found, error = said.rpartition(_PREFIX)
    return error.strip() if found else said.strip()[-2000:]


def _read(path: Path, *, wall_seconds: float, others_cores: float) -> Taken:
    with ResultFile(path) as file:
        seconds = np.concatenate([block.seconds[block.status > 0] for block in file.blocks(block_size(file))])
        if not seconds.size:
            raise RunFailed(0, f"{path}: no item of the sample has an end")
        return Taken(
            path,
            wall_seconds,
            others_cores,
            work(file.workers()),
            tuple(map(float, seconds)),
            file.summary.results_sha256,
            file.provenance(),
            file.identity,
        )
