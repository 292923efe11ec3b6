"""Orders and claims: every position once, to somebody, in pieces of a sensible size."""

import random
from collections.abc import Sequence
from itertools import pairwise, product
from math import gcd, log2

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fullrank.schedule import (
    TARGET_CLAIM_SECONDS,
    Order,
    Pace,
    Todo,
    block_range,
    claim_size,
    empty_bitmap,
    mark,
    part_of,
    spread_stride,
    static_claims,
)

SIZES = st.one_of(st.integers(1, 40), st.integers(1, 3000))
ORDERS = st.builds(Order.named, st.sampled_from(["spread", "index"]), SIZES)


# --- orders


@pytest.mark.parametrize("n_items", [1, 2, 3, 4, 6, 10, 30, 210, 600, 2310, 30_030, 10**6, 10**12])
def test_stride_is_the_coprime_number_nearest_to_the_golden_section(n_items: int) -> None:
    stride = spread_stride(n_items)
    golden = n_items * 0.6180339887498949
    assert gcd(stride, n_items) == 1
    nearer = abs(stride - golden)
    between = range(max(1, int(golden - nearer) + 2), int(golden + nearer))
    assert not [other for other in between if other != stride and gcd(other, n_items) == 1]


@given(ORDERS)
def test_every_item_is_visited_once(order: Order) -> None:
    visited = order.indices(range(order.n_items))
    assert sorted(visited) == list(range(order.n_items))


@given(ORDERS)
def test_position_is_where_the_item_is_visited(order: Order) -> None:
    visited = order.indices(range(order.n_items))
    assert [visited[order.position(index)] for index in range(order.n_items)] == list(range(order.n_items))


@given(ORDERS, st.data())
def test_a_piece_of_the_positions_is_a_piece_of_the_whole_visit(order: Order, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, order.n_items))
    stop = data.draw(st.integers(start, order.n_items))
    assert order.indices(range(start, stop)) == order.indices(range(order.n_items))[start:stop]


def test_index_order_visits_in_index_order() -> None:
    assert Order.named("index", 5).indices(range(5)) == [0, 1, 2, 3, 4]


def worst_unfairness(visited: Sequence[int]) -> float:
    """Return by how many items any first part of a visit misses its share of any first part of the sweep."""
    n = len(visited)
    seen = [0] * n
    worst = 0.0
    for n_visited, index in enumerate(visited, 1):
        seen[index] = 1
        so_far = 0
        for m, hit in enumerate(seen, 1):
            so_far += hit
            worst = max(worst, abs(so_far - n_visited * m / n))
    return worst


@pytest.mark.parametrize("n_items", [16, 50, 97, 120, 198, 210, 256])
def test_a_visit_that_stops_anywhere_has_covered_all_parts_of_the_sweep_alike(n_items: int) -> None:
    spread = worst_unfairness(Order.named("spread", n_items).indices(range(n_items)))
    assert spread <= 1.5 * log2(n_items)
    assert worst_unfairness(range(n_items)) > n_items / 5  # what the measure says of no spreading


@pytest.mark.parametrize(("n_rows", "n_columns", "n_workers"), list(product([20, 64, 97], [10, 64, 97], [2, 3, 8])))
def test_blocks_cost_alike_whichever_axis_the_cost_follows(n_rows: int, n_columns: int, n_workers: int) -> None:
    n = n_rows * n_columns
    order = Order.named("spread", n)
    blocks = [order.indices(block_range(n, n_workers, rank)) for rank in range(n_workers)]
    for cost in (lambda index: index // n_columns + 1, lambda index: index % n_columns + 1):
        sums = [sum(map(cost, block)) for block in blocks]
        assert sum(sums) / n_workers / max(sums) > 0.85


# --- what is still to do


@st.composite
def bitmaps(draw: st.DrawFn) -> tuple[Order, bytearray, list[int]]:
    """Return an order, a bitmap of finished positions, and the items that are left, in visiting order."""
    order = Order.named(draw(st.sampled_from(["spread", "index"])), draw(st.one_of(SIZES, st.integers(1, 20_000))))
    generator = random.Random(draw(st.integers(0, 2**32)))
    bitmap, left = empty_bitmap(order.n_items), []
    share, run = 0.0, 0
    for position, index in enumerate(order.indices(range(order.n_items))):
        if run == 0:  # stretches of different density, some of them full and some empty
            share, run = generator.choice([0.0, 0.02, 0.5, 0.98, 1.0]), generator.choice([7, 900, 5000])
        run -= 1
        if generator.random() < share:
            mark(bitmap, position)
        else:
            left.append(index)
    return order, bitmap, left


@settings(deadline=None)
@given(bitmaps(), st.data())
def test_what_is_to_do_is_what_the_bitmap_leaves_in_visiting_order(
    case: tuple[Order, bytearray, list[int]], data: st.DataObject
) -> None:
    order, bitmap, left = case
    todo = Todo(order, bitmap)
    assert todo.n_items == len(left)
    assert todo.indices(range(todo.n_items)) == left
    for _ in range(5):
        start = data.draw(st.integers(0, len(left)))
        stop = data.draw(st.integers(start, min(len(left), start + 300)))
        assert todo.indices(range(start, stop)) == left[start:stop]


def test_items_that_are_all_finished_leave_nothing_to_do() -> None:
    order = Order.named("spread", 4099)
    bitmap = empty_bitmap(4099)
    for position in range(4099):
        mark(bitmap, position)
    todo = Todo(order, bitmap)
    assert (todo.n_items, todo.indices(range(0))) == (0, [])


def test_without_anything_finished_no_bitmap_is_kept() -> None:
    todo = Todo(Order.named("spread", 100), empty_bitmap(100))
    assert todo.finished is None
    assert sorted(todo.indices(range(100))) == list(range(100))


def test_a_bitmap_marks_one_position_and_no_other() -> None:
    for position in range(20):
        bitmap = empty_bitmap(20)
        mark(bitmap, position)
        assert int.from_bytes(bitmap, "little") == 1 << position


# --- sizes


@given(st.integers(0, 10**7), st.integers(1, 1000))
def test_blocks_of_all_workers_are_the_positions_in_order_and_differ_by_one_at_most(n_items: int, size: int) -> None:
    blocks = [block_range(n_items, size, rank) for rank in range(size)]
    assert blocks[0].start == 0
    assert blocks[-1].stop == n_items
    assert all(one.stop == next_one.start for one, next_one in pairwise(blocks))
    assert max(map(len, blocks)) - min(map(len, blocks)) <= 1


@given(
    part=st.integers(0, 10**8),
    mean_seconds=st.one_of(st.just(0.0), st.floats(1e-8, 1e5)),
    last_size=st.integers(1, 10**7),
    overhead_seconds=st.floats(0, 1),
    wait_share=st.floats(0, 3),
    is_fair=st.booleans(),
)
def test_claims_keep_within_their_bounds(
    part: int,
    mean_seconds: float,
    last_size: int,
    overhead_seconds: float,
    wait_share: float,
    is_fair: bool,
) -> None:
    wait_seconds = wait_share * overhead_seconds
    size = claim_size(
        part,
        mean_seconds=mean_seconds,
        last_size=last_size,
        overhead_seconds=overhead_seconds,
        wait_seconds=wait_seconds,
        is_fair=is_fair,
    )
    assert 1 <= size <= 2**17
    twice_the_wait = min(2 * wait_seconds, 1.0) / mean_seconds if mean_seconds else 0.0
    most = max(part, last_size) if is_fair else part
    assert size + 1 > min(twice_the_wait, 8 * last_size, most, 2**17)
    if size == 1:
        return
    if size <= twice_the_wait * (1 + 1e-9):
        assert size <= 8 * last_size
        assert size <= most
    else:
        assert size <= 2 * last_size
        assert size <= part
        assert size * mean_seconds <= max(0.020, min(200 * overhead_seconds, 1.0)) * (1 + 1e-9)


@pytest.mark.parametrize(
    ("part", "last_size", "wait_seconds", "is_fair", "expected"),
    [
        (1, 400, 0.25, True, 50),  # twice as long as the wait
        (1, 40, 0.25, True, 40),
        (1, 400, 0.25, False, 1),  # unless those to come may take longer
        (1000, 1, 0.25, True, 8),  # the mean is that of one item
        (5, 1, 0.25, False, 5),
        (1, 400, 7.0, True, 100),  # no longer than 1 s
    ],
)
def test_a_claim_takes_twice_as_long_as_was_waited_for_it_but(
    part: int, last_size: int, wait_seconds: float, is_fair: bool, expected: int
) -> None:
    size = claim_size(part, mean_seconds=0.01, last_size=last_size, wait_seconds=wait_seconds, is_fair=is_fair)
    assert size == expected


def test_a_claim_is_so_long_that_half_a_percent_is_lost_around_its_items() -> None:
    size = claim_size(10**5, mean_seconds=1e-3, last_size=10**6, overhead_seconds=250e-6)
    assert size == 50  # 50 ms of items for 0.25 ms around them


@pytest.mark.parametrize(("wait_seconds", "expected"), [(45e-6, 20_000), (5e-3, 100_000), (0.5, 2**17)])
def test_for_tiny_items_a_claim_grows_with_the_wait_for_the_counter_alone(wait_seconds: float, expected: int) -> None:
    """What surrounds tiny items grows with their number: claims that grew with it would take all memory there is."""
    size = claim_size(10**7, mean_seconds=1e-6, last_size=10**6, overhead_seconds=0.5, wait_seconds=wait_seconds)
    assert size == pytest.approx(expected, abs=1)


def test_items_longer_than_the_target_go_out_one_by_one() -> None:
    assert claim_size(10**5, mean_seconds=0.021, last_size=500) == 1


@given(
    n_left=st.integers(1, 10**12),
    n_workers=st.integers(1, 10**5),
    variation=st.one_of(st.just(0.0), st.floats(1e-3, 100.0)),
)
def test_a_share_is_divided_into_the_parts_of_factoring_but_into_three_to_eight(
    n_left: int, n_workers: int, variation: float
) -> None:
    found = part_of(n_left, n_workers=n_workers, variation=variation)
    b = n_workers * variation / (2 * n_left**0.5)

    def is_too_small(x: float) -> bool:  # x of factoring solves (x - 2 - b b)^2 = b b (b b + 4), and x > 2 + b b
        return x < 2 + b * b or (x - 2 - b * b) ** 2 < b * b * (b * b + 4)

    least, most = n_left / n_workers / 8, n_left / n_workers / 3
    assert least - 1 <= found <= most
    for item in (found, found + 1):  # as whole items the part is between the two
        x = n_left / n_workers / max(item, 1e-300)
        if 3.0001 < x < 7.9999:
            assert is_too_small(x) == (item > found)


def test_part_of_scattered_items_is_smaller() -> None:
    parts = [part_of(10_000, n_workers=64, variation=variation) for variation in (0.0, 1.0, 3.0, 30.0)]
    assert parts == [52, 52, 30, 19]  # 10,000 / 64 / 3 twice (x is 2.75 there), / 5.05, / 8


@given(
    groups=st.lists(st.lists(st.floats(1e-6, 1e3), min_size=1, max_size=20), min_size=2, max_size=30),
)
def test_variation_is_that_of_an_analysis_of_variance(groups: list[list[float]]) -> None:
    pace = Pace()
    for group in groups:
        pace.add_items(len(group), sum(group))
    pace.add_items(0, 0.0)
    every = [item for group in groups for item in group]
    mean = sum(every) / len(every)
    between = sum(len(group) * (sum(group) / len(group) - mean) ** 2 for group in groups) / (len(groups) - 1)
    assert pace.variation == pytest.approx(between**0.5 / mean, rel=1e-6, abs=1e-6)


def test_variation_of_items_seen_in_groups_is_near_that_of_the_items() -> None:
    generator, pace = random.Random(3), Pace()
    assert pace.variation == 0.0
    for size in [1, 2, 4, 8] * 500:
        pace.add_items(size, sum(generator.expovariate(1.0) for _ in range(size)))
    assert pace.variation == pytest.approx(1.0, rel=0.1)  # of exponential items


def test_pace_is_the_mean_of_items_and_the_medians_of_the_last_31_claims() -> None:
    pace = Pace()
    assert (pace.mean_seconds, pace.claim_seconds, pace.overhead_seconds) == (0.0, 0.0, 0.0)
    assert pace.last_mean_seconds == 0.0
    pace.add_items(3, 6.0)
    pace.add_items(1, 4.0)
    assert pace.mean_seconds == pace.last_mean_seconds == 2.5
    for _ in range(4):
        pace.add_items(2, 1.0)
    assert pace.last_mean_seconds == 0.5
    for seconds in [1000.0] * 50 + [3.0] * 15 + [5.0] * 16:
        pace.add_claim(seconds)
        pace.add_overhead(2 * seconds)
    assert (pace.claim_seconds, pace.overhead_seconds) == (5.0, 10.0)


@given(start=st.integers(0, 1000), length=st.integers(0, 5000), items=st.lists(st.floats(1e-7, 1.0), min_size=1))
def test_a_static_block_is_worked_off_in_order_and_in_pieces_of_about_the_target(
    start: int, length: int, items: list[float]
) -> None:
    pace = Pace()
    found: list[int] = []
    for number, piece in enumerate(static_claims(range(start, start + length), pace=pace)):
        assert len(piece) * pace.mean_seconds <= TARGET_CLAIM_SECONDS * (1 + 1e-9) or len(piece) == 1
        found += piece
        pace.add_items(len(piece), len(piece) * items[number % len(items)])
    assert found == list(range(start, start + length))
