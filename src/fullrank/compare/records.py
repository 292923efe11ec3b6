"""What a comparison measures: plain data, all of it kept in the comparison's file.

Statistics and verdicts are made from these records alone, whenever they are asked for.
"""

import shlex
from collections.abc import Mapping
from math import nan

from fullrank.dataclass import dataclass, field


@dataclass(frozen=True, order=True)
class Variant:
    """One way of running the study."""

    backend: str
    n_workers: int

    def __str__(self) -> str:
        return self.backend if self.backend == "serial" else f"{self.backend} ×{self.n_workers}"


@dataclass(frozen=True)
class Measurement:
    """One run of the sample by one variant in one round: a fresh process, a result file of its own."""

    variant: int
    """Place in :attr:`Comparison.variants`."""
    round: int
    """From 0 on; every variant runs once in a round."""
    wall_seconds: float
    """Of the whole command, from before its start until it has ended; launcher, start and file included."""
    makespan_seconds: float
    """From the workers' common start to the end of the last item."""
    cpu_seconds: float
    """Of all workers, over the makespan."""
    compute_seconds: float
    """Inside items, all workers together."""
    longest_item_seconds: float
    load_balance: float
    """POP: mean busy time / longest busy time of a worker."""
    others_cores: float = nan
    """Cores that other programs kept busy meanwhile; NaN where the system does not tell."""


@dataclass(frozen=True)
class Comparison:
    """All that was measured."""

    title: str
    """Of the study."""
    config_path: str
    n_items: int
    """Of the whole study."""
    n_sampled: int
    """Items in the sample that every measurement runs."""
    variants: tuple[Variant, ...]
    """Those that were measured, the serial baseline first."""
    measurements: tuple[Measurement, ...]
    """Whole rounds, and of a comparison that was stopped, what the last one had."""
    not_possible: Mapping[Variant, str]
    """Variants that could not run, with the reason in one line."""
    trial_start_end_seconds: Mapping[Variant, tuple[float, ...]]
    """Of runs of one item before the first round, the wall time of the command less the makespan."""
    machine: Mapping[str, str | int | float]
    """processor, usable_cores, physical_cores, gil (enabled, disabled, or enabled by NAME), python, mpi … """
    n_rounds_asked: int
    partial: bool = False
    """The comparison was stopped before the last round."""
    notes: tuple[str, ...] = field(default=())
    """What was noticed while measuring, in sentences."""

    @property
    def settings(self) -> tuple[str, ...]:
        """What the command line had set of the config, as ``KEY=VALUE``."""
        try:
            return tuple(shlex.split(str(self.machine.get("settings", ""))))
        except ValueError:  # a stranger's file
            return ()
