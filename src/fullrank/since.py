"""In what a study differs from the one whose results are there, and what a run would say to that.

Read from files: no user code is imported.
"""

import sys
from contextlib import suppress
from importlib.machinery import PathFinder

from fullrank.config import Config
from fullrank.dataclass import dataclass, replace
from fullrank.errors import ConfigError, FunctionError
from fullrank.growth import why_not_grown
from fullrank.identity import Identity, changes, differing
from fullrank.report.layout import printable
from fullrank.study import code_of, folders_of, identity_of
from fullrank.sweep import Sweep

_WITH_CONSENT = frozenset({"function", "setup", "constants", "code"})
"""Parts of an identity that --accept-change lets differ from item to item."""
_MENDED = frozenset({"code"})


@dataclass(frozen=True)
class Since:
    """What became of a study since the results that are there."""

    changes: tuple[str, ...] = ()
    """A sentence each; none if they are of this very study."""
    is_grown: bool = False
    """It has more items at its end, and nothing else has changed: a run keeps what is there."""
    problem: str = ""
    """Why the items that are there have no place in it."""
    may_stay: bool = False
    """Whether --accept-change keeps what is there."""
    is_mended: bool = False
    """Whether nothing but code has changed: --retry-failed will do for it."""

    @property
    def is_refused(self) -> bool:
        """Whether a run needs to be told what is to become of the results, if there are any."""
        return bool(self.changes) and not self.is_grown

    def text(self, *, n_ok: int, n_failed: int) -> str:
        """Return some lines on what is new, where something is, and on what the run command makes of it."""
        lines = [self._head(n_ok), *(f"  {change}" for change in self.changes), *self._cure(n_ok, n_failed)]
        return "\n".join(map(printable, lines))  # names in a file may be a stranger's

    def _head(self, n_ok: int) -> str:
        if self.is_grown:
            return "the study has grown since; the same command keeps what is there and computes the new items:"
        if not n_ok:
            return "the study has changed since, and no item there has a result; the same command starts anew:"
        return "the study has changed since, and the same command is refused:"

    def _cure(self, n_ok: int, n_failed: int) -> list[str]:
        if self.is_grown or not n_ok:
            return []
        fresh = "--fresh moves it aside and starts anew"
        if not self.may_stay:
            why = f": {self.problem}" if self.problem else ""
            return [f"what is finished cannot be kept{why}; {fresh}"]
        again = ", --retry-failed does failed items again" if self.is_mended and n_failed else ""
        return [f"--accept-change keeps what is finished{again}, {fresh}"]


def since(config: Config, old: Identity) -> Since:
    """Return in what a study differs from that of the identity ``old``, by its files.

    Code that cannot be read, or not without importing it, is taken to be the same.
    """
    new = _present(config, old)
    return Since() if new is None else between(old, new, config.sweep)


def between(old: Identity, new: Identity, sweep: Sweep) -> Since:
    """Return in what ``new``, the identity of a study with this sweep, differs from ``old``."""
    parts = differing(old, new)
    if not parts:
        return Since()
    problem = why_not_grown(old.sweep, sweep) if "sweep" in parts else ""
    others = parts - {"sweep"}
    return Since(
        tuple(changes(old, new)),
        is_grown=not problem and not others,
        problem=problem,
        may_stay=not problem and others <= _WITH_CONSENT,
        is_mended=others <= _MENDED,
    )


def _present(config: Config, old: Identity) -> Identity | None:
    """Return the identity that a study has by its files; None if one of its constants cannot be read."""
    seen: list[str | None] = []

    def file_of(module: str) -> str | None:
        seen.append(_found(module, folders_of(config)))
        return seen[-1]

    code = old.code
    with suppress(FunctionError):  # the run will say so
        read = code_of(config, file_of)
        code = old.code if None in seen else {name: source.digest for name, source in read.items()}
    with suppress(ConfigError):
        return replace(identity_of(config, {}), code=code)
    return None


def _found(module: str, folders: tuple[str, ...]) -> str | None:
    """Return the file that ``import module`` would run, as far as the search path tells."""
    path: list[str] | None = [*folders, *sys.path]
    spec, name = None, ""
    for part in module.split("."):
        name = f"{name}.{part}" if name else part
        spec = PathFinder.find_spec(name, path) if path is not None else None
        if spec is None:
            return None
        path = None if spec.submodule_search_locations is None else list(spec.submodule_search_locations)
    return spec.origin if spec is not None and spec.has_location else None
