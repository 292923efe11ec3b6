"""What a plan predicted beside what the run after it took."""

from collections.abc import Iterator, Mapping, Sequence
from math import isnan

from fullrank.metrics import spelled_seconds, work
from fullrank.predicted import WallTime, from_facts
from fullrank.report.facts import Outcome, Prediction
from fullrank.report.layout import counted, table, wrapped
from fullrank.schema import AttemptRow, WorkerRow


def prediction(
    facts: Mapping[str, str | int | float], attempts: Sequence[AttemptRow], workers: Sequence[WorkerRow]
) -> Prediction | None:
    """Return what became of a prediction; None if no plan came before the run.

    ``facts`` are the result's provenance; what follows the pilot's last attempt is the run, in however many attempts.
    """
    if not attempts or (found := from_facts(facts, attempts[-1].n_workers)) is None:
        return None
    later = [row for row in attempts if row.attempt > found.after_attempt]
    own = [row for row in workers if row.attempt > found.after_attempt]
    pilot = [row for row in workers if row.attempt <= found.after_attempt]
    n_workers = attempts[-1].n_workers
    problem = _problem(found.counts, found.n_items, later, own, is_predicted=bool(found.walls))
    wall = makespan = None
    if not problem:
        makespans = [work([row for row in own if row.attempt == one.attempt]).makespan_seconds for one in later]
        wall = _outcome(found.walls[0], sum(_wall_seconds(one, own) for one in later), less_seconds=0.0)
        makespan = _outcome(found.walls[0], sum(makespans), less_seconds=found.start_end_seconds)
    return Prediction(
        problem,
        n_workers,
        found.n_items,
        wall,
        makespan,
        pilot_platforms=_named(row.platform for row in pilot),
        other_platforms=_beyond((row.platform for row in own), (row.platform for row in pilot)),
        pilot_hosts=_named(row.host for row in pilot),
        other_hosts=_beyond((row.host for row in own), (row.host for row in pilot)),
    )


def _problem(
    counts: Sequence[int],
    n_items: int,
    later: Sequence[AttemptRow],
    own: Sequence[WorkerRow],
    *,
    is_predicted: bool,
) -> str:
    numbers = sorted({row.n_workers for row in later})
    planned = ", ".join(map(str, counts))
    if len(numbers) != 1 or not is_predicted:
        ran = " and then ".join(str(number) for number in numbers)
        return f"it was for {planned} workers, and {ran} did the rest: plan for as many as are to run"
    n_done = sum(row.n_items for row in own)
    if n_done != n_items:
        return f"it was for {counted(n_items, 'item')}, and {n_done:,} were evaluated after the pilot"
    if any(isnan(row.elapsed_seconds) for row in own):
        return "workers were killed, and how long they ran is not known"
    return ""


def _wall_seconds(attempt: AttemptRow, workers: Sequence[WorkerRow]) -> float:
    """Return how long an attempt's command took: until it wrote the file, where that is known."""
    accounts = [row.account_seconds for row in workers if row.attempt == attempt.attempt]
    return max([seconds for seconds in (*accounts, attempt.wall_seconds) if not isnan(seconds)], default=0.0)


def _outcome(wall: WallTime, actual_seconds: float, *, less_seconds: float) -> Outcome:
    least, median, most = (
        max(0.0, seconds - less_seconds) for seconds in (wall.least_seconds, wall.median_seconds, wall.most_seconds)
    )
    return Outcome(median, least, most, actual_seconds)


def _named(names: Iterator[str]) -> tuple[str, ...]:
    return tuple(sorted(set(filter(None, names))))


def _beyond(names: Iterator[str], known: Iterator[str]) -> tuple[str, ...]:
    return tuple(sorted(set(filter(None, names)) - set(known)))


def prediction_lines(found: Prediction | None, width: int) -> Iterator[str]:
    """Say whether the prediction held."""
    if found is None:
        return
    yield "Prediction"
    if found.problem:
        yield from wrapped("  ", f"The plan cannot be compared: {found.problem}.", width)
        return
    rows = [("", "predicted", "90% interval", "actual", "")]
    for name, outcome in (("wall time", found.wall), ("makespan", found.makespan)):
        if outcome is not None:
            interval = f"{spelled_seconds(outcome.least_seconds)} to {spelled_seconds(outcome.most_seconds)}"
            predicted, actual = spelled_seconds(outcome.predicted_seconds), spelled_seconds(outcome.actual_seconds)
            rows.append((name, predicted, interval, actual, outcome.verdict))
    yield from table(rows, left=(0, 4), has_head=True)
    on = f"{counted(found.n_items, 'item')} on {counted(found.n_workers, 'worker')}"
    yield from wrapped("  ", f"Of the {on} that the pilot had left.", width)
    if found.other_platforms:
        here = "; ".join(found.other_platforms)
        told = f"The pilot ran on {'; '.join(found.pilot_platforms) or 'an unknown CPU'}, the run on {here}"
        yield from wrapped("  ", f"{told}: other CPUs take other times.", width)
    elif found.other_hosts:
        told = f"The pilot ran on {', '.join(found.pilot_hosts)}, the run also on {', '.join(found.other_hosts)}"
        yield from wrapped("  ", f"{told}: CPUs of the same model.", width)
