"""One of N fixed shares of a study, each for a run of its own: on any node, at any time, without MPI between them."""

import re
from collections.abc import Mapping

from fullrank.dataclass import dataclass
from fullrank.errors import UsageError
from fullrank.schedule import block_range
from fullrank.scheduler import Place, place_in_array

AUTO = "auto"
_EXPECTED = "expected K/N, auto/N or auto, with K from 1 to N"
_FOLDER = re.compile(r"shard-(\d+)-of-(\d+)(?:-within-(\d+))?", re.ASCII)
_NUMBER = re.compile(r"[0-9]{1,9}", re.ASCII)


@dataclass(frozen=True)
class Shard:
    """The share number ``number``, from 1, of ``n_shards``."""

    number: int
    n_shards: int
    limit: int | None = None
    """Of the items that are shared out: so many first ones of the ``spread`` order; None: all."""

    def __str__(self) -> str:
        return f"{self.number}/{self.n_shards}"

    @property
    def division(self) -> tuple[int, int | None]:
        """What shards have in common that share no item."""
        return self.n_shards, self.limit

    @property
    def folder_name(self) -> str:
        """Name of its own folder in the study's work folder.

        >>> Shard(3, 20).folder_name, Shard(1, 4, 100).folder_name
        ('shard-03-of-20', 'shard-1-of-4-within-100')
        """
        within = "" if self.limit is None else f"-within-{self.limit}"
        return f"shard-{self.number:0{len(str(self.n_shards))}d}-of-{self.n_shards}{within}"

    def positions(self, n_items: int) -> range:
        """Return its positions of the ``spread`` order: a block, which is a fair sample of the sweep.

        Not every N-th one: in an affine order those resonate with the axes.

        >>> [len(Shard(number, 3).positions(10)) for number in (1, 2, 3)]
        [4, 3, 3]
        """
        n_shared = n_items if self.limit is None else min(n_items, self.limit)
        return block_range(n_shared, self.n_shards, self.number - 1)


def shard_of_folder(name: str) -> Shard | None:
    """Return the shard whose folder has this name; None for anything else.

    >>> shard_of_folder("shard-03-of-20"), shard_of_folder("shard-x")
    (Shard(number=3, n_shards=20, limit=None), None)
    """
    found = _FOLDER.fullmatch(name)
    return Shard(int(found[1]), int(found[2]), int(found[3]) if found[3] else None) if found else None


def shard_from(text: str, environ: Mapping[str, str], *, n_items: int, limit: int | None = None) -> Shard:
    """Return the shard that ``--shard`` names: ``3/20``, or by the element of an array job ``auto/20`` or ``auto``.

    Raises UsageError for what is none, and for more shards than there are items to share out.
    """
    number_text, slash, n_text = text.partition("/")
    place = _place(environ, has_size=bool(slash)) if number_text == AUTO else None
    if place is not None:
        number_text = str(place.number)
        n_text = n_text if slash else str(place.size)
    if not (_NUMBER.fullmatch(number_text) and _NUMBER.fullmatch(n_text)):
        raise UsageError(f"--shard: {_EXPECTED}, got {text:.40}")
    number, n_shards = int(number_text), int(n_text)
    if not 1 <= number <= n_shards:
        by = f": this is element {number} of its array job" if place is not None else ""
        raise UsageError(f"--shard: {_EXPECTED}, got {text:.40}{by}")
    n_shared = n_items if limit is None else min(n_items, limit)
    if n_shards > n_shared:
        raise UsageError(
            f"--shard {text:.40}: expected at most as many shards as there are items, got {n_shards:,} shards of "
            f"{n_shared:,} items, so some would have nothing to do"
        )
    return Shard(number, n_shards, limit)


def _place(environ: Mapping[str, str], *, has_size: bool) -> Place:
    place = place_in_array(environ, counts_from_one=not has_size)
    if place is None:
        raise UsageError("--shard auto: this is no element of an array job, so say which shard: --shard 3/20")
    if place.size is None and not has_size:
        raise UsageError(
            f"--shard auto: {place.scheduler} does not tell how many elements the array has; say it: --shard auto/20"
        )
    return place
