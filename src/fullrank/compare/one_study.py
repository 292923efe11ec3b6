"""All runs of one comparison are of one study, although its files may be edited meanwhile."""

from collections.abc import Sequence
from pathlib import Path

from fullrank.errors import StudyChanged
from fullrank.identity import Identity, changes, differing


class StudyEdited(StudyChanged):
    """A run was of another study than the first one."""

    def __init__(self, what: str, sentences: Sequence[str]) -> None:
        """``what`` was edited, the config or files of code, as the ``sentences`` tell."""
        listed = "".join(f"\n  {sentence}" for sentence in sentences)
        super().__init__(
            f"{what}: was edited while it was compared, so the comparison ends there: times of two studies say nothing "
            f"of either. Since its first run changed:{listed}\n"
            "To compare the study as it is now, run the same command again"
        )
        self.note = f"{what} was edited while it was compared; what ran since then is left out."


class OneStudy:
    """Compares the identity of each run with that of the first one."""

    def __init__(self, config: Path) -> None:
        self._config = config
        self._first: Identity | None = None

    def check(self, identity: str) -> None:
        """Look at the next run's identity, as its result file has it.

        Raises StudyEdited, which names what was edited, if it is another study than the first one.
        """
        found = Identity.from_json(identity)
        if self._first is None:
            self._first = found
        elif found != self._first:
            raise StudyEdited(self._edited(self._first, found), changes(self._first, found))

    def _edited(self, first: Identity, found: Identity) -> str:
        """Return the files of code where these alone are others, else the config."""
        if differing(first, found) != {"code"}:
            return str(self._config)
        names = sorted(first.code.keys() | found.code.keys())
        return ", ".join(name for name in names if first.code.get(name) != found.code.get(name))
