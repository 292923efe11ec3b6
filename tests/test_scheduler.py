"""What batch systems say of a job. Slurm's and Grid Engine's environments are recorded ones."""

import pytest

from fullrank.scheduler import Job, job_from


def variables(text: str) -> dict[str, str]:
    return dict(word.split("=", 1) for word in text.split())


SLURM = variables(
    "SLURM_CLUSTER_NAME=fr SLURM_CPUS_ON_NODE=2 SLURM_JOBID=5 SLURM_JOB_ID=5 SLURM_JOB_NAME=rq.sh "
    "SLURM_JOB_NODELIST=n1 SLURM_JOB_NUM_NODES=1 SLURM_JOB_PARTITION=test SLURM_JOB_USER=user "
    "SLURM_PROCID=0 SLURM_SUBMIT_DIR=/home/user HOME=/home/user API_TOKEN=secret"
)
SLURM_ARRAY = variables("SLURM_ARRAY_JOB_ID=3 SLURM_ARRAY_TASK_COUNT=2 SLURM_ARRAY_TASK_ID=0 SLURM_JOB_ID=4")
GRID_ENGINE = variables(
    "JOB_ID=1 JOB_NAME=plain NHOSTS=1 NQUEUES=1 NSLOTS=1 QUEUE=all.q RESTARTED=0 "
    "SGE_ACCOUNT=sge SGE_TASK_FIRST=undefined SGE_TASK_ID=undefined SGE_TASK_LAST=undefined"
)
GRID_ENGINE_ARRAY = GRID_ENGINE | variables("JOB_ID=3 SGE_TASK_FIRST=1 SGE_TASK_ID=2")
GRID_ENGINE_TWO_HOSTS = GRID_ENGINE | variables("JOB_ID=2 NHOSTS=2 NSLOTS=4 PE=mpi")
# as their manuals say
PBS = variables("PBS_JOBID=12[3].server PBS_JOBNAME=sweep PBS_QUEUE=workq")
LSF = variables("LSB_JOBID=77 LSB_JOBINDEX=0 LSB_JOBNAME=sweep LSB_QUEUE=normal")


def job_of(environ: dict[str, str]) -> Job:
    job = job_from(environ)
    assert job is not None
    return job


def test_end_of_a_job_is_known_where_the_batch_system_tells_it() -> None:
    assert job_of(SLURM | {"SLURM_JOB_END_TIME": "1764165000"}).ends_at == 1764165000.0
    for environ in (SLURM, SLURM | {"SLURM_JOB_END_TIME": "0"}, SLURM | {"SLURM_JOB_END_TIME": "soon"}, PBS):
        assert job_of(environ).ends_at is None


@pytest.mark.parametrize(
    ("environ", "scheduler", "job_id"),
    [
        (SLURM, "slurm", "slurm:5"),
        (SLURM_ARRAY, "slurm", "slurm:4"),
        (GRID_ENGINE, "sge", "sge:1"),
        (GRID_ENGINE_ARRAY, "sge", "sge:3[2]"),
        (PBS, "pbs", "pbs:12[3].server"),
        (LSF, "lsf", "lsf:77"),
        (LSF | {"LSB_JOBINDEX": "4"}, "lsf", "lsf:77[4]"),
    ],
)
def test_a_job_is_known_by_an_id_of_its_own(environ: dict[str, str], scheduler: str, job_id: str) -> None:
    job = job_of(environ)
    assert (job.scheduler, job.job_id) == (scheduler, job_id)


@pytest.mark.parametrize("environ", [{}, {"SLURM_JOB_ID": ""}, {"JOB_ID": "42"}, {"SLURM_CONF": "slurm.conf"}])
def test_outside_a_batch_system_there_is_no_job(environ: dict[str, str]) -> None:
    assert job_from(environ) is None


@pytest.mark.parametrize(
    ("environ", "n_restarts"),
    [
        (SLURM, 0),
        (SLURM | {"SLURM_RESTART_COUNT": "1"}, 1),
        (SLURM | {"SLURM_RESTART_COUNT": "12"}, 12),
        (GRID_ENGINE, 0),
        (GRID_ENGINE | {"RESTARTED": "1"}, 1),
        (LSF, 0),
        (LSF | {"LSB_RESTART": "Y"}, 1),
        (PBS, 0),
    ],
)
def test_the_restarts_of_a_job_are_counted(environ: dict[str, str], n_restarts: int) -> None:
    assert job_of(environ).n_restarts == n_restarts


@pytest.mark.parametrize(
    ("environ", "n_cores"),
    [
        (SLURM, 2),
        (SLURM | {"SLURM_CPUS_ON_NODE": "16"}, 16),
        (SLURM | {"SLURM_CPUS_ON_NODE": "0"}, None),
        (SLURM_ARRAY, None),
        (GRID_ENGINE, 1),
        (GRID_ENGINE | {"NSLOTS": "8"}, 8),
        (GRID_ENGINE_TWO_HOSTS, None),
        (PBS, None),
        (LSF, None),
    ],
)
def test_the_cores_of_a_job_on_its_node_are_known_where_it_says_so(
    environ: dict[str, str], n_cores: int | None
) -> None:
    assert job_of(environ).n_cores == n_cores


def test_what_is_kept_of_a_job_is_listed_and_nothing_else() -> None:
    assert job_of(SLURM).others == {
        "job_name": "rq.sh",
        "job_queue": "test",
        "job_nodes": "n1",
        "job_n_nodes": "1",
        "job_cluster": "fr",
    }


def test_a_job_that_is_no_array_has_no_task() -> None:
    for environ in (GRID_ENGINE, LSF, SLURM):
        assert "job_array_task" not in job_of(environ).others
    for environ, task in ((GRID_ENGINE_ARRAY, "2"), (SLURM_ARRAY, "0")):
        assert job_of(environ).others["job_array_task"] == task
