"""``run.cost``: what tells how long an item may take, for the order ``longest-first``."""

from pathlib import Path

from fullrank.config.validate import Place, got
from fullrank.config.workload import check_function
from fullrank.files import missing

_RESULT_SUFFIXES = (".h5", ".hdf5", ".nc")


def is_result(cost: str) -> bool:
    """Return whether ``cost`` names an earlier result, and no function.

    >>> is_result("results/earlier.h5"), is_result("cost.py:of")
    (True, False)
    """
    return cost.lower().endswith(_RESULT_SUFFIXES)


def check_cost(cost: str | None, place: Place, *, order: str, folder: Path) -> None:
    """Raise ConfigError unless ``cost`` names what is there, where the order asks for it; nothing is imported."""
    if cost is None:
        if order == "longest-first":
            raise place.error(
                'missing, expected "module:function" or an earlier result, "results/earlier.h5", beside '
                'order = "longest-first"'
            )
        return
    if order != "longest-first":
        raise place.error(f'expected order = "longest-first" beside it, got order = "{order}"')
    if not is_result(cost):
        if ":" not in cost:
            raise place.error(
                f"expected module:function, path/to/file.py:function or a result FILE.h5, got {got(cost)}"
            )
        check_function(cost, place, folder=folder)
    elif problem := missing(folder / cost, *_RESULT_SUFFIXES):
        raise place.error(problem)
