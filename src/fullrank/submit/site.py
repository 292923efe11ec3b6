"""The site profile: what all jobs of a site, or of a user, have in common, in ``site.toml``."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta

from fullrank.config.toml_file import read_toml
from fullrank.config.validate import Count, FilledText, Place, Section, check_values, choice, convert
from fullrank.dataclass import dataclass, replace
from fullrank.durations import duration_seconds
from fullrank.submit.systems import SYSTEMS
from fullrank.submit.words import one_line, option_lines

VARIABLE = "FULLRANK_SITE"
REQUIRED_FIELDS = ("@OPTIONS@", "@COMMAND@")
"""Of a template: without them its job would not be the one that is asked for."""
_OF_MACHINE = Path("/etc/fullrank/site.toml")
Lines = Annotated[list[str], Meta(description="a list of texts")]


class _Profile(Section):
    scheduler: FilledText | None = None
    launcher: FilledText | None = None
    modules: Lines | None = None
    setup: Lines | None = None
    ranks_per_node: Count | None = None
    options: Lines | None = None
    time: FilledText | None = None
    template: FilledText | None = None


@dataclass(frozen=True)
class Site:
    """What every job of a site is given; what no profile says is left to fullrank or to the queue."""

    scheduler: str | None = None
    launcher: str | None = None
    """Shell words that start the ranks, for a site's own: ``srun --mpi=cray_shasta``."""
    modules: tuple[str, ...] = ()
    setup: tuple[str, ...] = ()
    """Shell lines before the ranks start."""
    ranks_per_node: int | None = None
    options: tuple[str, ...] = ()
    """Options for the batch system, before those of the command line."""
    time_seconds: float | None = None
    template: str = ""
    """Text of a script in place of fullrank's own, with fields @OPTIONS@, @SETUP@, @COMMAND@ and @NAME@."""


def profile_paths(environ: Mapping[str, str]) -> list[Path]:
    """Return where profiles may be, the one that wins last: $FULLRANK_SITE, the machine's, the user's own."""
    named = [Path(environ[VARIABLE])] if environ.get(VARIABLE) else []
    return [*named, _OF_MACHINE, Path(environ.get("HOME") or "/") / ".config" / "fullrank" / "site.toml"]


def read_site(environ: Mapping[str, str]) -> Site:
    """Return what the profiles say together, key by key; ConfigError if one is wrong or the named one is not there."""
    site = Site()
    for path in profile_paths(environ):
        if os.path.lexists(path) or str(path) == environ.get(VARIABLE):
            site = replace(site, **_read(path))
    return site


def _read(path: Path) -> dict[str, Any]:
    """Return what one profile says."""
    _, raw = read_toml(path)
    place = Place(path)
    check_values(raw, place)
    profile = convert(raw, _Profile, place)
    found: dict[str, Any] = {}
    if profile.scheduler is not None:
        found["scheduler"] = choice(profile.scheduler, place.at("scheduler"), options=tuple(SYSTEMS))
    if profile.launcher is not None:
        found["launcher"] = one_line(profile.launcher, f"{path}: launcher")
    for key in ("modules", "setup", "options"):
        lines = getattr(profile, key)
        if lines is not None:
            found[key] = tuple(one_line(line, f"{path}: {key}") for line in lines)
    option_lines(found.get("options", ()), f"{path}: options")
    _refuse_options_in(found.get("setup", ()), place.at("setup"))
    if profile.ranks_per_node is not None:
        found["ranks_per_node"] = profile.ranks_per_node
    if profile.time is not None:
        try:
            found["time_seconds"] = duration_seconds(profile.time)
        except ValueError as error:
            raise place.at("time").error(str(error)) from None
    if profile.template is not None:
        found["template"] = _template(path.parent / profile.template, place.at("template"))
    return found


def _template(path: Path, place: Place) -> str:
    """Return the text of a template; ConfigError if it cannot be read, or a field is not there."""
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise place.error(f"{path} cannot be read: {reason}") from None
    for field in REQUIRED_FIELDS:
        if field not in text:
            raise place.error(f"{path}: expected {field}, for the job's part of the script, found none")
    return text


def _refuse_options_in(lines: tuple[str, ...], place: Place) -> None:
    """Refuse what a batch system would read, or overlook, between commands of the shell."""
    for line in lines:
        if line.lstrip().startswith(tuple(system.prefix for system in SYSTEMS.values())):
            raise place.error(
                f"expected lines for the shell, got {line!r}; options for the batch system go into options"
            )
