"""A study that is run in this process on a disk of the test's, and what must hold after every crash."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from crash_disk import Call, Died, Disk, Tree, tear, tree_of

from fullrank import driver, partial
from fullrank.backends import serial
from fullrank.choices import Choices
from fullrank.config import load
from fullrank.crew import LocalCrew, LocalTeam
from fullrank.ending import End, Ending
from fullrank.errors import FullrankError, StorageError
from fullrank.journal import Frame, Kind, read
from fullrank.shard import Shard
from fullrank.sharded import run_shard
from fullrank.store import verify
from fullrank.study import open_study
from fullrank.system import System

N_ITEMS = 6
FAILS = 4
CODE = """\
visits = []

def f(x):
    visits.append(x)
    if x == 3:
        print("three")
    if x == 4:
        raise ValueError("four")
    return x * x / 7
"""


class NoDisplay:
    """A progress display that shows nothing."""

    def begin(self, n_todo: int, n_before: int, *, n_workers: int) -> None:
        pass

    def show(self, tally: object, seconds: float) -> None:
        pass

    def end(self) -> None:
        pass


class Told:
    """A console that keeps what it is told."""

    def __init__(self) -> None:
        self.sentences: list[str] = []

    def say(self, sentence: object) -> None:
        self.sentences.append(str(sentence))

    def display(self) -> NoDisplay:
        return NoDisplay()


class CrashStudy:
    """One item prints, one fails, the others give a number."""

    def __init__(self, folder: Path, *, code: str = CODE, n_items: int = N_ITEMS, tail: str = "") -> None:
        (folder / "crash_sim.py").write_text(code)
        self.config = folder / "study.toml"
        self.config.write_text(
            f'[workload]\nfunction = "crash_sim.py:f"\n[sweep.grid]\nx = {{ range = {n_items} }}\n{tail}'
        )
        self.n_items = n_items
        self._study = open_study(load(self.config))
        self.visits: list[int] = self._study.function.load().__globals__["visits"]
        """Items that were begun, by the function's own account."""
        undisturbed = folder / "undisturbed"
        undisturbed.mkdir()
        self.calls_undisturbed = self.calls(undisturbed)
        self.digest = verify(undisturbed / "run.h5").results_sha256
        self.names = set(tree_of(undisturbed))

    def calls(self, folder: Path, **choices: Any) -> list[Call]:
        """Run undisturbed and return the calls that were made."""
        disk = Disk(folder)
        self.run(folder, disk, **choices)
        disk.release()
        return disk.calls

    def stop(self, folder: Path, *, n_records: int = 2) -> None:
        """Leave a run that was killed while it wrote the record after so many."""
        records = [number for number, call in enumerate(self.calls_undisturbed, 1) if call.is_record]
        assert until_death(lambda system: self.run(folder, system), Disk(folder, at=records[n_records], deed=tear(7)))

    def run(self, folder: Path, system: System | None = None, *, told: Told | None = None, **choices: Any) -> Ending:
        """Run the study into ``folder/run.h5``, on a disk that nobody waits for if none is given."""
        system = system or Disk(folder)
        crew = LocalCrew(LocalTeam(lambda job, todo, watch: serial.run(job, todo, watch, system=system)))
        asked, console = Choices(folder / "run.h5", "serial", 1, **choices), told or Told()
        if asked.shard is not None:
            return run_shard(self._study, asked, asked.shard, crew=crew, console=console, system=system)
        return driver.run(self._study, asked, crew=crew, console=console, system=system)

    def gather(self, folder: Path, *, is_partial: bool = True) -> Path:
        """Write the partial file, or what shards have left to be written; return the file's path."""
        output = folder / "run.h5"
        return Path(partial.gather(self.config, output, partial=is_partial, console=Told(), system=Disk(folder)).path)

    def resume(self, folder: Path, *, shards: Sequence[Shard | None] = (None,), **choices: Any) -> Told:
        """Run again, as the same command would; what was on record is not done again, and all is as if undisturbed.

        With ``shards`` each of them is run, in turn; None is all items.
        """
        known = finished_in(folder) - ({FAILS} if choices.get("retry_failed") else set())
        self.visits.clear()
        told = Told()
        # the dead process was this one, which lives: nobody but the user can know
        for shard in shards:
            ending = self.run(folder, told=told, take_over=True, shard=shard, **choices)
        assert ending.end in (End.COMPLETE, End.ALREADY_COMPLETE)
        if not choices.get("fresh"):
            assert known.isdisjoint(self.visits)
        assert len(self.visits) == len(set(self.visits))
        self.check_final(folder, allowed=None)
        assert (folder / "run.h5").exists()
        return told

    def check_final(self, folder: Path, *, allowed: bytes | None) -> None:
        """The final name holds nothing, ``allowed`` or a complete and verified file with the right results."""
        final = folder / "run.h5"
        if final.exists() and (allowed is None or final.read_bytes() != allowed):
            summary = verify(final)
            assert summary.complete
            assert summary.results_sha256 == self.digest


def finished_in(folder: Path) -> set[int]:
    """The items whose end is on record in the work folder."""
    frames = (found for path in folder.glob("run.h5.work/a*.journal") for found in read(path))
    return {
        index
        for found in frames
        if isinstance(found, Frame) and found.kind in (Kind.VALUES, Kind.FAILURES)
        for index in found.indices()
    }


def until_death(act: Callable[[System], object], disk: Disk) -> bool:
    """Do ``act`` on the disk; return whether the process died of it. As it unwound it has changed nothing.

    The only other end with an error is one that tells of the disk, with exit code 74.
    """
    try:
        act(disk)
    except Died:
        assert tree_without_cells(tree_of(disk.root)) == tree_without_cells(disk.at_death or {})
    except FullrankError as error:
        assert isinstance(error, StorageError), repr(error)
        assert error.exit_code == 74
    finally:
        disk.release()
    return disk.at_death is not None


def tree_without_cells(tree: Tree) -> Tree:
    """Leave out the cells of running items: memory-mapped, they change without a call."""
    return {name: content for name, content in tree.items() if not name.endswith(".running")}
