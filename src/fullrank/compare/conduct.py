"""One comparison, from a config to its file: try out, choose the sample, measure round after round."""

import os
import random
import shlex
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from fullrank.backends.interpreters import interpreters_module
from fullrank.commit import put_in_place
from fullrank.compare.hold import OutputHold
from fullrank.compare.measure import Bench
from fullrank.compare.one_study import StudyEdited
from fullrank.compare.records import Comparison, Measurement, Variant
from fullrank.compare.rounds import Rounds
from fullrank.compare.sample import Sample, choose
from fullrank.compare.statistics import default_rounds, fewest_rounds
from fullrank.compare.stopping import StopRequest
from fullrank.compare.tryout import Tryout, refuse_hopeless, try_out
from fullrank.compare.variants import Place, Plan, counted_ways, plan
from fullrank.config import Config
from fullrank.cores import physical_cores, usable_cores
from fullrank.dataclass import dataclass, replace
from fullrank.errors import BackendError, FullrankError, OutputError, ResultsDiffer, Stopped
from fullrank.metrics import spelled_seconds
from fullrank.repeat import set_options
from fullrank.report.layout import counted
from fullrank.scheduler import job_from
from fullrank.store import is_comparison, write_comparison
from fullrank.workfolder import moved_aside

OVERRUN = 1.2
"""A comparison that took so many times its budget says so."""
_KEPT_FACTS = ("host", "kernel", "libc", "fullrank", "scheduler", "job_id", "job_n_nodes", "job_nodes")


@dataclass(frozen=True)
class Choices:
    """What the command line decides beside the study."""

    output: Path
    """Absolute; the comparison's file."""
    backends: tuple[str, ...]
    counts: tuple[int, ...] | None
    """Numbers of workers; None: the usual ones."""
    n_rounds: int | None
    """None: as many as the number of variants needs."""
    budget_seconds: float
    take_over: bool = False
    """Take the output over from a comparison that the user knows is dead."""


def compare(config: Config, choices: Choices, *, say: Callable[[str], None]) -> Comparison:
    """Measure all ways of running the study that are possible here, and keep every raw value in the output.

    A signal that asks to stop ends it early: what was measured is kept, and the comparison is partial. Raises
    Stopped if nothing was, ResultsDiffer if the ways disagree, StudyEdited if the study does not stay as it is, Locked
    if another comparison or run writes to the output, UsageError and what a serial run of the study raises.
    """
    _check_output(choices.output)
    place = place_from(os.environ)
    planned = plan(choices.backends, choices.counts, place)
    planned = _without_ranks(_without_interpreters(planned))
    refuse_hopeless(
        choices.budget_seconds,
        n_variants=len(planned.variants),
        n_rounds=choices.n_rounds,
        own_cpu_seconds=time.process_time(),
    )
    try:
        with (
            OutputHold(choices.output, take_over=choices.take_over, notify=say) as hold,
            StopRequest() as stop,
            Bench(config.path, beside=choices.output, stop=stop, settings=config.settings) as bench,
        ):
            _check_output(choices.output)  # again: another run may have ended meanwhile
            return _Conduct(config, choices, place, bench=bench, say=say, hold=hold).go(planned)
    except KeyboardInterrupt:
        raise Stopped("stopped before anything was measured; nothing is kept") from None


def place_from(environ: Mapping[str, str]) -> Place:
    """Return what room there is: of this node, and of the job's other nodes."""
    n_usable, job = usable_cores(environ), job_from(environ)
    return Place(n_usable, job.n_ranks if job is not None and job.n_ranks is not None else n_usable)


def _check_output(output: Path) -> None:
    if output.is_dir():
        raise OutputError(f"{output}: is a folder; name a file for the comparison with -o")
    if output.exists() and not is_comparison(output):
        raise OutputError(f"{output}: is no comparison of fullrank and stays as it is; choose another path with -o")


def _without_ranks(planned: Plan) -> Plan:
    """Return the plan without mpi where ``fullrank run -b mpi`` finds nothing that starts ranks."""
    if all(variant.backend != "mpi" for variant in planned.variants):
        return planned
    from fullrank.allocation import allocation_from, find_starter
    from fullrank.launch import NoMpiexec

    try:
        find_starter(os.environ, allocation_from(os.environ))
    except NoMpiexec as error:  # who starts the ranks by hand cannot compare
        return _without("mpi", planned, BackendError(f"{error.lacking}\n{error.to_get_one}"))
    except BackendError as error:
        return _without("mpi", planned, error)
    return planned


def _without_interpreters(planned: Plan) -> Plan:
    """Return the plan without sub-interpreters where this Python has none."""
    try:
        interpreters_module()
    except BackendError as error:
        return _without("interpreters", planned, error)
    return planned


def _without(backend: str, planned: Plan, error: BackendError) -> Plan:
    reason = "; ".join(str(error).splitlines())
    left_out = [variant for variant in planned.variants if variant.backend == backend]
    others = tuple(variant for variant in planned.variants if variant.backend != backend)
    return Plan(others, {**planned.not_possible, **dict.fromkeys(left_out, reason)})


class _Conduct:
    """A comparison on its way."""

    def __init__(
        self,
        config: Config,
        choices: Choices,
        place: Place,
        *,
        bench: Bench,
        say: Callable[[str], None],
        hold: OutputHold,
    ) -> None:
        self._config = config
        self._choices = choices
        self._place = place
        self._bench = bench
        self._say = say
        self._hold = hold
        self._begun = time.monotonic()
        self._seed = random.SystemRandom().randrange(2**31)
        self._saved = False
        self._n_kept = 0
        """Whole rounds in the file."""

    def go(self, planned: Plan) -> Comparison:
        """Try out, choose the sample, measure."""
        choices, n_items = self._choices, self._config.sweep.n_items
        if warning := too_few_rounds(len(planned.variants), choices.n_rounds):
            self._say(warning)
        tried = try_out(
            self._bench,
            planned.variants,
            n_items=n_items,
            budget_seconds=choices.budget_seconds,
            n_rounds=choices.n_rounds,
            seed=self._seed,
            say=self._say,
        )
        tried.not_possible.update(planned.not_possible)
        sample = choose(
            tried.pilot(),
            n_items=n_items,
            budget_seconds=choices.budget_seconds,
            n_rounds=choices.n_rounds,
            spent_seconds=self._spent_seconds(),
            n_cores=self._place.room,
        )
        self._say(
            f"{sample.n_sampled:,} of {counted(n_items, 'item')}, {counted(sample.n_rounds, 'round')} of "
            f"{counted_ways(len(tried.start_end_seconds))}; about {spelled_seconds(sample.predicted_seconds)}"
        )
        return self._measure(tried, sample)

    def _spent_seconds(self) -> float:
        return time.monotonic() - self._begun

    def _measure(self, tried: Tryout, sample: Sample) -> Comparison:
        rounds = Rounds(self._bench, tuple(tried.start_end_seconds), n_items=sample.n_sampled, seed=self._seed)
        try:
            for number in rounds.take(sample.n_rounds):
                is_last = number + 1 == sample.n_rounds
                comparison = self._kept(tried, sample, rounds, partial=not is_last)
                self._n_kept = number + 1
                self._say(f"round {number + 1} of {sample.n_rounds} is done")
        except KeyboardInterrupt:
            if not rounds.measurements:
                raise
            return self._kept(tried, sample, rounds, partial=True)
        except ResultsDiffer:
            if self._saved:
                self._hold.check()
                self._choices.output.unlink(missing_ok=True)  # times of results that are wrong
            raise
        except FullrankError as error:
            if self._n_kept:
                if isinstance(error, StudyEdited):  # the last whole round is what is known of the first study
                    self._save(replace(comparison, partial=True, notes=(*comparison.notes, error.note)))
                error.args = (f"{error}\n{self._what_is_kept()}",)
            raise
        return comparison

    def _what_is_kept(self) -> str:
        """Say what stands in the file after a failure: it was written at the end of each round."""
        path = shlex.quote(str(self._choices.output))
        return f"{counted(self._n_kept, 'whole round')} before that are kept: fullrank report {path}"

    def _kept(self, tried: Tryout, sample: Sample, rounds: Rounds, *, partial: bool) -> Comparison:
        """Write down what was measured so far, and return it."""
        variants, measurements = without_dropped(tuple(tried.start_end_seconds), rounds)
        comparison = Comparison(
            title=self._config.title,
            config_path=str(self._config.path),
            n_items=self._config.sweep.n_items,
            n_sampled=sample.n_sampled,
            variants=variants,
            measurements=measurements,
            not_possible=tried.not_possible | rounds.dropped,
            trial_start_end_seconds={variant: tuple(tried.start_end_seconds[variant]) for variant in variants},
            machine=self._machine(tried.facts),
            n_rounds_asked=sample.n_rounds,
            partial=partial,
            notes=(*self._settings(), *sample.notes, *self._overrun()),
        )
        self._save(comparison)
        return comparison

    def _machine(self, facts: Mapping[str, str | int | float]) -> dict[str, str | int | float]:
        """Return where it was measured: the node's own facts, and of a job on several nodes all its cores."""
        place = self._place
        machine: dict[str, str | int | float] = {
            "processor": facts.get("cpu_model", ""),
            "usable_cores": place.room,
            "node_cores": place.usable_cores,
            "all_cores": os.cpu_count() or "",
            "physical_cores": (place.room <= place.usable_cores and physical_cores()) or "",
            "gil": facts.get("gil", ""),
            "python": facts.get("python", ""),
            "mpi": facts.get("mpi_library", ""),
            "budget_seconds": self._choices.budget_seconds,
            "order_seed": self._seed,
            "settings": shlex.join(self._config.settings),
            **{name: facts[name] for name in _KEPT_FACTS if name in facts},
        }
        return {name: fact for name, fact in machine.items() if fact != ""}

    def _settings(self) -> tuple[str, ...]:
        """Say what every run was told besides its config."""
        settings = self._config.settings
        return (f"Every run was told: {shlex.join(set_options(settings))}.",) if settings else ()

    def _overrun(self) -> tuple[str, ...]:
        spent, budget = self._spent_seconds(), self._choices.budget_seconds
        if spent <= OVERRUN * budget:
            return ()
        return (f"It took {spelled_seconds(spent)}, more than its budget of {spelled_seconds(budget)}.",)

    def _save(self, comparison: Comparison) -> None:
        """Give the file its name: whole, after every round; what had that name before is moved aside."""
        output = self._choices.output
        temporary = self._bench.folder / output.name
        write_comparison(temporary, comparison)
        self._hold.check()
        if not self._saved and output.exists():
            self._say(f"moved aside: {moved_aside(output)}")
        put_in_place(temporary, output)
        self._saved = True


def too_few_rounds(n_variants: int, n_rounds: int | None) -> str:
    """Warn of a number of rounds that was asked for and allows no verdict; empty if it allows one.

    >>> too_few_rounds(4, 7), too_few_rounds(1, 2), too_few_rounds(4, None)
    ('', '', '')
    """
    fewest = fewest_rounds(n_variants)
    if n_rounds is None or n_rounds >= fewest or n_variants == 1:
        return ""
    return (
        f"--rounds {n_rounds} gives figures but no verdict: for {counted_ways(n_variants)} that takes {fewest} rounds "
        f"at least, better {default_rounds(n_variants)}"
    )


def without_dropped(
    variants: tuple[Variant, ...], rounds: Rounds
) -> tuple[tuple[Variant, ...], tuple[Measurement, ...]]:
    """Return the variants that ran to the end, and their measurements, which name them by their new places."""
    left = tuple(variant for variant in variants if variant not in rounds.dropped)
    places = {variants.index(variant): place for place, variant in enumerate(left)}
    kept = [replace(taken, variant=places[taken.variant]) for taken in rounds.measurements if taken.variant in places]
    return left, tuple(kept)
