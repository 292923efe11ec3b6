"""The studies that are measured: what their items do, and their configs."""

import json
import random
from pathlib import Path

ITEMS = Path(__file__).parent / "peers" / "items.py"
SEED = 20261123
MEAN_SECONDS = 0.008
SIGMA = 1.5


def heavy_tailed(n_items: int, per_second: float) -> list[int]:
    """Return the iterations of items whose durations are lognormal, 8 ms in the mean."""
    generator = random.Random(SEED)
    drawn = [generator.lognormvariate(0, SIGMA) for _ in range(n_items)]
    scale = per_second * MEAN_SECONDS * n_items / sum(drawn)
    return [max(1, round(scale * share)) for share in drawn]


def equal(n_items: int, per_second: float) -> list[int]:
    """Return the iterations of items of 8 ms."""
    return [round(per_second * MEAN_SECONDS)] * n_items


def one_long(n_items: int, per_second: float) -> list[int]:
    """Return the iterations of items of 8 ms and, last, of one that is a tenth of all the work.

    >>> one_long(19, 1000)[-3:], sum(one_long(19, 1000))
    ([8, 8, 16], 160)
    """
    short = equal(n_items - 1, per_second)
    return [*short, round(sum(short) / 9)]


def write_spinning(path: Path, work: list[int], *, longest_first: bool = False) -> Path:
    """Write the config of a study of spinning items, whose costs may be told beforehand."""
    order = f"""[run]
order = "longest-first"
cost = {json.dumps(f"{ITEMS}:cost")}
"""
    path.write_text(
        f"""title = "Spinning"
[workload]
function = {json.dumps(f"{ITEMS}:spin")}
[sweep.zip]
iterations = {work}
[results]
names = ["value", "begun", "ended"]
{order if longest_first else ""}"""
    )
    return path


def write_doing_nothing(path: Path, n_items: int) -> Path:
    """Write the config of a study of no-op items, whose results are numbers of many digits."""
    axis = f"{{ start = 0.0, stop = 1.0, num = {n_items} }}" if n_items > 1 else "[0.5]"
    path.write_text(
        f"""title = "Nothing"
[workload]
function = {json.dumps(f"{ITEMS}:nothing")}
[sweep.grid]
x = {axis}
"""
    )
    return path


def write_turning(path: Path, n_items: int, iterations: int) -> Path:
    """Write the config of a study of many equal items, each of which returns one number."""
    path.write_text(
        f"""title = "Turning"
[workload]
function = {json.dumps(f"{ITEMS}:turn")}
[workload.constants]
iterations = {iterations}
[sweep.grid]
x = {{ range = {n_items} }}
"""
    )
    return path


def write_holding(path: Path, n_items: int, seconds: float, *, isolate: bool) -> Path:
    """Write the config of a study whose items hold their core for a fixed time."""
    path.write_text(
        f"""title = "Holding"
[workload]
function = {json.dumps(f"{ITEMS}:hold")}
[workload.constants]
seconds = {seconds}
[sweep.grid]
x = {{ range = {n_items} }}
[run]
isolate = {json.dumps(isolate)}
"""
    )
    return path


def write_returning_eight(path: Path, n_items: int) -> Path:
    """Write the config of a study whose items return eight numbers."""
    path.write_text(
        f"""title = "Eight numbers"
[workload]
function = {json.dumps(f"{ITEMS}:eight")}
[sweep.grid]
x = {{ start = 0.0, stop = 1.0, num = {n_items} }}
"""
    )
    return path


def write_looking_up(path: Path, array: Path, n_items: int, *, mapped: bool) -> Path:
    """Write the config of a study whose items read an array: memory-mapped, or loaded by a set-up in each worker."""
    constant = f"table = {{ npy = {json.dumps(str(array))} }}" if mapped else f"path = {json.dumps(str(array))}"
    setup = "" if mapped else f"setup = {json.dumps(f'{ITEMS}:load')}"
    path.write_text(
        f"""title = "Looking up"
[workload]
function = {json.dumps(f"{ITEMS}:look_up")}
{setup}
[workload.constants]
{constant}
[sweep.grid]
x = {{ range = {n_items} }}
[results]
names = ["total", "begun"]
"""
    )
    return path


def least_makespan(work: list[int], n_workers: int) -> float:
    """Return the bound no schedule beats, as a share of the whole work: Graham's, 1969.

    >>> least_makespan([1, 1, 2], 2), least_makespan([1, 9], 2)
    (0.5, 0.9)
    """
    return max(sum(work) / n_workers, max(work)) / sum(work)


def longest_first_bound(n_workers: int) -> float:
    """Return how many times the best makespan longest first takes at most (R. L. Graham 1969, SIAM J. Appl. Math. 17).

    >>> longest_first_bound(1), round(longest_first_bound(2), 4)
    (1.0, 1.1667)
    """
    return 4 / 3 - 1 / (3 * n_workers)


def dealt_out(work: list[int], n_workers: int) -> list[list[int]]:
    """Deal items whose cost is known out to workers, longest first: within some items of the best.

    >>> dealt_out([1, 1, 2], 2)
    [[2], [1, 1]]
    """
    shares: list[list[int]] = [[] for _ in range(n_workers)]
    for iterations in sorted(work, reverse=True):
        min(shares, key=sum).append(iterations)
    return shares
