"""The text of a job script: a pure function of what is to be run, where, and how the site wants it."""

import re
from collections.abc import Iterator

from fullrank.dataclass import dataclass
from fullrank.deadline import LEAVE_SECONDS, leave_seconds
from fullrank.errors import UsageError
from fullrank.repeat import set_options
from fullrank.submit.site import Site
from fullrank.submit.starting import Launcher
from fullrank.submit.systems import MOST_RESTARTS, BatchSystem
from fullrank.submit.words import job_name, one_line, option_lines, path_word, shell_line

# A login shell, for it reads the profile, which may be all that defines `module`; the user's own may be another one.
_HEAD = """\
#!/bin/bash -l
# The study {config} {on}.{untried}
# {ending} From the folder that the study's path starts in:
#
#     {submit}
#
"""
_LOOSE = """\
# Modules and lines of a site may use variables that are not set.
set +u
{setup}
set -u"""
_UNTRIED = "\n# These lines are checked against documentation only."
_ON_ALL = "on all that a job of {title} is given"
_IN_SHARDS = "in {n} shards, each a job of {title} on one node; the last one writes the result"
_ENDINGS = {
    True: "It stops before its limit and goes on when it starts again.",
    False: "It goes on where an earlier job stopped.",
}
_RUN = """\
# One thread a {kind}: the {kind}s fill the cores.
export OMP_NUM_THREADS=1

# The {kind}s run beside this shell, which waits for them and passes on what it hears; in the foreground they would hear
# nothing. As USR1, for Open MPI's mpiexec makes a kill of TERM.
ranks='' heard='' ended=''
trap 'heard=1; kill -USR1 "$ranks" || :' USR1
trap 'heard=1; ended=1; kill -USR1 "$ranks" || :' INT TERM
{command} &
ranks=$!
while :; do
    heard='' status=0
    wait "$ranks" || status=$?
    [ -n "$heard" ] || break # what is heard ends the wait early
done

{after}
    status=0
    {asked} || status=$?
    ;;
esac

"""
_END = """\
set +eu # a ~/.bash_logout, which a login shell reads when it leaves, may fail
exit "$status"
"""
_AFTER_LAUNCHER = """\
# After a death launchers leave with a signal's number, with 255, or (Open MPI's, where a node is lost) with 0: the
# files know how far the study is.
case $status in 0 | 9 | 11 | 15 | 13[0-9] | 14[0-3] | 255)"""
_AFTER_SHARD = """\
# If it was killed the files know how far the study is; else it has told how far the shard is.
case $status in 13[0-9] | 14[0-3])"""


ARRAY_BACKEND = "processes"
"""How the element of an array uses its node."""
_FIELD = re.compile("@(OPTIONS|SETUP|COMMAND|NAME)@")


@dataclass(frozen=True)
class JobRequest:
    """What a job runs."""

    config: str
    """Path of the study's file, as the user wrote it: from the folder of the submission."""
    name: str
    program: tuple[str, ...]
    """The words that start fullrank."""
    launcher: Launcher | None
    """What starts the ranks; None for an array, of which each element starts its workers itself."""
    n_shards: int | None = None
    """Elements of the array that the job is; None: it is no array."""
    output: str = ""
    """Path of the result, as the user wrote it; "": the study's own."""
    settings: tuple[str, ...] = ()
    """``KEY=VALUE`` that hold instead of what the study's file says."""
    time_seconds: float | None = None
    """Time limit of the job; None: the queue's own."""
    native: tuple[str, ...] = ()
    """Options for the batch system, unread."""


def job_script(request: JobRequest, system: BatchSystem, site: Site) -> str:
    """Return the text of the script; UsageError for what cannot stand in one."""
    name = job_name(request.name, n_most=system.n_name_most)
    options = "".join(f"{line}\n" for line in _options(request, system, site))
    before = "" if request.launcher is None else request.launcher.before.rstrip()
    setup = "\n".join(_setup(site))
    command = _command(request, system)
    if site.template:
        fields = {"OPTIONS": options.rstrip("\n"), "SETUP": _blocks(setup, before), "COMMAND": command, "NAME": name}
        return _FIELD.sub(lambda found: fields[found[1]], site.template)
    is_array = request.n_shards is not None
    job_id, again = (system.elements.job_id, system.elements.again) if is_array else (system.job_id, system.again)
    begin = system.begin.format(name=name, id=job_id).rstrip()
    kind, after = ("worker", _AFTER_SHARD) if is_array else ("rank", _AFTER_LAUNCHER)
    asked = _status_command(request)
    loose = _LOOSE.format(setup=setup) if setup else ""
    ranks = _RUN.format(command=command, after=after, asked=asked, kind=kind)
    again_lines = system.end.format(most=MOST_RESTARTS, element=again)
    return _head(request, system) + options + _blocks("set -eu", begin, loose, before, ranks) + again_lines + _END


def _blocks(*blocks: str) -> str:
    return "\n\n".join(block for block in blocks if block)


def _head(request: JobRequest, system: BatchSystem) -> str:
    on = _ON_ALL if request.n_shards is None else _IN_SHARDS
    return _HEAD.format(
        config=one_line(request.config, "the path of the study"),
        on=on.format(title=system.title, n=request.n_shards),
        submit=system.submit_file,
        ending=_ENDINGS[system.tells_end],
        untried="" if system.is_tried else _UNTRIED,
    )


def _options(request: JobRequest, system: BatchSystem, site: Site) -> Iterator[str]:
    elements = None if request.n_shards is None else system.elements
    fields = {"name": request.name, "leave": _leave_seconds(request), "n": request.n_shards}
    fields["log"] = system.log if elements is None else elements.log
    fields["named"] = "{name}" if elements is None else elements.name
    fields["named"] = str(fields["named"]).format(**fields)
    for group in (*system.options, *(system.of_ranks if elements is None else elements.options)):
        if group.reason:
            yield f"# {group.reason}"
        for line in group.lines:
            yield f"{system.prefix} {line.format(**fields)}"
    asked = []
    if request.time_seconds is not None:
        asked.append(_time(request.time_seconds, system))
    if site.ranks_per_node is not None:
        ranks_per_node = (elements.ranks_per_node if elements is not None else "") or system.ranks_per_node
        if not ranks_per_node:
            raise UsageError(
                f"site.toml: ranks_per_node: {system.title} has no option for it alone; leave it out, and say it with "
                f"the nodes, in options or behind --"
            )
        asked.append(ranks_per_node.format(site.ranks_per_node))
    option_lines(site.options, "site.toml: options", unreadable=system.unreadable)  # says where one is that is wrong
    asked += option_lines([*site.options, *request.native], unreadable=system.unreadable)
    if asked:
        yield "# What the job asks for: edit this for your site."
    yield from (f"{system.prefix} {line}" for line in asked)


def _leave_seconds(request: JobRequest) -> int:
    known = request.time_seconds
    return int(LEAVE_SECONDS) if known is None else max(1, int(leave_seconds(known)))


def _time(time_seconds: float, system: BatchSystem) -> str:
    minutes, seconds = divmod(max(1, int(time_seconds)), 60)
    if "{seconds" not in system.time and seconds:
        minutes += 1
    hours, minutes = divmod(minutes, 60)
    return system.time.format(hours=hours, minutes=minutes, seconds=seconds)


def _setup(site: Site) -> Iterator[str]:
    if site.modules:
        yield f"module load {shell_line(site.modules)}"
    yield from site.setup


def _command(request: JobRequest, system: BatchSystem) -> str:
    words = [*request.program, "run", *_study(request), *set_options(request.settings)]
    if request.n_shards is not None:
        words += ["-b", ARRAY_BACKEND, "--shard", f"auto/{request.n_shards}"]
    if request.time_seconds is not None and not system.tells_end:
        words += ["--stop-after", f"{max(1, int(request.time_seconds) - _leave_seconds(request))}s"]
    if request.launcher is None:
        return shell_line(words)
    return f"{one_line(request.launcher.words, 'the launcher')} {shell_line(words)}"


def _status_command(request: JobRequest) -> str:
    return shell_line([*request.program, "status", *_study(request), "--exit-code"])


def _study(request: JobRequest) -> list[str]:
    return [path_word(request.config), *(["-o", path_word(request.output)] if request.output else [])]
