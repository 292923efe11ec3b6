"""One item evaluated alone, in this process: to look at a failure. Nothing is written."""

import json
import struct
import time
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import Any

from fullrank.claim import IDLE, Claim, ItemInterrupted
from fullrank.dataclass import dataclass, field
from fullrank.ending import shown, told
from fullrank.errors import UsageError
from fullrank.evaluate import Evaluator
from fullrank.function import from_users_code, users_traceback, without_interruption
from fullrank.interrupt import MainThreadInterrupts
from fullrank.journal import Frame, Kind, read_stream
from fullrank.report.facts import plain
from fullrank.study import Study

_STOPPED = "it was here when a signal asked to stop"


@dataclass(frozen=True)
class Single:
    """What became of an item."""

    index: int
    parameters: dict[str, Any]
    seconds: float
    results: dict[str, Any]
    """Values of an item that is ok."""
    failure: dict[str, str]
    """Exception and traceback of one that is not."""
    is_stopped: bool = False
    """Whether a signal ended it: ``failure`` then tells where it was."""
    trace: TracebackType | None = field(default=None, compare=False, repr=False)
    """Of what it raised, or of where it was stopped, from the user's first frame on, with the frames alive."""

    @property
    def is_ok(self) -> bool:
        """Whether the item has a result."""
        return not self.failure

    def text(self) -> str:
        """Return some lines for a person."""
        end = "stopped after " if self.is_stopped else ""
        lines = [f"item {self.index} ({shown(self.parameters)}): {end}{self.seconds:.3g} s"]
        lines += [f"  {name} = {value}" for name, value in self.results.items()]
        if self.failure:
            lines.append(told(self.failure))
        return "\n".join(line for line in lines if line) + "\n"

    def to_dict(self) -> dict[str, Any]:
        """Return the same as JSON can hold it, without the frames."""
        found: dict[str, Any] = plain({name: value for name, value in vars(self).items() if name != "trace"})
        return found


class _KeepingEvaluator(Evaluator):
    """An evaluator that keeps the frames of what its item raised, and of where it was stopped."""

    trace: TracebackType | None = None
    where_stopped: str = ""

    def _describe(self, error: BaseException, index: int) -> dict[str, str]:
        self.trace = without_interruption(from_users_code(error.__traceback__))
        return super()._describe(error, index)

    def _abandon(self, claim: Claim, error: BaseException) -> None:
        super()._abandon(claim, error)
        told = users_traceback(error)
        if isinstance(error, ItemInterrupted):  # which is our word, and its last line
            told = told.rstrip("\n").rpartition("\n")[0]
        self.where_stopped = told
        self.trace = without_interruption(from_users_code(error.__traceback__))


def evaluate_item(study: Study, index: int) -> Single:
    """Evaluate item ``index``; what it prints goes to this process's own streams.

    A signal that asks to stop ends it within a tick of the timer: who debugs an item that hangs has seen enough of it.

    Raises UsageError for an index that the sweep does not have.
    """
    n_items = study.config.sweep.n_items
    if index >= n_items:
        raise UsageError(f"--item {index}: expected an item of the study, 0 to {n_items - 1}")
    job = study.job(backend="serial", n_workers=1, work_folder=Path())
    running: list[int] = [IDLE]
    signals = MainThreadInterrupts(
        running=running, item_time_limit_seconds=job.item_time_limit_seconds, grace_seconds=0.0
    )
    evaluator = _KeepingEvaluator(job, running=running, interrupts=signals.interrupts)
    begun = time.perf_counter()
    with signals.installed():
        evaluation = evaluator.evaluate([index])
    seconds = time.perf_counter() - begun
    results: dict[str, Any] = {}
    failure = {"exception": evaluation.refusal} if evaluation.refusal else {}
    for frame in read_stream(BytesIO(b"".join(evaluation.frames)), Path()):
        if isinstance(frame, Frame) and frame.kind == Kind.FAILURES:
            failure = frame.json()[0]
        elif isinstance(frame, Frame):
            results = _values(frame)
    is_stopped = signals.requested and not results and not failure
    if is_stopped:
        failure = {"exception": _STOPPED, "traceback": evaluator.where_stopped}
    parameters = study.config.sweep.parameters(index)
    return Single(index, parameters, seconds, results, failure, is_stopped=is_stopped, trace=evaluator.trace)


def _values(frame: Frame) -> dict[str, Any]:
    """Return the only row's values: numbers as Python's, arrays by their shape and beginning."""
    import numpy as np

    found: dict[str, Any] = {}
    offset = struct.calcsize("<qf")
    for name, dtype, shape in json.loads(frame.meta):
        values = np.frombuffer(frame.body, dtype, int(np.prod(shape, dtype=np.int64)), offset).reshape(shape)
        offset += values.nbytes
        found[name] = values.item() if values.shape == () else np.array2string(values, threshold=20)
    return found
