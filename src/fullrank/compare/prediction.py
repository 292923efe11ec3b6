"""The wall time that one run of the sample predicts for the whole study: what happens once, and what grows."""

from fullrank.compare.records import Measurement
from fullrank.metrics import cores_busy

ONE_CORE_BUSY = 1.3
"""Up to here threads have computed one at a time; the rest is fullrank's own work outside items."""


def predicted_study_seconds(
    measurement: Measurement, n_workers: int, *, n_items: int, n_sampled: int, n_cores: float | None = None
) -> float:
    """Return the wall time that one run of the sample predicts for the whole study, in s.

    Start and end happen once. Inside it, all but the wait for the last worker grows with the number
    of items; the guided schedule lets that wait last about one item, however many there are. No study is shorter
    than its longest item. ``n_cores`` are those that the workers could have, None if that is not known.
    """
    growing = growing_seconds(measurement, n_workers, n_cores=n_cores)
    waiting = measurement.makespan_seconds - growing
    return _study_seconds(measurement, growing * n_items / n_sampled + waiting)


def comparable_study_seconds(
    measurement: Measurement, n_workers: int, *, n_items: int, n_sampled: int, n_cores: float | None = None
) -> float:
    """Return the same for a comparison of two ways: of a part of the items without the wait for the last worker.

    How long that is depends on what number of items the sample happens to have, for one way more than for another.
    """
    if n_sampled == n_items:
        return measurement.wall_seconds
    growing = growing_seconds(measurement, n_workers, n_cores=n_cores)
    return _study_seconds(measurement, growing * n_items / n_sampled)


def _study_seconds(measurement: Measurement, seconds: float) -> float:
    return measurement.wall_seconds - measurement.makespan_seconds + max(seconds, measurement.longest_item_seconds)


def growing_seconds(measurement: Measurement, n_workers: int, *, n_cores: float | None = None) -> float:
    """Return the part of a makespan that grows with the number of items, in s.

    That is all but the mean wait of a worker after its last item. Where more workers compute than have a core, the
    cores are not idle while the first of them wait; so it is never less than the CPU time takes on all their cores.
    """
    makespan = measurement.makespan_seconds
    waiting = busiest_seconds(measurement, n_workers) - measurement.compute_seconds / n_workers
    computing = measurement.cpu_seconds / min(n_workers, n_cores or n_workers)
    found = max(0.0, makespan - waiting)
    return min(max(found, computing), makespan) if computing > found else found  # NaN is not


def usable_by(measurement: Measurement, backend: str, *, gil: str, n_cores: int | None) -> int | None:
    """Return how many cores the workers of a run could have computed on, None if that is not known."""
    takes_turns = backend == "threads" and gil != "disabled"
    if takes_turns and cores_busy(measurement.cpu_seconds, measurement.makespan_seconds) < ONE_CORE_BUSY:
        return 1
    return n_cores


def busiest_seconds(measurement: Measurement, n_workers: int) -> float:
    """Return the time inside items of the worker that had most of it, in s."""
    mean_busy = measurement.compute_seconds / n_workers
    return mean_busy / measurement.load_balance if measurement.load_balance > 0 else mean_busy  # NaN is not
