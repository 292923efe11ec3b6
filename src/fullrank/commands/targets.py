"""Where a command may write: over nothing of which a study consists."""

import os
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fullrank.errors import UsageError


def refuse_own(option: str, target: Path, *, study: Path, result: Path) -> None:
    """Raise UsageError for a name in the work folder, and for a file that the study needs or a run has written.

    ``study`` is what the user has named, the config or the result.
    """
    from fullrank.workfolder import WorkFolder, is_work_folder, output_of_partial

    real = target.resolve()
    works = [WorkFolder(output) for output in (result, output_of_partial(result)) if output is not None]
    folders = {work.path.resolve() for work in works}
    if any(folder in folders or is_work_folder(folder) for folder in (real, *real.parents)):
        raise UsageError(f"{option} {target}: that is the work folder of the study; name a file elsewhere")
    if not target.exists():
        return
    own = [("a result of fullrank", result), ("the study's config", study)]
    own += [("what the function printed", work.printed) for work in works]
    for what, path in [*own, *_named_in(result)]:
        if os.path.exists(path) and os.path.samefile(target, path):  # noqa: PTH110, PTH121  # Path.exists() raises for long names
            raise UsageError(f"{option} {target}: that is {what}, which is never overwritten; name another file")


def _named_in(result: Path) -> Iterator[tuple[str, Path]]:
    """Yield the config that a result was made with, and the files that it names."""
    from fullrank.store import ResultFile, is_ours

    if not is_ours(result):
        return
    with ResultFile(result) as file:
        config, text = Path(str(file.provenance().get("config_path", ""))), file.config
    if not config.is_absolute():
        return
    yield "the study's config", config
    try:
        told = tomllib.loads(text)
    except (ValueError, RecursionError):  # the file may be a stranger's
        return
    for word in _texts(told):
        yield "a file of the study", config.parent / word
        yield "the file of the study's function", config.parent / word.rpartition(":")[0]


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str) and "\0" not in value:
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _texts(inner)
