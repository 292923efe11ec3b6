"""Items evaluated in this process, and how each ended by the frames that are written down."""

import io
import json
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fullrank.axes import RangeAxis
from fullrank.claim import IDLE
from fullrank.encode import Naming
from fullrank.evaluate import Evaluation, Evaluator
from fullrank.function import FunctionSource
from fullrank.job import Job
from fullrank.journal import Frame, Kind, read_stream
from fullrank.signature import parameters_of
from fullrank.status import Status
from fullrank.sweep import Sweep


@dataclass(frozen=True)
class AtHand:
    """A function where a job expects the name of one."""

    function: Callable[..., Any]
    written: str = "sim:f"

    def load(self) -> Callable[..., Any]:
        return self.function


def job_of(function: Any, *, n_items: int = 1000, setup: Any = None, **options: Any) -> Job:
    """Return a job whose only axis is ``i``, the item's index."""
    found = function if isinstance(function, FunctionSource) else AtHand(function)
    settings: dict[str, Any] = {
        "constants": {},
        "seed": None,
        "naming": Naming("f"),
        "stride": 1,
        "schedule": "guided",
        "n_workers": 1,
        "attempt": 1,
        "backend": "serial",
        "work_folder": "",
    }
    return Job(
        function=found,  # type: ignore[arg-type]
        parameters=parameters_of(found.load(), "sim:f"),
        setup=AtHand(setup) if setup else None,  # type: ignore[arg-type]
        setup_parameters=parameters_of(setup, "sim:setup") if setup else (),
        sweep=Sweep("grid", (RangeAxis("i", start=0, stop=n_items),)),
        **(settings | options),
    )


def evaluator_of(function: Any, *, running: list[int] | None = None, **options: Any) -> Evaluator:
    mine = {name: options.pop(name) for name in ("interrupts", "last_output") if name in options}
    return Evaluator(job_of(function, **options), running=running or [IDLE], **mine)


@dataclass(frozen=True)
class End:
    """How an item ended, as the journal tells it."""

    status: int
    seconds: float
    value: Any = None
    description: Mapping[str, str] | None = None


def ends_of(evaluation: Evaluation) -> dict[int, End]:
    """Return the end of each item; fails if one has two."""
    found: dict[int, End] = {}
    for frame in read_stream(io.BytesIO(b"".join(evaluation.frames)), Path("journal")):
        assert isinstance(frame, Frame)
        n = frame.n_rows
        seconds = struct.unpack_from(f"<{n}f", frame.body, 8 * n)
        for row, index in enumerate(frame.indices()):
            assert index not in found
            if frame.kind == Kind.FAILURES:
                found[index] = End(frame.body[12 * n + row], seconds[row], description=frame.json()[row])
            else:
                ((_, dtype, shape),) = json.loads(frame.meta)
                values = np.frombuffer(frame.body, dtype, offset=12 * n).reshape(n, *shape)
                found[index] = End(Status.OK, seconds[row], values[row].tolist())
    failed = [end for end in found.values() if end.status != Status.OK]
    assert (evaluation.n_finished, evaluation.n_failed) == (len(found), len(failed))
    return found


def raises(kind: type[BaseException], *arguments: Any) -> Callable[[int], Any]:
    def function(i: int) -> Any:
        raise kind(*arguments)

    return function
