"""The keys that a run was given by ``--set``: recorded with what it made, and what a run without them would say."""

import shlex
from collections.abc import Sequence
from pathlib import Path

from fullrank.config import load
from fullrank.dataclass import dataclass, field
from fullrank.identity import Identity
from fullrank.repeat import set_options
from fullrank.since import Since, since


@dataclass(frozen=True)
class Recorded:
    """What the command line of a study's latest run has set."""

    settings: tuple[str, ...] = ()
    """``KEY=VALUE`` each."""
    command: str = ""
    """The run command without them."""
    without: Since = field(default_factory=Since)
    """What the study would be without them, to what is there."""

    def text(self, *, n_ok: int) -> str:
        """Return some lines for a person; "" if nothing was set."""
        if not self.settings:
            return ""
        head = f"as run with: {shlex.join(set_options(self.settings))}\n{self.command} without "
        head += "it" if len(self.settings) == 1 else "them"
        if not self.without.changes:
            return f"{head} is the same study"
        says = "is refused, for it is another study"
        if self.without.is_grown:
            says = "keeps what is there and computes more items"
        elif not n_ok:
            says = "starts anew, for it is another study, and no item there has a result"
        return "\n".join([f"{head} {says}:", *(f"  {change}" for change in self.without.changes)])


def recorded(study: Path, settings: Sequence[str], old: Identity | None) -> Recorded:
    """Return what a run of the config ``study`` was given by --set, and what the config makes of its results without.

    ``old`` is the identity of these; None if it is none of ours.

    Raises ConfigError for a config that is wrong without.
    """
    if not settings:
        return Recorded()
    command = shlex.join(["fullrank", "run", str(study)])
    return Recorded(tuple(settings), command, since(load(study), old) if old is not None else Since())
