"""A run that is asked for, on the command line or from Python, in the words of the command line."""

import os
import time
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from fullrank.config import Config
from fullrank.cores import usable_cores
from fullrank.dataclass import dataclass, field
from fullrank.deadline import stop_time_told
from fullrank.errors import UsageError

if TYPE_CHECKING:
    from fullrank.choices import Choices
    from fullrank.crew import Crew


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

    @property
    def backend(self) -> str:
        """What was asked for, else the usual one."""
        return self.arguments.backend or ("mpi" if self.crew is not None else "processes")

    @property
    def output(self) -> Path:
        """Where the result goes, absolute."""
        from fullrank.study import output_path

        return output_path(self.config, self.arguments.output)

    @property
    def n_workers(self) -> int:
        """How many workers compute; UsageError for more than a backend has."""
        n_asked: int | None = self.arguments.workers
        if self.crew is not None:
            return self.crew.size
        if self.backend == "serial":
            if n_asked not in (None, 1):
                raise UsageError(f"backend 'serial' is one worker; -n {n_asked} needs another one: -b processes")
            return 1
        return n_asked or usable_cores()

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
            provenance=provenance,
        )
