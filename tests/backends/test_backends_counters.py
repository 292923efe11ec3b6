"""Counters of all backends hand out every position once."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from backend_studies import BACKENDS

from fullrank.backends import threads
from fullrank.backends.base import LocalCounter, Tally
from fullrank.backends.cells import (
    TOKEN_CELLS_BYTES,
    ProcessCounter,
    TokenCounter,
    create_cells,
    create_memory,
    create_token,
)


@contextmanager
def counters(kind: str, n: int) -> Iterator[list[Any]]:
    """Yield ``n`` views of one counter."""
    if kind == "threads":
        shared = threads.LockedCounter()
        yield [threads.ThreadCounter(shared) for _ in range(n)]
        return
    if kind == "serial":
        yield [LocalCounter()] * n
        return
    if kind == "processes":
        cells = create_cells()
        yield [ProcessCounter(cells) for _ in range(n)]
        os.close(cells)
        return
    cells, token = create_memory(TOKEN_CELLS_BYTES), create_token()
    yield [TokenCounter(cells, token) for _ in range(n)]
    for fd in (cells, *token):
        os.close(fd)


@pytest.mark.parametrize("kind", BACKENDS)
def test_counters_hand_out_positions_and_stop(kind: str) -> None:
    with counters(kind, 2) as (one, other):
        one.begin(3)
        assert one.result() == 0
        other.begin(5)
        assert other.result() == 3
        other.add_finished(4, 1, busy_milliseconds=1500)
        assert not one.stopped()
        one.stop()
        assert other.stopped()
        for _ in range(3):
            one.begin(2**40)
            assert one.result() >= 2**62
        assert one.stopped()


def test_threads_that_claim_together_get_every_position_once() -> None:
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    with counters("threads", 4) as views:
        found: list[list[int]] = [[] for _ in views]

        def claim(number: int) -> None:
            for _ in range(2000):
                views[number].begin(2)
                found[number].append(views[number].result())
                views[number].add_finished(2, 1, busy_milliseconds=1)

        workers = [threading.Thread(target=claim, args=(number,)) for number in range(4)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        sys.setswitchinterval(interval)
        assert sorted(position for each in found for position in each) == list(range(0, 16_000, 2))
        assert views[0].shared.tally() == Tally(16_000, 8000, 8.0)


def test_processes_that_claim_together_get_every_position_once(tmp_path: Path) -> None:
    code = """\
        import json, sys
        from fullrank.backends.cells import ProcessCounter
        counter, found = ProcessCounter(int(sys.argv[1])), []
        for _ in range(3000):
            counter.begin(2)
            found.append(counter.result())
            counter.add_finished(2, 1, busy_milliseconds=1)
        print(json.dumps(found))
        """
    cells = create_cells()
    command = [sys.executable, "-c", dedent(code), str(cells)]
    running = [subprocess.Popen(command, pass_fds=[cells], stdout=subprocess.PIPE) for _ in range(3)]
    found = [position for each in running for position in json.loads(each.communicate(timeout=60)[0])]
    assert sorted(found) == list(range(0, 18_000, 2))
    assert ProcessCounter(cells).tally() == Tally(18_000, 9000, 9.0)
    os.close(cells)
