"""Seeds of items: against SplitMix64 as it was published."""

import random
import subprocess
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fullrank.seeds import item_seed, seed_global_generators

SOURCE = Path(__file__).resolve().parents[1] / "src"
RUN_SEEDS = st.integers(-(2**70), 2**70)


def splitmix64(state: int) -> Iterator[int]:
    """Figure 17 of Steele, Lea and Flood (2014), with the constants of its Mix64 variant 13."""
    while True:
        state = (state + 0x9E3779B97F4A7C15) % 2**64
        z = state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) % 2**64
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) % 2**64
        yield z ^ (z >> 31)


def test_the_generator_written_here_gives_the_published_numbers() -> None:
    assert list(islice(splitmix64(1234567), 5)) == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]


@given(run_seed=RUN_SEEDS)
def test_seeds_are_the_stream_of_splitmix64_that_its_first_number_starts(run_seed: int) -> None:
    stream = splitmix64(next(splitmix64(run_seed % 2**64)))
    assert [item_seed(run_seed, index) for index in range(20)] == [z >> 1 for z in islice(stream, 20)]


@given(run_seed=RUN_SEEDS, index=st.integers(0, 2**62))
def test_seeds_are_not_negative_and_fit_into_63_bits(run_seed: int, index: int) -> None:
    assert 0 <= item_seed(run_seed, index) < 2**63


def test_a_hundred_thousand_items_of_two_runs_have_different_seeds() -> None:
    seeds = {item_seed(run_seed, index) for run_seed in (1, 2) for index in range(50_000)}
    assert len(seeds) == 100_000


def test_bits_of_neighbouring_items_differ_by_half() -> None:
    flips = [(item_seed(0, index) ^ item_seed(0, index + 1)).bit_count() for index in range(10_000)]
    assert abs(sum(flips) / len(flips) - 31.5) < 0.2  # five standard errors of 63 fair coins


def test_global_generators_are_those_of_the_seed() -> None:
    state, numpy_state = random.getstate(), np.random.get_state()
    try:
        seed_global_generators(2**62 + 5)
        drawn, numpy_drawn = random.random(), np.random.random()
        assert drawn == random.Random(2**62 + 5).random()
        assert numpy_drawn == np.random.RandomState([5, 2**30]).random_sample()
    finally:
        random.setstate(state)
        np.random.set_state(numpy_state)


def test_seeding_does_not_load_numpy() -> None:
    code = "import sys, fullrank.seeds as s; s.seed_global_generators(1); sys.exit('numpy' in sys.modules)"
    environment = {"PYTHONPATH": str(SOURCE)}
    assert subprocess.run([sys.executable, "-c", code], env=environment, check=False).returncode == 0
