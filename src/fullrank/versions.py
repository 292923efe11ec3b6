"""Which version of the code made which items of a result file, and in what each differs from the one before."""

from collections.abc import Iterator, Sequence
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

from fullrank.dataclass import dataclass
from fullrank.errors import StorageError
from fullrank.identity import Identity, changes
from fullrank.status import Status
from fullrank.store import ResultFile

N_SPANS_KEPT = 5


@dataclass(frozen=True)
class CodeVersion:
    """What one version of the code made."""

    version: int
    """As in /code_version: 0 is the first one, -1 if a record does not tell."""
    n_items: int
    """Items that have an end by it, with a result or without."""
    spans: tuple[tuple[int, int], ...]
    """First and last index of the first stretches of items that follow each other."""
    n_spans: int
    """Number of all such stretches."""
    changes: tuple[str, ...]
    """In what it differs from the version before, a sentence each."""


class VersionScan:
    """What is counted by version while the items stream by."""

    def __init__(self, identities: Sequence[str]) -> None:
        """``identities`` are those of the study by version, as a file has them."""
        self._identities = identities
        self._n_items: dict[int, int] = {}
        self._n_spans: dict[int, int] = {}
        self._spans: dict[int, list[tuple[int, int]]] = {}
        self._last: dict[int, int] = {}

    def add(self, start: int, status: NDArray[np.int8], versions: NDArray[np.int16]) -> None:
        """Count items from index ``start`` on, shape (n,) both."""
        if len(self._identities) < 2:
            return
        has_end = status != Status.MISSING
        for version in np.unique(versions[has_end]).tolist():
            self._add_indices(version, start + np.flatnonzero(has_end & (versions == version)))

    def _add_indices(self, version: int, indices: NDArray[np.int64]) -> None:
        gaps = np.flatnonzero(np.diff(indices) > 1)
        firsts, lasts = np.append(0, gaps + 1), np.append(gaps, len(indices) - 1)
        spans = self._spans.setdefault(version, [])
        goes_on = bool(self._last.get(version) == indices[0] - 1)
        if goes_on and self._n_spans[version] <= N_SPANS_KEPT:
            spans[-1] = spans[-1][0], int(indices[lasts[0]])
        new = list(zip(firsts[goes_on:].tolist(), lasts[goes_on:].tolist(), strict=True))
        self._n_spans[version] = self._n_spans.get(version, 0) + len(new)
        self._n_items[version] = self._n_items.get(version, 0) + len(indices)
        self._last[version] = int(indices[-1])
        spans += [(int(indices[first]), int(indices[last])) for first, last in new[: N_SPANS_KEPT - len(spans)]]

    def found(self) -> tuple[CodeVersion, ...]:
        """Return what each version made, also one that made nothing; none if there is one version alone."""
        if len(self._identities) < 2:
            return ()
        numbers = sorted({*range(len(self._identities)), *self._n_items})
        return tuple(
            CodeVersion(
                number,
                self._n_items.get(number, 0),
                tuple(self._spans.get(number, ())),
                self._n_spans.get(number, 0),
                tuple(self._changes(number)),
            )
            for number in numbers
        )

    def _changes(self, number: int) -> Iterator[str]:
        if 1 <= number < len(self._identities):
            old, new = self._identities[number - 1 : number + 1]
            with suppress(StorageError):  # a strange file's; the numbers are true
                yield from changes(Identity.from_json(old), Identity.from_json(new))


def versions_of(file: ResultFile) -> tuple[CodeVersion, ...]:
    """Return what each version of the code made of a file; none if there is one version alone.

    Raises OutputError for a damaged file.
    """
    scan = VersionScan(file.versions)
    if len(file.versions) > 1:
        scan.add(0, file.array("status").ravel(), file.array("code_version").ravel())
    return scan.found()
