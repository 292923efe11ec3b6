"""A run that is asked for, on the command line or from Python, in the words of the command line."""

import os
import time
from argparse import Namespace
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from fullrank.allocation import Allocation, allocation_from, find_starter, others_idle
from fullrank.config import Config
from fullrank.cores import usable_cores
from fullrank.dataclass import dataclass, field, replace
from fullrank.deadline import stop_time_told
from fullrank.errors import BackendError, UsageError
from fullrank.launch import Starter

if TYPE_CHECKING:
    from fullrank.choices import Choices
    from fullrank.crew import Crew
    from fullrank.shard import Shard


@dataclass(frozen=True)
class Request:
    """What is to be run, and how."""

    config: Config
    arguments: Namespace
    """Of ``fullrank run``."""
    crew: "Crew | None"
    """The ranks that a launcher has started; None without a launcher."""
    asked_at: float = field(default_factory=time.time)
    """Time (of time.time()) from which ``--stop-after`` counts."""
    begun: float | None = None
    """When the account of time begins, as account.system_seconds() tells time; None: with this process."""
    allocation: Allocation | None = None
    """What the job gives that this is in; None outside jobs and on ranks, which have been given their share."""
    starter: Starter | None = None
    """What starts ranks on the job's nodes, where that is how the study is run unless something else is asked for."""
    is_reported: bool = False
    """Whether the results are told in words once they are there."""

    @property
    def backend(self) -> str:
        """What was asked for, else the usual one."""
        has_ranks = self.crew is not None or self.starter is not None
        return self.arguments.backend or ("mpi" if has_ranks else "processes")

    @property
    def output(self) -> Path:
        """Where the result goes, absolute."""
        from fullrank.study import output_path

        return output_path(self.config, self.arguments.output)

    @property
    def n_workers(self) -> int:
        """How many workers compute; UsageError for more than a backend or the job has."""
        n_asked: int | None = self.arguments.workers
        if self.crew is not None:
            return self.crew.size
        if self.backend == "serial":
            if n_asked not in (None, 1):
                raise UsageError(f"backend 'serial' is one worker; -n {n_asked} needs another one: -b processes")
            return 1
        if self.allocation is None:
            return n_asked or usable_cores()
        return self._n_in_job(self.allocation, n_asked)

    def _n_in_job(self, allocation: Allocation, n_asked: int | None) -> int:
        """Return how many workers compute in a job: as many as there is room for, or fewer."""
        is_beyond = self.backend == "mpi" and allocation.goes_beyond_here
        n_usual = allocation.n_ranks if is_beyond else usable_cores()
        n_most = n_usual if allocation.goes_beyond_here else max(n_usual, allocation.n_ranks)
        # who names another backend may wish for workers that wait, or take turns
        if self.arguments.backend in (None, "mpi") and n_asked is not None and n_asked > n_most:
            here = "" if n_most == allocation.n_ranks else f", and for {n_most} workers on this one"
            raise UsageError(
                f"-n {n_asked} disagrees with job {allocation}{here}; leave out -n, ask for at most {n_most}, or have "
                f"the batch system give more"
            )
        return n_asked or n_usual

    @property
    def shard(self) -> "Shard | None":
        """The share of the items that is asked for; UsageError for one that cannot be."""
        from fullrank.shard import shard_from

        arguments, n_items = self.arguments, self.config.sweep.n_items
        if arguments.shard is None:
            return None
        return shard_from(arguments.shard, os.environ, n_items=n_items, limit=arguments.limit)

    @property
    def stop_at(self) -> float | None:
        """The time (of time.time()) from which no item is begun; None if there is none."""
        after = self.arguments.stop_after
        return stop_time_told(os.environ, time.time(), begun=self.asked_at, stop_after_seconds=after)

    def choices(self, provenance: Mapping[str, str | int | float] | None = None) -> "Choices":
        """Return what the driver is told."""
        from fullrank.choices import Choices

        arguments = self.arguments
        return Choices(
            output=self.output,
            backend=self.backend,
            n_workers=self.n_workers,
            fresh=arguments.fresh,
            accept_change=arguments.accept_change,
            retry_failed=arguments.retry_failed,
            take_over=arguments.take_over,
            begun=self.begun,
            stop_at=self.stop_at,
            limit=arguments.limit,
            is_reported=self.is_reported,
            provenance=provenance,
            shard=self.shard,
        )


def request_here(request: Request, *, warn: Callable[[str], object]) -> Request:
    """Return a request as it is to be carried out where this process is: on all of its job, if it is in one.

    ``warn`` is told if the job's other nodes cannot be used. Raises BackendError if this is none of its nodes, and
    nothing starts ranks there.
    """
    if request.crew is not None or (allocation := allocation_from(os.environ)) is None:
        return request
    request = replace(request, allocation=allocation)
    if request.arguments.backend is not None or not allocation.goes_beyond_here:
        return request
    try:
        return replace(request, starter=find_starter(os.environ, allocation))
    except BackendError as error:
        warn(others_idle(allocation, error))
        return request
