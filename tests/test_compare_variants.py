"""Which ways of running are compared, in which order, and what others did meanwhile: arithmetic and words."""

from itertools import pairwise
from math import isnan
from pathlib import Path

import pytest

from fullrank.compare.others import watch
from fullrank.compare.records import Variant
from fullrank.compare.rounds import order_of_round
from fullrank.compare.variants import BASELINE, Place, default_counts, parse_backends, parse_counts, plan
from fullrank.cores import physical_cores
from fullrank.errors import UsageError
from fullrank.scheduler import job_from, submit_command_of_login_node

LAPTOP = Place(usable_cores=4, n_ranks=4)
TWO_NODES = Place(usable_cores=8, n_ranks=16)


def test_baseline_comes_first_whatever_was_asked_for() -> None:
    planned = plan(parse_backends("mpi,threads"), (2, 4), LAPTOP)
    assert planned.variants == (
        BASELINE,
        Variant("threads", 2),
        Variant("threads", 4),
        Variant("mpi", 2),
        Variant("mpi", 4),
    )


def test_serial_is_measured_once() -> None:
    assert plan(("serial",), (1, 2), LAPTOP).variants == (BASELINE,)


@pytest.mark.parametrize("n_cores", [1, 2, 3, 4, 7, 8, 48, 64])
def test_usual_counts_double_up_to_all_cores(n_cores: int) -> None:
    counts = default_counts(n_cores)
    assert counts[-1] == n_cores
    assert all(a < b <= 2 * a for a, b in pairwise(counts))
    assert counts[0] == min(2, n_cores)


def test_unknown_backend_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(UsageError, match=r"got 'treads'; did you mean 'threads'\?"):
        parse_backends("serial,treads")


@pytest.mark.parametrize("text", ["0", "-1", "2,", "two", "1.5", "2 4", ""])
def test_number_of_workers_below_one_or_of_another_kind_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="-n: expected numbers of workers >= 1 such as 1,2,4"):
        parse_counts(text)


def test_too_many_workers_are_refused() -> None:
    assert plan(("threads",), (32,), LAPTOP).variants[-1] == Variant("threads", 32)
    with pytest.raises(UsageError, match="-n: expected at most 32 workers, 8 for each of the 4 cores here, got 33"):
        plan(("threads",), (33,), LAPTOP)


def test_only_mpi_reaches_the_other_nodes_of_a_job() -> None:
    planned = plan(("processes", "mpi"), (8, 16), TWO_NODES)
    assert Variant("mpi", 16) in planned.variants
    assert Variant("processes", 8) in planned.variants
    assert "only mpi reaches the job's other nodes" in planned.not_possible[Variant("processes", 16)]


def test_usual_counts_of_mpi_go_up_to_all_ranks_of_the_job() -> None:
    assert plan(("mpi", "threads"), None, TWO_NODES).variants == (
        BASELINE,
        *(Variant("mpi", n) for n in (2, 4, 8, 16)),
        *(Variant("threads", n) for n in (2, 4, 8)),
    )


def test_every_round_has_every_variant_once() -> None:
    for number in range(20):
        assert sorted(order_of_round(5, number, seed=3)) == list(range(5))


def test_orders_differ_from_round_to_round_and_are_drawn_again_from_the_seed() -> None:
    orders = [order_of_round(5, number, seed=3) for number in range(20)]
    assert len(set(map(tuple, orders))) > 10
    assert orders == [order_of_round(5, number, seed=3) for number in range(20)]


def test_every_variant_is_at_every_place_about_equally_often() -> None:
    n_rounds, n_variants = 4000, 4
    counts = [[0] * n_variants for _ in range(n_variants)]
    for number in range(n_rounds):
        for place, variant in enumerate(order_of_round(n_variants, number, seed=11)):
            counts[variant][place] += 1
    # mean 1000, standard deviation sqrt(4000 * 1/4 * 3/4) = 27
    assert all(abs(count - 1000) < 5 * 27 for row in counts for count in row)


def stat(path: Path, *, busy: int, idle: int) -> None:
    path.write_text(f"cpu  {busy} 0 0 {idle} 5 0 0 0 0 0\ncpu0 1 2 3 4\n")


def test_load_of_others_is_the_busy_time_of_the_node(tmp_path: Path) -> None:
    stat(tmp_path / "stat", busy=100, idle=1000)
    cores = watch(tmp_path / "stat")
    stat(tmp_path / "stat", busy=100 + 6000, idle=9000)
    # 60 s of CPU time in 40 s are 1.5 cores; this test itself takes next to nothing of it
    assert cores(40.0) == pytest.approx(1.5, abs=0.05)


def test_load_of_others_is_unknown_where_the_system_does_not_tell(tmp_path: Path) -> None:
    assert isnan(watch(tmp_path / "absent")(1.0))


def test_hyper_threads_share_a_core(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _pid: {0, 1, 2, 3})
    for number, siblings in enumerate(("0,2", "1,3", "0,2", "1,3")):
        folder = tmp_path / f"cpu{number}" / "topology"
        folder.mkdir(parents=True)
        (folder / "thread_siblings_list").write_text(f"{siblings}\n")
    assert physical_cores(tmp_path) == 2
    assert physical_cores(tmp_path / "absent") is None


def commands(folder: Path, *names: str) -> dict[str, str]:
    """Return an environment in which these programs are on the PATH."""
    for name in names:
        (folder / name).write_text("#!/bin/sh\n")
        (folder / name).chmod(0o755)
    return {"PATH": str(folder)}


@pytest.mark.parametrize("command", ["sbatch", "qsub", "bsub"])
def test_node_with_a_batch_system_and_without_a_job_is_a_login_node(tmp_path: Path, command: str) -> None:
    assert submit_command_of_login_node(commands(tmp_path, command)) == command


def test_laptop_and_job_are_no_login_node(tmp_path: Path) -> None:
    assert submit_command_of_login_node({"PATH": str(tmp_path)}) == ""
    environ = commands(tmp_path, "sbatch") | {"SLURM_JOB_ID": "7"}
    assert submit_command_of_login_node(environ) == ""


def test_job_tells_how_many_ranks_it_has_room_for() -> None:
    job = job_from({"SLURM_JOB_ID": "7", "SLURM_NTASKS": "16", "SLURM_CPUS_ON_NODE": "8"})
    assert job is not None
    assert (job.n_ranks, job.n_cores) == (16, 8)
