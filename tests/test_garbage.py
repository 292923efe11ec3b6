"""Garbage that user code makes is collected, in every way of running; what is imported before is left alone."""

import gc
from collections.abc import Iterator

import pytest
from studies import Project

from fullrank import garbage

CYCLES = """\
import weakref
class Node:
    pass
def f(x):
    gone = []
    node = Node()
    node.itself = node
    weakref.finalize(node, gone.append, 1)
    del node
    kept = [[] for _ in range(100_000)]
    return {"n_gone": len(gone)}
"""


@pytest.fixture
def collector() -> Iterator[None]:
    yield
    gc.enable()
    gc.unfreeze()


@pytest.mark.parametrize("backend", ["serial", "threads", "processes"])
def test_cycles_that_items_leave_are_collected(project: Project, backend: str) -> None:
    project.write(CYCLES)
    project.run("-b", backend)
    assert project.read("n_gone").tolist() == [1] * 12


@pytest.mark.mpi
def test_cycles_that_items_leave_are_collected_on_every_rank(mpi_project: Project) -> None:
    mpi_project.write(CYCLES)
    mpi_project.run(n_ranks=2)
    assert mpi_project.read("n_gone").tolist() == [1] * 12


@pytest.mark.usefixtures("collector")
def test_what_was_there_before_is_left_alone() -> None:
    garbage.put_off()
    assert not gc.isenabled()
    garbage.begin()
    assert gc.isenabled()
    assert gc.get_freeze_count() > 1000


@pytest.mark.usefixtures("collector")
def test_process_that_put_nothing_off_is_left_as_it_is() -> None:
    garbage.begin()
    assert gc.get_freeze_count() == 0


@pytest.mark.usefixtures("collector")
def test_collector_that_a_user_switched_off_stays_off() -> None:
    gc.disable()
    garbage.put_off()
    garbage.begin()
    assert not gc.isenabled()
