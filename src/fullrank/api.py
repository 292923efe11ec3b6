"""``fullrank.run``: a study from Python, by its config or by a function and its axes."""

import os
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fullrank.account import is_importing
from fullrank.errors import BackendError, FunctionError, UsageError
from fullrank.launcher import Launched, launcher_from

if TYPE_CHECKING:
    from fullrank.crew import Crew
    from fullrank.request import Request
    from fullrank.result import Result

Axes = Mapping[str, Any]
_ANY_NUMBER = str(2**62)


def run(
    study: str | os.PathLike[str] | Callable[..., Any],
    *,
    grid: Axes | None = None,
    zip: Axes | None = None,
    constants: Mapping[str, Any] | None = None,
    seed: int | None = None,
    replicates: int | None = None,
    backend: str | None = None,
    workers: int | None = None,
    output: str | os.PathLike[str] | None = None,
    limit: int | None = None,
    fresh: bool = False,
    accept_change: bool = False,
    retry_failed: bool = False,
    take_over: bool = False,
    stop_after: float | str | None = None,
    here: bool = False,
) -> "Result | None":
    """Run a study, or go on with it, and return its result: what ``fullrank run`` does, without a word on the terminal.

    ::

        fullrank.run("study.toml")
        fullrank.run(simulate, grid={"r": numpy.linspace(2.5, 4, 2000), "x0": [0.1, 0.2]}, constants={"steps": 500})

    The top level of a script has to call it under ``if __name__ == "__main__":``, for workers import the function's
    file. In a script that mpiexec started it is collective: every rank calls it, root gets the result, the others
    None. What happens is logged by the logger ``fullrank``. A signal that asks to stop ends the run as it ends the
    command; afterwards all handlers are as before.

    Args:
        study: the path of a config; or a function, which is named by its file and never pickled, or the text
            ``"sim.py:function"``. With a function the config that the call stands for is written beside the result.
        grid: axes of which every combination is an item: a list, an array, a ``range``, or a table of the config.
        zip: axes that are walked together, instead of ``grid``.
        constants: values that are the same for all items, as TOML has them, or ``{"npy": "array.npy"}``.
        seed: of random numbers; each item gets its own from it.
        replicates: how often each parameter set occurs.
        backend: ``"processes"``, ``"mpi"``, ``"threads"``, ``"serial"`` or ``"interpreters"``; without it processes, or
            mpi under a launcher and in a job of several nodes. Where no launcher started this, ``"mpi"`` starts one.
        workers: how many; without it one on each usable core, or as many as a job of several nodes has room for.
        output: where the result goes; without it ``results/<name of the config or function>.h5``.
        limit: only so many items, a fair sample, into a partial file; a call without it keeps them.
        fresh: start anew; old results are moved aside.
        accept_change: keep what is finished although code or constants have changed.
        retry_failed: do the items again that have failed so far.
        take_over: take the output over from a run that is known to be dead.
        stop_after: begin no item later than that after the call, in seconds or as text: "55m".
        here: compute on what looks like a cluster's login node.

    Raises:
        UsageError: the study, the function or the call is wrong, or results of another study are there.
        Stopped: it ended early; the same call goes on.
        FailedItems: it was stopped for failed items. Items that fail in a run that ends are no error: ``n_failed``.
        StorageError: a file cannot be read or written.
    """
    _check_place()
    options = {
        "-b": backend,
        "-n": workers,
        "--limit": limit,
        "--stop-after": stop_after,
        "--fresh": fresh,
        "--accept-change": accept_change,
        "--retry-failed": retry_failed,
        "--take-over": take_over,
        "--here": here,
    }
    asked = {"grid": grid, "zip": zip, "constants": constants, "seed": seed, "replicates": replicates}
    launched = launcher_from(os.environ)
    _check_launch(launched, backend, workers)

    def conduct(crew: "Crew | None") -> Path:
        from fullrank import calling
        from fullrank.commands.here import ask_for_here
        from fullrank.in_python import in_python, worded_in_python
        from fullrank.request import request_here

        with worded_in_python():
            request, words = _request(study, asked, options, output=output, crew=crew)
            request = request_here(request, warn=lambda sentence: calling.logger.warning(in_python(sentence)))
            ask_for_here(request.arguments, n_workers=request.n_workers)
            if request.backend == "mpi" and crew is None:
                return calling.run_on_ranks(request, words)
            return calling.run(request)

    if launched is None or backend not in (None, "mpi"):
        path: Path | None = conduct(None)
    else:
        path = _on_ranks(conduct, launched)
    if path is None:
        return None
    from fullrank.result import open_result

    return open_result(path)


def _check_place() -> None:
    """Refuse a call from where no run can be: while a worker imports the function, or beside the main thread."""
    if is_importing():
        raise FunctionError(
            "the file of the function calls fullrank.run while it is imported, as each worker imports it; "
            'put that call under: if __name__ == "__main__":'
        )
    if threading.current_thread() is not threading.main_thread():
        raise UsageError(
            "fullrank.run works in the main thread alone, for signals that ask it to stop reach no other; call it "
            "there, or start the command from this thread: subprocess.run(['fullrank', 'run', 'study.toml'])"
        )


def _check_launch(launched: Launched | None, backend: str | None, workers: int | None) -> None:
    if launched is None:
        return
    if launched.size > 1 and backend not in (None, "mpi"):
        raise UsageError(
            f"backend '{backend}' runs in one process, but {launched.name} started {launched.size}; "
            f"leave out backend, or start without {launched.name}"
        )
    if backend in (None, "mpi") and workers not in (None, launched.size):
        raise UsageError(f"workers={workers} disagrees with {launched.name}, which started {launched.size} ranks")


def _on_ranks(conduct: "Callable[[Crew], Path]", launched: Launched) -> Path | None:
    """Be one of the ranks that a launcher started. Collective."""
    try:
        from fullrank.backends import mpi

        mpi.joined(launched)
    except (ImportError, RuntimeError) as error:
        raise BackendError(
            f"{launched.name} started {launched.size} processes, but mpi4py cannot load an MPI library: {error}\n"
            f"Install one with: pip install 'fullrank[mpich]'"
        ) from None
    from fullrank.backends.mpi.session import together

    return together(conduct)


def _request(
    study: Any, asked: Mapping[str, Any], options: Mapping[str, Any], *, output: Any, crew: "Crew | None"
) -> "tuple[Request, list[str]]":
    """Return the run that is asked for, and the words of the command line, which judges them."""
    from fullrank.account import system_seconds
    from fullrank.arguments import parser
    from fullrank.request import Request

    try:
        goes_to = None if output is None else Path(output)
    except TypeError:
        raise UsageError(f"output: expected a path, got {type(output).__name__}") from None
    config = _config(study, asked, goes_to)
    words = ["run", str(config.path), "--quiet", "--allow-failures", _ANY_NUMBER]
    for option, value in options.items():
        if value is True:
            words.append(option)
        elif value is not None and value is not False:
            words += [option, str(value)]
    if goes_to is not None:
        words.append(f"--output={goes_to.absolute()}")
    return Request(config, parser().parse_args(words), crew, begun=system_seconds()), words


def _config(study: Any, asked: Mapping[str, Any], output: Path | None) -> Any:
    from fullrank.asking import asked_for
    from fullrank.config import load
    from fullrank.implied import config_of, names_function

    if callable(study):
        from fullrank.named import name_of

        study = name_of(study)
    if isinstance(study, str) and names_function(study):
        return config_of(asked_for(study, **asked), output)
    given: Iterable[str] = [name for name, value in asked.items() if value is not None]
    for name in given:
        raise UsageError(f"{name} is for a function; {study} says itself what is computed: change it there")
    try:
        path = Path(study).absolute()
    except TypeError:
        raise UsageError(
            f"expected the path of a config or a function, got an object of type {type(study).__name__}"
        ) from None
    return load(path)
