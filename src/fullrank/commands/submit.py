"""``fullrank submit``: a study checked here, and queued as a job of a batch system."""

import json
import os
import shlex
import sys
from argparse import Namespace
from functools import partial
from pathlib import Path
from typing import Any

from fullrank.commands.here import ask_for_here
from fullrank.commands.opening import opened, users_prints
from fullrank.commands.submission import AUTO
from fullrank.console import tell
from fullrank.dataclass import replace
from fullrank.errors import FailedItems, UsageError


def submit(arguments: Namespace, _crew: Any) -> int:
    """``fullrank submit``: 0 if the job is queued, the batch system's own code if it refuses."""
    from fullrank.submit.queue import queue, system_here
    from fullrank.submit.script import job_script
    from fullrank.submit.site import read_site

    site = read_site(os.environ)
    system = system_here(arguments.scheduler or site.scheduler, os.environ)
    study = _checked_study(arguments)
    if study is None:
        return 0
    request = _request(arguments, system, site, study.config)
    if arguments.time == AUTO:
        limit = _limit(arguments, site, study)
        if limit is None:
            return 0
        request = replace(request, time_seconds=limit)
    script = job_script(request, system, site)
    if arguments.tries and not _is_first_item_well(study):
        return FailedItems.exit_code
    if arguments.dry_run:
        told = {"scheduler": system.name, "script": script}
        sys.stdout.write(json.dumps(told) + "\n" if arguments.json else script)
        return 0
    answer = queue(script, system, os.environ)
    if answer.number is None and answer.exit_code != 0:
        tell(f"fullrank: error: {system.submit} refused the job (exit code {answer.exit_code}): {answer.words}\n")
        return answer.exit_code if answer.exit_code > 0 else UsageError.exit_code
    if answer.exit_code != 0:  # it was asked to wait for the job, say
        tell(f"fullrank: {system.submit} named a job, and left with exit code {answer.exit_code}: {answer.words}\n")
    _tell_queued(arguments, system, request, answer)
    return 0


def _checked_study(arguments: Namespace) -> Any:
    """Return the study if a run of it would begin; None if there is nothing to queue. Raises what the run would."""
    from fullrank.abilities import check_abilities
    from fullrank.choices import Choices
    from fullrank.config import load
    from fullrank.implied import names_function
    from fullrank.preview import preview
    from fullrank.study import output_path
    from fullrank.submit.place import doubt_about

    if names_function(str(arguments.config)):
        raise UsageError(
            f"{arguments.config}: expected the study's TOML file; `fullrank new --function` writes one, and a run with "
            f"--grid leaves one beside its result"
        )
    config = load(arguments.config, arguments.settings)
    from fullrank.submit.script import ARRAY_BACKEND

    backend = "mpi" if arguments.array is None else ARRAY_BACKEND
    check_abilities(backend, config.run)
    n_items = config.sweep.n_items
    if arguments.array is not None and arguments.array > n_items:
        raise UsageError(
            f"--array {arguments.array}: expected at most as many jobs as there are items, got {n_items:,} items, so "
            f"some would have nothing to do"
        )
    study = opened(config, as_json=True)
    choices = Choices(output=output_path(config, arguments.output), backend=backend, n_workers=1)
    found = preview(study, choices, begins_later=True)
    if found.refusal:
        raise UsageError(f"nothing was queued: {found.refusal}{_first_here(arguments, found)}")
    if found.there.is_complete and (arguments.time == AUTO or not arguments.dry_run):
        tell(f"fullrank: nothing was queued: {found.output} is complete\n")
        return None
    _meet_holder(found)
    if doubt := doubt_about(Path(found.output).parent):
        tell(f"fullrank: {doubt}\n")
    return study


def _first_here(arguments: Namespace, found: Any) -> str:
    """Return how the options of `run` are given that say what is to become of results of another study."""
    from fullrank.repeat import set_options
    from fullrank.submit.words import path_word

    if not found.there.changes:
        return ""
    output = ["-o", str(arguments.output)] if arguments.output else []
    run = shlex.join(["fullrank", "run", path_word(str(arguments.config)), *output, *set_options(arguments.settings)])
    return (
        f" A job would do so again each time that it starts: do it here with one item, as {run} --limit 1 --fresh "
        f"does, and submit then"
    )


def _meet_holder(found: Any) -> None:
    """Tell who is at work at the output, if it may have died; UsageError if it is known to be there."""
    from fullrank.at_work import all_may_be_gone
    from fullrank.lock import SILENCE_SECONDS
    from fullrank.preview import held
    from fullrank.workfolder import WorkFolder

    if not found.there.holder:
        return
    folder = WorkFolder(Path(found.output))
    if not all_may_be_gone(folder):
        raise UsageError(f"nothing was queued: {held(found.there)}")
    tell(
        f"fullrank: {folder.path} is locked by {found.there.holder}, which cannot be seen from here. If it is dead the "
        f"job takes its place, at the latest after {SILENCE_SECONDS / 60:g} min without a sign of life; if not, the "
        f"job says so and ends\n"
    )


def _request(arguments: Namespace, system: Any, site: Any, config: Any) -> Any:
    from fullrank.submit.script import JobRequest
    from fullrank.submit.words import name_from

    asked = None if arguments.time == AUTO else arguments.time
    return JobRequest(
        config=str(arguments.config),
        name=arguments.name or name_from(arguments.config.stem, n_most=system.n_name_most),
        program=_program(),
        launcher=_launcher(system, site) if arguments.array is None else None,
        n_shards=arguments.array,
        output=_told_output(arguments, config),
        settings=tuple(arguments.settings),
        time_seconds=site.time_seconds if asked is None else asked,
        native=tuple(arguments.native),
    )


def _told_output(arguments: Namespace, config: Any) -> str:
    """Return the output that commands have to be told, for they would not find it by the study's file alone."""
    by_setting = config.output if arguments.settings else None
    return str(arguments.output or by_setting or "")


def _limit(arguments: Namespace, site: Any, study: Any) -> float | None:
    """Return the time limit in s that a pilot tells; None if that has finished the study."""
    from fullrank.study import output_path
    from fullrank.submit.time_limit import limit_of

    is_array = arguments.array is not None
    n_workers = arguments.workers or (site.ranks_per_node if is_array else None)
    if n_workers is None:
        raise UsageError(
            f"--time auto: say how many workers {'each' if is_array else 'the'} job will have, as what follows -- asks "
            f"for them unread: -n 64"
        )

    def say(sentence: str) -> None:
        tell(f"fullrank: {sentence}\n")

    output = output_path(study.config, arguments.output)
    ask = partial(_ask_for_pilot, arguments, n_workers)
    found = limit_of(study.config, output, n_workers=n_workers, n_shards=arguments.array, ask=ask, say=say)
    if found is None:
        say(f"nothing was queued: the pilot has finished the study: {output}")
        return None
    say(found.told)
    return found.seconds


def _ask_for_pilot(arguments: Namespace, n_workers: int) -> None:
    """Refuse to run a pilot here: in a dry run, and where others work too unless the user says ``--here``."""
    from fullrank.repeat import set_options

    output = ["-o", str(arguments.output)] if arguments.output else []
    words = ["fullrank", "plan", str(arguments.config), "-n", str(n_workers), *output, *set_options(arguments.settings)]
    if arguments.dry_run:
        raise UsageError(
            f"--time auto: expected a pilot to take the time from, found none, and --dry-run evaluates nothing; "
            f"`{shlex.join(words)}` leaves one, and without --dry-run the time is found here, or say it: --time 2h"
        )
    ask_for_here(arguments, instead=f"Run `{shlex.join(words)}` in a job first, say the time with --time 2h")


def _program() -> tuple[str, ...]:
    """Return the words that start this fullrank on a node."""
    python = Path(sys.executable)
    command = python.with_name("fullrank")
    return (_from_here(command),) if os.access(command, os.X_OK) else (_from_here(python), "-m", "fullrank")


def _launcher(system: Any, site: Any) -> Any:
    """Return what starts the ranks: the site's own, the mpiexec of the MPI library that mpi4py loads, or srun."""
    from fullrank.launch import NoMpiexec, find_mpiexec
    from fullrank.submit.starting import by_mpiexec, by_site, by_srun

    if site.launcher is not None:
        return by_site(site.launcher, system)
    try:
        mpiexec, vendor = find_mpiexec()
    except NoMpiexec as error:
        if system.name != "slurm":
            raise
        return by_srun(error.vendor)
    return by_mpiexec(_from_here(mpiexec), vendor, system)


def _from_here(path: Path) -> str:
    """Return a path as short as it can be said in this folder, from which the job starts too."""
    if not path.is_relative_to(Path.cwd()):
        return str(path)
    short = str(path.relative_to(Path.cwd()))
    return short if "/" in short else f"./{short}"  # a bare name is looked for on the PATH


def _is_first_item_well(study: Any) -> bool:
    from fullrank.single import evaluate_item

    with users_prints(as_json=True):
        single = evaluate_item(study, 0)
    tell(single.text())
    if not single.is_ok:
        tell("fullrank: error: nothing was queued: the item above has no result\n")
    return bool(single.is_ok)


def _tell_queued(arguments: Namespace, system: Any, request: Any, answer: Any) -> None:
    from fullrank.submit.systems import ELEMENT_LOG, LOG
    from fullrank.submit.words import path_word

    name = request.name
    study = [path_word(request.config), *(["-o", request.output] if request.output else [])]
    # elsewhere it is not known, or not by its number, whether a job is over that was started again
    job = ["--job", f"{system.name}:{answer.number}"] if answer.number and system.keeps_number else []
    watch = shlex.join(["fullrank", "status", *study, "--until-complete", *job])
    number = (answer.number or "*").removesuffix("[]")
    log = (LOG if arguments.array is None else ELEMENT_LOG).format(name=name, id=number)
    told = {"scheduler": system.name, "job": answer.number, "name": name, "watch": watch, "log": log}
    if arguments.json:
        sys.stdout.write(json.dumps(told) + "\n")
        return
    is_queued = (
        f"job {answer.number} ({name}) is queued" if answer.number else f"{system.submit} named no job: {answer.words}"
    )
    cancel = f"to take it back: {system.cancel} {answer.number}\n" if answer.number else ""
    sys.stdout.write(f"{is_queued}\nhow far it is:   {watch}\nwhat it prints:  {log}\n{cancel}")
