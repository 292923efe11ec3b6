"""``fullrank export``: a result as CSV, for spreadsheets, R and awk."""

import io
import json
import os
import sys
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

from fullrank.commands.files import result_of
from fullrank.commands.targets import refuse_own
from fullrank.console import tell
from fullrank.dataclass import asdict, dataclass
from fullrank.errors import OutputError, UsageError

STANDARD_OUTPUT = Path("-")


@dataclass(frozen=True)
class Exported:
    """What was written."""

    path: str
    n_rows: int
    columns: tuple[str, ...]
    n_left_out: int
    """Items that have no end yet."""

    def text(self) -> str:
        """Return some lines for a person."""
        rows = f"{self.n_rows:,} rows, one an item, of {len(self.columns):,} columns: {self._columns()}"
        return "\n".join(filter(None, [self.path, rows, self.left_out()]))

    def left_out(self) -> str:
        """Return a sentence about the items that are missing, or nothing."""
        if not self.n_left_out:
            return ""
        return f"{self.n_left_out:,} items have no end yet and are left out; --all gives each a row with empty cells"

    def _columns(self) -> str:
        names = self.columns
        return ", ".join(names if len(names) <= 12 else [*names[:6], "…", *names[-5:]])


def export(arguments: Namespace, _crew: Any) -> int:
    """``fullrank export``."""
    from fullrank.export import column_names, csv_blocks
    from fullrank.implied import named_study
    from fullrank.store import ResultFile

    target: Path = arguments.csv
    if target == STANDARD_OUTPUT and arguments.json:
        raise UsageError("--json: standard output is where --csv - goes; name a file, or leave --json out")
    study = named_study(arguments.file, None)
    result = result_of(study)
    if target != STANDARD_OUTPUT:
        refuse_own("--csv", target, study=study, result=result)
        _check_target(target, may_replace=arguments.force)
    with ResultFile(result) as file:
        columns = tuple(column_names(file))  # before anything is written
        blocks = csv_blocks(file, with_missing=arguments.all)
        n_left_out = 0 if arguments.all else file.summary.n_missing
        with _opened(target, may_replace=arguments.force) as stream:
            n_rows = sum(_write(stream, lines) for lines in blocks) - 1  # the first line names the columns
    written = Exported(str(target.absolute()), n_rows, columns, n_left_out)
    if target == STANDARD_OUTPUT:
        if written.n_left_out:
            tell(f"fullrank: {written.left_out()}\n")
    elif arguments.json:
        sys.stdout.write(json.dumps(asdict(written)) + "\n")
    else:
        sys.stdout.write(written.text() + "\n")
    return 0


def _write(stream: TextIO, lines: list[str]) -> int:
    stream.write("".join(lines))
    return len(lines)


def _check_target(target: Path, *, may_replace: bool) -> None:
    """Refuse a name that cannot be written before a large file is read for nothing."""
    from fullrank.store import is_comparison, is_ours

    if not target.parent.is_dir():
        raise UsageError(f"--csv {target}: there is no folder {target.parent}")
    if target.is_dir():
        raise UsageError(f"--csv {target}: expected a file, got a folder; name a file in it")
    if not target.exists():
        return
    if not target.is_file():
        raise UsageError(f"--csv {target}: expected a file, got a device or a pipe; --csv - writes to standard output")
    if is_ours(target) or is_comparison(target):
        raise UsageError(f"--csv {target}: that is a result of fullrank, which is never overwritten; name another file")
    if not may_replace:
        raise UsageError(_taken(target))


def _taken(target: Path) -> str:
    return f"--csv {target}: it is there already; name another file, or overwrite it with --force"


@contextmanager
def _opened(target: Path, *, may_replace: bool) -> Iterator[TextIO]:
    """Open standard output, or a file that gets its name when it is whole."""
    if target == STANDARD_OUTPUT:
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace", newline="\n")
        yield sys.stdout
        return
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("w", encoding="utf-8", errors="backslashreplace", newline="\n") as stream:
            yield stream
        _put_in_place(temporary, target, may_replace=may_replace)
    except FileExistsError:
        raise UsageError(_taken(target)) from None
    except OSError as error:
        raise OutputError.of(error, f"{target}: cannot be written") from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def _put_in_place(temporary: Path, target: Path, *, may_replace: bool) -> None:
    """Give the file its name; one that came into being meanwhile is kept, where the file system can tell."""
    if not may_replace:
        try:
            target.hardlink_to(temporary)
            return
        except FileExistsError:
            raise
        except OSError:  # a file system without hard links
            if target.exists():
                raise FileExistsError(target) from None
    temporary.replace(target)
