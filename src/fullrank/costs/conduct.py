"""From the costs of a study's items to the file by which workers know which go first."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from fullrank.interrupt import interruptible
from fullrank.job import Job
from fullrank.leading import Leading, packed
from fullrank.metrics import spelled_seconds
from fullrank.report.layout import counted
from fullrank.study import Study
from fullrank.system import System, refused_as, write_and_sync
from fullrank.worker import attempt_stem
from fullrank.workfolder import FIRST_SUFFIX

if TYPE_CHECKING:  # numpy, which a run of another order loads at its end
    import numpy as np
    from numpy.typing import NDArray


def leading(study: Study, job: Job, *, say: Callable[[str], None], system: System = os) -> Leading:
    """Tell workers which items go first: by a file in the work folder, which all of them see.

    Raises FunctionError and UsageError for costs that are none, StorageError if the file cannot be written.
    """
    from fullrank.costs.first import first_items

    begun = time.perf_counter()
    with interruptible():
        costs, told = _costs(study)
    first = first_items(costs, job.order, n_workers=job.n_workers)
    path = Path(job.work_folder, f"{attempt_stem(job.attempt)}all{FIRST_SUFFIX}")
    content = packed(job.order, first.indices.tolist(), first.costs.tolist())
    with refused_as(f"{path}: cannot be written"):
        write_and_sync(system, path, content, flags=os.O_CREAT | os.O_TRUNC)
    n_first = len(first.indices)
    seconds = spelled_seconds(time.perf_counter() - begun)
    go = "all go out by falling cost" if n_first == len(costs) else f"{n_first:,} go first, the others spread"
    say(f"{told} in {seconds}: {go}")
    return Leading(str(path), n_first, first.rest_cost)


def _costs(study: Study) -> tuple["NDArray[np.float64]", str]:
    """Return what items cost, and a clause about where that is from."""
    n_items = study.config.sweep.n_items
    if study.cost is not None:
        from fullrank.costs.function import costs_by_function

        return costs_by_function(study, study.cost), f"costs of {counted(n_items, 'item')} by {study.cost.written}"
    from fullrank.costs.result import costs_by_result

    written = study.config.run.cost or ""
    found = costs_by_result(study.config.path.parent / written, study.config.sweep)
    told = f"costs of {counted(n_items, 'item')} by {written}"
    if found.n_found < n_items:
        told += f", which has {found.n_found:,} of them; the others are taken to cost the median;"
    return found.seconds, told
