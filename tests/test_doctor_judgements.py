"""What doctor makes of facts: tables of machines, disks and ranks as they are met."""

from typing import Any

import pytest

from fullrank.doctor.facts import CoreFacts, FolderFacts, ImportFacts, Meeting, PythonFacts, RankFacts
from fullrank.doctor.finding import OK, PROBLEM, WARNING, Finding
from fullrank.doctor.judge_folder import judge_folder
from fullrank.doctor.judge_machine import judge_cores, judge_import, judge_python, judge_scheduler, judge_threads
from fullrank.doctor.judge_ranks import alike, judge_binding, judge_meeting, judge_rank_threads, judge_sight
from fullrank.scheduler import job_from


def cores(**facts: Any) -> CoreFacts:
    usual = {"n_machine": 8, "n_affine": 8, "n_physical": 8, "quota": None, "n_job": None, "n_usable": 8}
    return CoreFacts(**(usual | facts))


def ranks(*cpus: tuple[int, ...], host: str = "n1", **facts: Any) -> list[RankFacts]:
    """One rank for each set of processors; every processor is a core of its own."""
    usual = {
        "size": len(cpus),
        "library": "MPICH 5.0.2",
        "software": "Python 3.11.7",
        "host": host,
        "n_threads": 1,
        "unseen": "",
    }
    return [
        RankFacts(rank=number, cpus=those, **{"cores": tuple(map(str, those))} | usual | facts)
        for number, those in enumerate(cpus)
    ]


def folder(**facts: Any) -> FolderFacts:
    usual = {"folder": "/scratch/me", "kind": "lustre", "is_shared": True, "doubt": "", "fsync_seconds": 0.01}
    return FolderFacts(**(usual | {"free_bytes": 10**12} | facts))


@pytest.mark.parametrize(
    ("found", "level", "said"),
    [
        (PythonFacts("3.11.7", "CPython", is_free_threaded=False, gil="enabled"), OK, "threads take turns"),
        (PythonFacts("3.13.1", "CPython", is_free_threaded=True, gil="disabled"), OK, "at the same time"),
        (PythonFacts("3.13.1", "CPython", is_free_threaded=True, gil="enabled by fast"), WARNING, "module fast"),
        (PythonFacts("3.13.1", "CPython", is_free_threaded=True, gil="enabled"), WARNING, "switched on"),
    ],
)
def test_python_is_told_with_what_its_threads_can_do(found: PythonFacts, level: str, said: str) -> None:
    judged = judge_python(found)
    assert judged.level == level
    assert said in judged.text


@pytest.mark.parametrize(
    ("found", "level", "said"),
    [
        (cores(), OK, "8 usable of 8"),
        (cores(n_affine=2, n_physical=2, n_usable=2), OK, "the affinity gives 2"),
        (cores(quota=1.5, n_usable=2), OK, "the control group gives 1.5"),
        (cores(n_job=4, n_usable=4), OK, "the job gives 4"),
        (cores(n_physical=4), OK, "on 4 physical cores whose hyper-threads share them"),
        (cores(n_affine=1, n_physical=1, n_job=8, n_usable=1), WARNING, "the job has 8 cores here"),
        (cores(quota=0.5, n_usable=1), WARNING, "0.5 of a core"),
    ],
)
def test_cores_are_told_with_what_holds_them_back(found: CoreFacts, level: str, said: str) -> None:
    judged = judge_cores(found)
    assert judged.level == level
    assert said in judged.text


def test_rank_that_is_bound_to_one_core_of_its_job_is_well() -> None:
    bound = cores(n_affine=1, n_physical=1, n_job=8, n_usable=1)
    assert judge_cores(bound, is_rank=True).level == OK
    assert judge_cores(bound).level == WARNING


@pytest.mark.parametrize(
    ("settings", "level", "said"),
    [
        ({}, OK, "1 for each worker"),
        ({"OMP_NUM_THREADS": 1}, OK, "1 for each worker"),
        ({"OMP_NUM_THREADS": 1, "MKL_NUM_THREADS": 4}, WARNING, "MKL_NUM_THREADS=4: 8 workers would start 32 threads"),
    ],
)
def test_threads_that_a_user_asks_for_are_multiplied_by_workers(
    settings: dict[str, int], level: str, said: str
) -> None:
    judged = judge_threads(settings, n_workers=8, n_cores=8)
    assert judged.level == level
    assert said in judged.text


def test_threads_of_few_workers_that_have_a_core_each_are_well() -> None:
    assert judge_threads({"OMP_NUM_THREADS": 4}, n_workers=2, n_cores=8).level == OK


JOB = {"SLURM_JOB_ID": "7", "SLURM_NTASKS": "64", "SLURM_JOB_END_TIME": "10000"}


@pytest.mark.parametrize(
    ("environ", "submit", "n_ranks", "level", "said"),
    [
        ({}, "", None, OK, "no job"),
        ({}, "sbatch", None, OK, "sbatch is on the PATH"),
        (JOB, "", 64, OK, "job slurm:7, which ends in 1 h 23 min"),
        (JOB | {"SLURM_JOB_END_TIME": "5100"}, "", 64, WARNING, "ends in 1 min 40 s"),
        (JOB | {"SLURM_JOB_END_TIME": "4000"}, "", 64, WARNING, "time is over"),
        (JOB, "", 4, WARNING, "4 ranks started, there is room for 64"),
        (JOB, "", None, OK, "`mpiexec -n 64 fullrank doctor` looks at all its ranks"),
    ],
)
def test_job_is_told_with_what_is_left_of_it(
    environ: dict[str, str], submit: str, n_ranks: int | None, level: str, said: str
) -> None:
    judged = judge_scheduler(job_from(environ), submit=submit, now=5000.0, n_ranks=n_ranks)
    assert judged.level == level
    assert said in judged.text


def test_several_batch_systems_of_which_none_is_chosen_are_a_warning() -> None:
    judged = judge_scheduler(None, submit="", now=5000.0, n_ranks=None, refusal="several are on the PATH")
    assert (judged.level, judged.text) == (WARNING, "several are on the PATH")
    assert "site.toml" in judged.cure


NOTE = "importing sim.py takes longer than 2 s. It is at sim.py, line 2:\n    x = table()\nput it into a function"


@pytest.mark.parametrize(
    ("found", "level", "said", "cure"),
    [
        (ImportFacts(seconds=0.1), OK, "100 ms", ""),
        (ImportFacts(seconds=3.0), WARNING, "3.00 s", "import there what the function needs"),
        (ImportFacts(seconds=3.0, notes=(NOTE,)), WARNING, "x = table()", "put it into a function"),
        (ImportFacts(refusal="sim.py: there is no such Python file"), PROBLEM, "no such Python file", "mend that"),
        (ImportFacts(), PROBLEM, "not imported within 30.0 s", "import there what the function needs"),
        (ImportFacts(notes=(NOTE,)), PROBLEM, "x = table()", "put it into a function"),
    ],
)
def test_import_is_told_with_the_line_it_is_at(found: ImportFacts, level: str, said: str, cure: str) -> None:
    judged = judge_import(found, limit_seconds=30.0)
    assert judged.level == level
    assert said in judged.text
    assert cure in judged.cure


def worst(findings: Any) -> Finding:
    return max(findings, key=lambda finding: [OK, WARNING, PROBLEM].index(finding.level))


@pytest.mark.parametrize(
    ("facts", "level", "said"),
    [
        ({}, OK, "/scratch/me (lustre) can be written, fsync takes 10.0 ms"),
        ({"kind": "", "fsync_seconds": None}, OK, "/scratch/me can be written"),
        ({"refusal": "Permission denied"}, PROBLEM, "Permission denied"),
        ({"fsync_seconds": 2.0}, WARNING, "fsync takes 2.00 s"),
        ({"lock_refusal": "No locks available"}, WARNING, "No locks available"),
        ({"hdf5_refusal": "unable to lock file"}, PROBLEM, "unable to lock file"),
        ({"free_bytes": 10**6}, WARNING, "1 MB free"),
        ({"n_free_files": 12}, WARNING, "room for 12 more files"),
    ],
)
def test_folder_is_told_with_what_it_refuses(facts: dict[str, Any], level: str, said: str) -> None:
    findings = list(judge_folder(folder(**facts), needed_bytes=None, is_for_nodes=True))
    judged = worst(findings)
    assert judged.level == level
    assert said in judged.text
    assert (judged.cure == "") == (level == OK)


@pytest.mark.parametrize(("needed", "level"), [(10**6, OK), (10**9, PROBLEM)])
def test_room_is_judged_by_what_the_study_writes(needed: int, level: str) -> None:
    assert worst(judge_folder(folder(free_bytes=10**8), needed_bytes=needed, is_for_nodes=False)).level == level


@pytest.mark.parametrize(("is_for_nodes", "level"), [(False, OK), (True, WARNING)])
def test_folder_of_one_machine_is_doubtful_where_nodes_are_to_see_it(is_for_nodes: bool, level: str) -> None:
    found = folder(doubt="/tmp looks like a place that each machine has for itself")
    assert worst(judge_folder(found, needed_bytes=None, is_for_nodes=is_for_nodes)).level == level


WORLD = tuple(ranks((0,), (1,)))
ALONE = tuple(ranks((0,))) * 2


@pytest.mark.parametrize(
    ("found", "level", "said"),
    [
        (Meeting("mpiexec", 2, WORLD), OK, "MPICH 5.0.2: mpiexec starts 2 ranks as one world, on 1 host"),
        (Meeting("mpiexec", 1, ALONE[:1]), OK, "mpiexec starts 1 rank as one world"),
        (Meeting("mpiexec", 2, ALONE), PROBLEM, "each is a world of 1 rank: mpi4py loads MPICH 5.0.2"),
        (Meeting("mpiexec", 4, ALONE[:1]), PROBLEM, "mpiexec started 4 processes, but each is a world of 1 rank"),
        (Meeting("mpiexec", 4, WORLD), PROBLEM, "they are no one world"),
        (Meeting("mpiexec", 2, failure="no slots"), PROBLEM, "failed: no slots"),
        (Meeting("mpiexec", 2, is_late=True), PROBLEM, "did not meet in time"),
        (Meeting("mpiexec", 2), PROBLEM, "none of them told of itself"),
        (
            Meeting("mpiexec", 2, (WORLD[0], ranks((0,), (1,), library="MPICH 4.2.0")[1])),
            PROBLEM,
            "different libraries: MPICH 4.2.0, MPICH 5.0.2",
        ),
        (
            Meeting("mpiexec", 2, (WORLD[0], ranks((0,), (1,), software="Python 3.12.1")[1])),
            PROBLEM,
            "different software: Python 3.11.7, Python 3.12.1",
        ),
    ],
)
def test_launcher_and_library_belong_together_if_one_world_came_of_them(found: Meeting, level: str, said: str) -> None:
    judged = judge_meeting(found, cure="start with the other")
    assert judged.level == level
    assert said in judged.text
    assert (judged.cure == "") == (level == OK)


@pytest.mark.parametrize(
    ("found", "level", "said"),
    [
        (ranks((0,), (1,)), OK, "a core of its own"),
        (ranks((0, 1), (0, 1)), OK, "the kernel spreads"),
        (ranks((0,), (0,)), PROBLEM, "n1: ranks 0, 1 share 1 core"),
        (ranks((0,), (0,), (1,)), PROBLEM, "n1: ranks 0, 1 share 1 core"),
        (ranks((0, 1), (0, 1), (0, 1)), WARNING, "n1: ranks 0 to 2 share 2 cores"),
        (ranks((0, 1), (0, 1), (0, 1), (2, 3)), PROBLEM, "n1: ranks 0 to 2 share 2 cores"),
        (ranks((0,), (1,), (0, 1)), WARNING, "n1: ranks 0 to 2 share 2 cores"),
        (ranks((0,)) + ranks((0,), host="n2"), OK, "a core of its own"),
        (ranks((0,), (1,), cores=("0-1",)), WARNING, "n1: 2 ranks on the hyper-threads of 1 physical core"),
        (ranks((0,), (1,), cores=()), OK, "a core of its own"),
    ],
)
def test_ranks_in_each_others_way_are_named(found: list[RankFacts], level: str, said: str) -> None:
    judged = worst(judge_binding(found))
    assert judged.level == level
    assert said in judged.text


def test_threads_of_a_rank_that_has_fewer_cores_are_too_many() -> None:
    assert not list(judge_rank_threads(ranks((0, 1), (2, 3), n_threads=2)))
    (judged,) = judge_rank_threads(ranks((0,), (1,), n_threads=2))
    assert "ranks 0, 1 would start 2 threads on 1 core" in judged.text


def test_rank_that_does_not_see_roots_file_is_named_with_its_host() -> None:
    blind = ranks((0,), (1,), host="n2", unseen="No such file or directory")[1:]
    assert next(iter(judge_sight(ranks((0,), (1,))))).level == OK
    (judged,) = judge_sight(ranks((0,)) + blind)
    assert judged.level == PROBLEM
    assert "rank 1 on n2" in judged.text


def test_ranks_that_are_alike_take_one_line() -> None:
    here = ranks(*[(number,) for number in range(64)])
    assert list(alike(here)) == ["n1: ranks 0 to 63: 1 core each, 1 thread"]


def test_ranks_that_differ_take_a_line_each() -> None:
    found = ranks((0,), (0,)) + ranks((0, 1), host="n2", n_threads=4)
    assert list(alike(found)) == ["n1: ranks 0, 1: core 0, 1 thread", "n2: rank 0: 2 cores, 4 threads"]
