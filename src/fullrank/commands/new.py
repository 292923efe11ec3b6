"""``fullrank new``: a config to start from, for a function that is there or with an example of one."""

import json
import os
import shlex
import sys
from argparse import Namespace
from keyword import iskeyword
from pathlib import Path
from typing import Any

from fullrank.commands.opening import users_prints
from fullrank.errors import StorageError, UsageError
from fullrank.system import discard, write_and_sync


def new(arguments: Namespace, _crew: Any) -> int:
    """``fullrank new``."""
    if (arguments.name is None) == (arguments.function is None):
        raise UsageError(
            "expected either a NAME, of an example to start from, or --function FILE.py:FUNCTION, of your own\n"
            "Try: fullrank new --help"
        )
    files = _for_function(arguments) if arguments.function is not None else _example(arguments)
    _write(files)
    shown = [_shown(path) for path in files]
    run = shlex.join(["fullrank", "run", shown[-1]])
    commands = [f"{run} --limit 20", run]
    if arguments.json:
        sys.stdout.write(json.dumps({"files": [str(path) for path in files], "commands": commands}) + "\n")
    else:
        sys.stdout.write("\n".join([*shown, "", "Next:", *(f"  {command}" for command in commands)]) + "\n")
    return 0


def _for_function(arguments: Namespace) -> dict[Path, str]:
    """Return the config for a function of the user's, which is imported to read its signature."""
    from fullrank.config import parse
    from fullrank.config.compose import compose
    from fullrank.function import FunctionSource, users_errors
    from fullrank.implied import relative_to_config
    from fullrank.module_names import refuse_taken
    from fullrank.skeleton import outline_of

    written = arguments.function
    place, _, name = written.rpartition(":")
    if not place or not name:
        raise UsageError(f"--function {written}: expected FILE.py:FUNCTION or MODULE:FUNCTION")
    folder = Path(place).parent if place.endswith(".py") else Path()
    path = _absolute(arguments.output or folder / f"{name.rpartition('.')[2]}.toml")
    if path.suffix != ".toml":
        raise UsageError(f"{arguments.output}: expected a name that ends with .toml")
    _require_folder(path)
    named = relative_to_config(written, path.parent)
    folders = [str(path.parent)]
    if (file := named.rpartition(":")[0]).endswith(".py"):
        folders.append(str((path.parent / file).resolve().parent))
    if file.endswith(".py"):
        refuse_taken([path.parent / file], folders, called=written)
    with users_errors(written, f"importing {place} failed"), users_prints(as_json=arguments.json):
        function = FunctionSource(named, tuple(folders)).load()
    text = compose(outline_of(function, written, named=named, config=shlex.quote(_shown(path))))
    parse(text, path)  # what is written runs
    return {path: text}


def _example(arguments: Namespace) -> dict[Path, str]:
    from fullrank import example
    from fullrank.module_names import owner_of

    if arguments.output is not None:
        raise UsageError("-o is for --function; an example's files are NAME.py and NAME.toml")
    base = _absolute(Path(arguments.name))
    if not base.name.isidentifier() or iskeyword(base.name):
        raise UsageError(
            f"{arguments.name}: expected a name that a module of your own can have, letters, digits and _, "
            f"such as pendulum"
        )
    if owner := owner_of(base.name, besides=[Path.cwd(), base.parent]):
        raise UsageError(f"{arguments.name}: {owner} has a module of that name; choose another, such as pendulum")
    code, config = base.with_suffix(".py"), base.with_suffix(".toml")
    _require_folder(code)
    return {code: example.code(), config: example.config(code.name, shown=shlex.quote(_shown(config)))}


def _require_folder(path: Path) -> None:
    if not path.parent.is_dir():
        raise UsageError(f"{path}: there is no folder {path.parent}")


def _write(files: dict[Path, str]) -> None:
    """Write new files, all or none; StorageError if one of the names is taken."""
    written: list[Path] = []
    for path, text in files.items():
        try:
            write_and_sync(os, path, text.encode(), flags=os.O_CREAT | os.O_EXCL)
        except OSError as error:
            for other in written:
                discard(os, other)
            if isinstance(error, FileExistsError):
                raise UsageError(f"{path}: is there already and stays as it is; choose another name") from None
            discard(os, path)
            raise StorageError.of(error, f"{path}: cannot be written") from None
        written.append(path)


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))  # noqa: PTH100  # resolve() would spell out the user's folders


def _shown(path: Path) -> str:
    from fullrank.implied import shown

    return shown(path)
