"""The numbers of ways to place n queens against the published ones, and against trying all permutations."""

from itertools import permutations, product
from pathlib import Path

import h5py
import pytest

from fullrank.workloads import nqueens

CONFIG = Path(__file__).parents[1] / "configs" / "nqueens.toml"
PUBLISHED = {2: 0, 3: 0, 4: 2, 5: 10, 6: 4, 7: 40, 8: 92, 9: 352, 10: 724}
"""OEIS A000170."""


def all_pairs(n: int) -> list[tuple[int, int]]:
    return list(product(range(n), repeat=2))


@pytest.mark.parametrize("n", PUBLISHED)
def test_solutions_of_all_pairs_add_up_to_the_published_number(n: int) -> None:
    assert sum(nqueens.solutions(n, first, second) for first, second in all_pairs(n)) == PUBLISHED[n]


@pytest.mark.parametrize("n", [5, 6, 7])
def test_solutions_of_each_pair_are_those_found_by_trying_all_permutations(n: int) -> None:
    boards = [
        columns
        for columns in permutations(range(n))
        if len({column + row for row, column in enumerate(columns)}) == n
        and len({column - row for row, column in enumerate(columns)}) == n
    ]
    for first, second in all_pairs(n):
        n_boards = sum(columns[:2] == (first, second) for columns in boards)
        assert nqueens.solutions(n, first, second) == n_boards


def test_a_pair_has_as_many_solutions_as_its_mirror_image() -> None:
    counts = {pair: nqueens.solutions(9, *pair) for pair in all_pairs(9)}
    assert max(counts.values()) > min(counts.values()) == 0
    assert all(counts[first, second] == counts[8 - first, 8 - second] for first, second in counts)


def test_config_for_twelve_queens_gives_the_published_number(fullrank_cli, tmp_path: Path) -> None:
    (tmp_path / "nqueens.toml").write_text(CONFIG.read_text("utf-8").replace("14", "12"), "utf-8")
    done = fullrank_cli("run", "nqueens.toml", "-n", "2")
    assert done.returncode == 0, done.stderr
    with h5py.File(tmp_path / "results" / "nqueens.h5") as file:
        assert file["solutions"].shape == (12, 12)
        assert file["solutions"][...].sum() == 14_200  # OEIS A000170
