"""The config that a command without one stands for: written beside the result, and the user's to edit."""

import os
import shlex
import tomllib
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

from fullrank.config import OPTIONS, Config, Wording, parse
from fullrank.config.compose import Outline, compose
from fullrank.config.toml_text import why_not_toml
from fullrank.dataclass import dataclass, field, replace
from fullrank.errors import FunctionError, OutputError, StorageError, UsageError
from fullrank.files import missing
from fullrank.study import DEFAULT_FOLDER
from fullrank.system import System, discard, make_folders, sync_folder, write_and_sync

_MARK = "# Written by fullrank for a run without a config, and yours to edit. Mark: "
"""How the first line begins; the digest of what follows it ends it."""


@dataclass(frozen=True)
class Asked:
    """A study as it is asked for without a config; paths are relative to the working directory."""

    function: str
    """``path/to/file.py:function`` or ``module:function``."""
    axes: Mapping[str, Any]
    kind: Literal["grid", "zip"] = "grid"
    constants: Mapping[str, Any] = field(default_factory=dict)
    seed: int | None = None
    replicates: int | None = None
    wording: Wording = OPTIONS
    """Of the way in which it is asked."""

    @property
    def name(self) -> str:
        """What the function is called, and so the result."""
        return self.function.rpartition(":")[2].rpartition(".")[2]

    @property
    def called(self) -> str:
        """What messages call it."""
        place, _, name = self.function.rpartition(":")
        return f"{shown(Path(place))}:{name}" if _is_file(self.function) else self.function


def config_of(
    asked: Asked, output: Path | None, *, settings: Sequence[str] = (), writes: bool = True, system: System = os
) -> Config:
    """Return the config of what is asked; the run writes it beside the result, if ``writes``, once nothing refuses it.

    Raises ConfigError for what is wrong in it, OutputError if another file has its name.
    """
    result = Path(os.path.abspath(output or DEFAULT_FOLDER / f"{asked.name}.h5"))  # noqa: PTH100  # keeps links
    path = result.with_suffix(".toml") if writes else Path.cwd() / f"{asked.name}.toml"
    if path == result:
        raise UsageError(f"{output}: expected a name for the result, such as {result.with_suffix('.h5').name}")
    if writes:  # what the config names is found from its folder
        try:
            make_folders(system, path.parent)
        except OSError as error:
            raise StorageError.of(error, f"{path.parent}: cannot be made") from None
    text = _marked(compose(_outline(asked, path, result=result)))
    config = parse(text, path, settings, wording=replace(asked.wording, function=asked.called))
    return replace(config, is_unwritten=writes and _is_to_be_written(path, text))


def _is_to_be_written(path: Path, text: str) -> bool:
    """Return whether a config is not there yet; OutputError if another one is, or one that was edited since."""
    try:
        present = path.read_bytes() if path.exists() else None
    except OSError as error:
        raise StorageError.of(error, f"{path}: cannot be read") from None
    if present == text.encode():
        return False
    if present is not None and not is_as_written(present):
        was_ours = present.startswith(_MARK.encode())
        what = "was edited since fullrank wrote it" if was_ours else "was not written by fullrank"
        raise OutputError(
            f"{path}: {what}, and stays as it is; run it with: fullrank run {shlex.quote(shown(path))}, "
            f"or choose another output with -o"
        )
    return True


def write_config(config: Config, system: System = os) -> None:
    """Write a config that is not there yet; StorageError if that cannot be."""
    path = config.path
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        write_and_sync(system, temporary, config.text.encode(), flags=os.O_CREAT | os.O_TRUNC)
        system.replace(temporary, path)
        sync_folder(system, path.parent)
    except OSError as error:
        discard(system, temporary)
        raise StorageError.of(error, f"{path}: cannot be written") from None


def named_study(study: Path, output: Path | None) -> Path:
    """Return the config of a function that was run without one; what else is named as it is.

    Raises UsageError if there is none.
    """
    if study.exists() or not names_function(str(study)):
        return study
    name = Asked(str(study), {}).name
    config = (output or DEFAULT_FOLDER / f"{name}.h5").with_suffix(".toml")
    if not config.is_file():
        raise UsageError(
            f"{study}: expected the config that a run of this function has written, and there is no {config}; "
            f"name the config, or with -o the output, if it is another"
        )
    return config


def write_new_config(config: Config) -> None:
    """Write a config where none is yet; OutputError if the one of another study is there."""
    if config.is_unwritten and config.path.exists():
        there, here = _function_in(config.path.read_bytes()), _function_in(config.text.encode())
        what = f"another function, {there}" if there != here else "the same function with other axes or constants"
        raise OutputError(
            f"{shown(config.path)}: is of {what}; move it and its result away, "
            f"or name it instead of {config.wording.function}"
        )
    if config.is_unwritten:
        write_config(config)


def _function_in(data: bytes) -> str:
    """Return the function of a config that fullrank wrote and nobody has edited."""
    return str(tomllib.loads(data.decode())["workload"]["function"])


def is_as_written(data: bytes) -> bool:
    """Return whether a file is one of ours that nobody has edited."""
    first, _, rest = data.partition(b"\n")
    return first == _first_line(rest.decode(errors="replace")).encode()


def _marked(text: str) -> str:
    return f"{_first_line(text)}\n{text}"


def _first_line(text: str) -> str:
    return f"{_MARK}{sha256(text.encode()).hexdigest()[:12]}"


def _outline(asked: Asked, path: Path, *, result: Path) -> Outline:
    for name, value in (*asked.axes.items(), *asked.constants.items()):
        if reason := why_not_toml(value):
            raise UsageError(f"{asked.function}: the value of '{name}' {reason}, which a config cannot hold")
    is_default = result == Path.cwd() / DEFAULT_FOLDER / f"{path.stem}.h5"
    outline = Outline(
        function=relative_to_config(asked.function, path.parent),
        axes=asked.axes,
        kind=asked.kind,
        constants={name: _rebased(value, path.parent) for name, value in asked.constants.items()},
        seed=asked.seed,
        replicates=asked.replicates,
        output="" if is_default else shown(result),
        notes={"function": "file relative to this one"} if _is_file(asked.function) else {},
        head=(f"Once edited it is left alone. It runs with: fullrank run {shlex.quote(shown(path))}",),
    )
    if reason := why_not_toml([outline.function, outline.output]):
        raise UsageError(f"{asked.function}: its path or the output's {reason}, which a config cannot hold")
    return outline


def relative_to_config(function: str, folder: Path) -> str:
    """Return how a config in ``folder`` names a function; FunctionError if its file is not there.

    A module of one name that stands in the working directory is named by its file: what is beside the config is
    another folder.
    """
    place, _, name = function.rpartition(":")
    if not _is_file(function):
        beside = Path(f"{place}.py")
        return f"{_relative(beside, folder)}:{name}" if "." not in place and beside.is_file() else function
    problem = missing(Path(place), ".py")
    if problem is not None:
        raise FunctionError(f"{function}: {problem}")
    return f"{_relative(Path(place), folder)}:{name}"


def _is_file(function: str) -> bool:
    return function.rpartition(":")[0].endswith(".py")


def _relative(file: Path, folder: Path) -> str:
    """Return a path from ``folder``, of which ``..`` is that of the place it links to; a file's link keeps its name."""
    return Path(os.path.relpath(file.parent.resolve() / file.name, folder.resolve())).as_posix()


def _rebased(value: Any, folder: Path) -> Any:
    """Return a constant that names a file, ``{ npy = … }``, with its path as a config in ``folder`` has it."""
    if isinstance(value, dict) and isinstance(path := value.get("npy"), str):
        return value | {"npy": _relative(Path(path), folder)}
    return value


def shown(path: Path) -> str:
    """Return an absolute path as short as it can be written in the working directory."""
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def names_function(text: str) -> bool:
    """Return whether the argument of ``run`` names a function and not a config.

    >>> names_function("sim.py:simulate"), names_function("package.module:Class.method"), names_function("a:b.toml")
    (True, True, False)
    """
    place, colon, name = text.rpartition(":")
    if not colon or text.endswith(".toml"):
        return False
    return place.endswith(".py") or (_is_dotted(place) and _is_dotted(name))


def _is_dotted(name: str) -> bool:
    return all(part.isidentifier() for part in name.split("."))
