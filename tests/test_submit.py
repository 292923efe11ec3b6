"""``fullrank submit`` with batch systems that only note what they are given."""

import dataclasses
import json
import os
import re
import shlex
import shutil
import subprocess
import textwrap
from functools import partial
from pathlib import Path

import pytest
from locks import STRANGER, locked_by
from studies import Project

from fullrank.commands.submission import SYSTEM_NAMES
from fullrank.owner import this_process
from fullrank.submit.place import doubt_about
from fullrank.submit.site import read_site
from fullrank.submit.systems import SYSTEMS

pytestmark = pytest.mark.in_process

PAGE = (Path(__file__).parents[1] / "docs" / "cluster.md").read_text("utf-8")
QUICK = "def f(x):\n    print('said')\n    return x / 7\n"
ANSWERS = {
    "slurm": ("sbatch", "Submitted batch job 4711"),
    "pbs": ("qsub", "4711.head.cluster"),
    "sge": ("qsub", 'Your job 4711 ("study") has been submitted'),
    "lsf": ("bsub", "Job <4711> is submitted to queue <normal>."),
}


class Site:
    """A machine with some batch systems, and with a home of its own."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.bin, self.home = folder / "bin", folder / "home"
        self.queued = folder / "queued"
        for made in (self.bin, self.home / ".config" / "fullrank"):
            made.mkdir(parents=True)
        self.profile = self.home / ".config" / "fullrank" / "site.toml"
        for name in ("cat", "sh"):
            (self.bin / name).symlink_to(str(shutil.which(name)))
        self.env = {"PATH": str(self.bin), "HOME": str(self.home)}
        monkeypatch.setattr("fullrank.submit.site._OF_MACHINE", folder / "etc" / "site.toml")
        monkeypatch.setattr("fullrank.launch.find_mpiexec", lambda: (Path("/opt/mpi/bin/mpiexec"), "MPICH"))
        monkeypatch.delenv("FULLRANK_SITE", raising=False)
        monkeypatch.delenv("SGE_ROOT", raising=False)

    def has(self, system: str, *, code: int = 0, says: str = "") -> "Site":
        """Have a batch system, whose command keeps the script that it is given."""
        command, answer = ANSWERS[system]
        program = self.bin / command
        program.write_text(
            f"#!/bin/sh\ncat >'{self.queued}'\necho '{says or answer}' >&{2 if code else 1}\nexit {code}\n"
        )
        program.chmod(0o755)
        return self


@pytest.fixture
def site(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Site:
    return Site(tmp_path_factory.mktemp("site"), monkeypatch)


def submit(project: Project, site: Site, *args: object, expect: int = 0) -> str:
    done = project.fullrank("submit", "study.toml", *args, env=site.env)
    assert done.returncode == expect, done.stderr
    return done.stderr if expect else done.stdout


@pytest.mark.parametrize("system", ANSWERS)
def test_number_and_the_command_that_watches_are_told(project: Project, site: Site, system: str) -> None:
    project.write(QUICK)
    found = json.loads(submit(project, site.has(system), "--json", "--scheduler", system, "-o", "b c.h5"))
    assert found == {
        "scheduler": system,
        "job": "4711",
        "name": "study",
        "watch": "fullrank status study.toml -o 'b c.h5' --until-complete"
        + (" --job slurm:4711" if system == "slurm" else ""),
        "log": "study-4711.log",
    }


@pytest.mark.parametrize(
    ("system", "says"), [("slurm", "4711"), ("slurm", "4711;cluster"), ("sge", "4711"), ("sge", "4711.1-3:1")]
)
def test_number_alone_is_one_too_where_an_option_asks_for_that(
    project: Project, site: Site, system: str, says: str
) -> None:
    site.has(system, says=says)
    assert json.loads(submit(project.write(QUICK), site, "--json", "--scheduler", system))["job"] == "4711"


def test_answer_without_a_job_is_not_called_queued(project: Project, site: Site) -> None:
    told = submit(project.write(QUICK), site.has("slurm", says="sbatch: Job 1 to start at 12:00"), "--", "--test-only")
    assert "sbatch named no job: sbatch: Job 1 to start" in told
    assert "is queued" not in told


def test_job_that_was_queued_and_waited_for_is_not_called_refused(project: Project, site: Site) -> None:
    program = site.has("slurm").bin / "sbatch"
    program.write_text(f"#!/bin/sh\ncat >'{site.queued}'\necho Submitted batch job 4711\nexit 3\n")
    done = project.write(QUICK).fullrank("submit", "study.toml", "--", "--wait", env=site.env)
    assert (done.returncode, "job 4711 (study) is queued" in done.stdout) == (0, True)
    assert "left with exit code 3" in done.stderr


ARRAY_ANSWERS = {
    "slurm": "Submitted batch job 4711",
    "pbs": "4711[].head.cluster",
    "sge": "Your job-array 4711.1-3:1 (study) has been submitted",
    "lsf": "Job <4711> is submitted to queue <normal>.",
}


@pytest.mark.parametrize("system", ARRAY_ANSWERS)
def test_array_is_queued_and_its_number_told(project: Project, site: Site, system: str) -> None:
    project.write(QUICK)
    site.has(system, says=ARRAY_ANSWERS[system])
    found = json.loads(submit(project, site, "--json", "--scheduler", system, "--array", 3))
    assert found["job"].removesuffix("[]") == "4711"
    assert found["log"] == "study-4711*.log"
    assert "run study.toml -b processes --shard auto/3" in site.queued.read_text()


def test_array_needs_no_mpi(project: Project, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise AssertionError("nobody asks for an mpiexec")

    monkeypatch.setattr("fullrank.launch.find_mpiexec", fail)
    project.write(QUICK)
    assert "#SBATCH --array=1-3\n" in submit(project, site.has("slurm"), "--dry-run", "--array", 3)


def test_array_of_more_jobs_than_items_is_refused(project: Project, site: Site) -> None:
    project.write(QUICK)
    told = submit(project, site.has("slurm"), "--array", 13, expect=2)
    assert "expected at most as many jobs as there are items, got 12 items" in told
    assert not site.queued.exists()


def test_what_is_queued_is_what_a_dry_run_prints(project: Project, site: Site) -> None:
    project.write(QUICK)
    words = ["--time", "2h", "--", "--nodes=2", "-A", "abc"]
    printed = submit(project, site.has("slurm"), "--dry-run", *words)
    assert not site.queued.exists()
    assert "job 4711 (study) is queued" in submit(project, site, *words)
    assert site.queued.read_text() == printed
    assert "#SBATCH --nodes=2\n#SBATCH -A abc\n" in printed


def test_options_behind_two_dashes_are_never_those_of_fullrank(project: Project, site: Site) -> None:
    project.write(QUICK)
    script = submit(project, site.has("slurm"), "--dry-run", "--", "--watch", "study.toml", "--", "--json", "-o", "x")
    assert "#SBATCH --watch study.toml --\n#SBATCH --json\n#SBATCH -o x\n" in script


@pytest.mark.parametrize("system", ANSWERS)
def test_only_batch_system_is_found(project: Project, site: Site, system: str) -> None:
    project.write(QUICK)
    if system == "sge":
        (site.bin / "qconf").touch(mode=0o755)
    assert json.loads(submit(project, site.has(system), "--json"))["scheduler"] == system


def test_refusal_is_told_in_the_systems_words_and_with_its_code(project: Project, site: Site) -> None:
    project.write(QUICK)
    before = project.files()
    told = submit(project, site.has("slurm", code=5, says="sbatch: error: invalid partition"), expect=5)
    assert told.endswith("fullrank: error: sbatch refused the job (exit code 5): sbatch: error: invalid partition\n")
    assert project.files() == before


def test_without_a_batch_system_the_cure_is_told(project: Project, site: Site) -> None:
    project.write(QUICK)
    assert "found none of sbatch, qsub and bsub; submit from a login node" in submit(project, site, expect=2)
    assert "its command bsub is not on the PATH" in submit(project, site, "--scheduler", "lsf", expect=2)
    assert submit(project, site, "--scheduler", "lsf", "--dry-run").startswith("#!/bin/bash -l\n")


def test_among_several_batch_systems_one_has_to_be_chosen(project: Project, site: Site) -> None:
    project.write(QUICK)
    told = submit(project, site.has("slurm").has("lsf"), expect=2)
    assert "several batch systems are on the PATH: slurm (sbatch) and lsf (bsub); choose one by --scheduler" in told
    site.profile.write_text('scheduler = "lsf"\n')
    assert json.loads(submit(project, site, "--json"))["scheduler"] == "lsf"


@pytest.mark.parametrize(
    ("code", "grid", "told"),
    [
        ("import nowhere\ndef f(x): return x\n", "x = [1]", "No module named 'nowhere'"),
        ("def f(y): return y\n", "x = [1]", "the axis 'x' is no parameter of sim.py:f"),
        ("def f(x): return x\n", "x = []", "sweep.grid.x"),
    ],
    ids=["import", "signature", "config"],
)
def test_what_a_run_would_refuse_is_not_queued(project: Project, site: Site, code: str, grid: str, told: str) -> None:
    project.write(code, grid=grid)
    assert told in submit(project, site.has("slurm"), expect=2)
    assert not site.queued.exists()


def test_output_of_another_study_is_not_queued(project: Project, site: Site) -> None:
    project.write(QUICK).run("-b", "serial")
    project.write("def f(x):\n    return x / 9\n")
    assert "nothing was queued: " in submit(project, site.has("slurm"), expect=2)
    assert not site.queued.exists()


def test_options_for_changed_results_are_told_where_they_can_be_given(project: Project, site: Site) -> None:
    project.write(QUICK).run("-b", "serial")
    project.write("def f(x):\n    return x / 9\n")
    told = submit(project, site.has("slurm"), expect=2)
    command = re.search(r"as fullrank (run study.toml --limit 1 --fresh) does", told)
    assert command is not None
    assert project.fullrank(*command[1].split(), "-b", "serial").returncode == 0
    submit(project, site)


@pytest.mark.parametrize(("queue", "is_queued"), [("", True), ("echo RUNNING", False), ("exit 9", True)])
def test_output_of_a_run_that_may_be_dead_is_queued_and_who_held_it_told(
    project: Project, site: Site, queue: str, is_queued: bool
) -> None:
    project.write(QUICK).run("-b", "serial", "--limit", 3)
    locked_by(dataclasses.replace(STRANGER, job="slurm:5"), project.folder / "results/study.h5.work")
    (site.has("slurm").bin / "squeue").write_text(f"#!/bin/sh\n{queue}\n")
    (site.bin / "squeue").chmod(0o755)
    site.env["PATH"] = str(site.bin)
    done = project.fullrank("submit", "study.toml", env=site.env)
    assert "pid 100 on node02, job slurm:5" in done.stderr
    assert (done.returncode, site.queued.exists()) == ((0, True) if is_queued else (2, False))


def test_output_of_a_run_that_is_here_is_not_queued(project: Project, site: Site) -> None:
    project.write(QUICK).run("-b", "serial", "--limit", 3)
    locked_by(this_process(), project.folder / "results/study.h5.work")
    assert "nothing was queued: another run writes here: pid" in submit(project, site.has("slurm"), expect=2)


def test_keys_that_are_set_are_those_of_the_job(project: Project, site: Site) -> None:
    project.write(QUICK)
    words = ["--set", "sweep.grid.x=[1, 2]", "--set", "output.path=a.h5"]
    script = submit(project, site.has("slurm"), "--dry-run", *words)
    assert " run study.toml -o a.h5 --set 'sweep.grid.x=[1, 2]' --set output.path=a.h5 &\n" in script
    assert " status study.toml -o a.h5 --exit-code " in script
    assert "got 2 items" in submit(project, site, "--array", 3, *words, expect=2)
    assert "sweep.grid.y" in submit(project, site, "--set", "sweep.grid.y=[]", expect=2)
    assert "status study.toml -o a.h5 --until-complete" in submit(project, site, *words)


def test_complete_study_is_not_queued(project: Project, site: Site) -> None:
    project.write(QUICK).run("-b", "serial")
    assert submit(project, site.has("slurm")) == ""
    assert not site.queued.exists()


def test_item_that_fails_here_is_not_queued(project: Project, site: Site) -> None:
    project.write("def f(x):\n    return 1 / x\n")
    assert "ZeroDivisionError" in submit(project, site.has("slurm"), "--try", expect=3)
    assert not site.queued.exists()
    project.write("def f(x):\n    return 1 / (x + 1)\n")
    assert "job 4711" in submit(project, site, "--try")


def test_nothing_but_the_script_is_printed(project: Project, site: Site) -> None:
    project.write("print('imported')\n" + QUICK)
    assert submit(project, site.has("slurm"), "--dry-run", "--try").startswith("#!/bin/bash -l\n")


def test_function_without_a_config_is_told_what_is_expected(project: Project, site: Site) -> None:
    project.write(QUICK)
    done = project.fullrank("submit", "sim.py:f", env=site.has("slurm").env)
    assert (done.returncode, "expected the study's TOML file" in done.stderr) == (2, True)


@pytest.mark.parametrize(
    ("folder", "kind", "is_doubted"),
    [
        ("/home/ada/results", "ext4", False),  # the head node's own disk may be shared
        ("/home/ada/results", "tmpfs", True),
        ("/tmp/ada", "ext4", True),
        ("/tmp/ada", "lustre", False),
    ],
)
def test_folder_that_nodes_are_unlikely_to_see_is_doubted(
    tmp_path: Path, folder: str, kind: str, is_doubted: bool
) -> None:
    (tmp_path / "mounts").write_text(f"disk / {kind} rw 0 0\n")
    assert bool(doubt_about(Path(folder), tmp_path / "mounts")) is is_doubted


# --- the site profile


def test_later_profile_wins_key_by_key(project: Project, site: Site, tmp_path: Path) -> None:
    project.write(QUICK)
    named = tmp_path / "named.toml"
    named.write_text('launcher = "srun --mpi=cray_shasta"\nmodules = ["a"]\nsetup = ["ulimit -n 4096"]\ntime = "3h"\n')
    site.profile.write_text('modules = ["b", "c"]\nranks_per_node = 64\noptions = ["-A", "abc"]\n')
    site.env["FULLRANK_SITE"] = str(named)
    script = submit(project, site.has("slurm"), "--dry-run", "--", "--nodes=2")
    options = "#SBATCH --time=03:00:00\n#SBATCH --ntasks-per-node=64\n#SBATCH -A abc\n#SBATCH --nodes=2\n"
    assert options in script
    assert "\nmodule load b c\nulimit -n 4096\n" in script
    assert "\nsrun --mpi=cray_shasta " in script
    assert "#SBATCH --time=00:30:00\n" in submit(project, site, "--dry-run", "--time", "30m")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('shedular = "slurm"', "site.toml: shedular: unknown key, expected"),
        ('shedular = "slurm"', "did you mean 'scheduler'?"),
        ('scheduler = "slrum"', "did you mean 'slurm'?"),
        ("ranks_per_node = 0", "site.toml: ranks_per_node: expected an integer >= 1, got 0"),
        ('modules = "gcc"', "site.toml: modules: expected a list of texts, got text"),
        ('setup = ["#SBATCH -A x"]', "site.toml: setup: expected lines for the shell, got '#SBATCH -A x'"),
        ('launcher = "srun\\nid"', "site.toml: launcher: expected one line"),
        ("options = ['a\"b']", 'site.toml: options: expected it without any of " \\ (batch systems'),
        ('time = "soon"', "site.toml: time: expected a duration > 0"),
        ("time = ", "site.toml: line 1"),
        ('template = "nowhere.sh"', "nowhere.sh cannot be read: No such file or directory"),
        ('template = "site.toml"', "site.toml: expected @OPTIONS@"),
    ],
)
def test_profile_that_is_wrong_names_file_and_key(project: Project, site: Site, text: str, told: str) -> None:
    project.write(QUICK)
    site.profile.write_text(text)
    assert told in submit(project, site.has("slurm"), expect=2)
    assert not site.queued.exists()


def test_profile_that_is_named_has_to_be_there(project: Project, site: Site) -> None:
    project.write(QUICK)
    site.env["FULLRANK_SITE"] = os.path.join("nowhere", "site.toml")  # noqa: PTH118  # as a user writes it
    assert "there is no folder nowhere" in submit(project, site.has("slurm"), expect=2)


def test_own_template_has_the_options_and_the_command_of_the_job(project: Project, site: Site) -> None:
    project.write(QUICK)
    text = "#!/bin/bash -l\n#SBATCH --exclusive\n@OPTIONS@\n@SETUP@\necho @NAME@\nexec @COMMAND@\n"
    site.profile.with_name("job.sh").write_text(text)
    site.profile.write_text('template = "job.sh"\nsetup = ["ulimit -n 99"]\nlauncher = "srun"\n')
    lines = submit(project, site.has("slurm"), "--dry-run", "--", "--nodes=2", "--comment=@COMMAND@").splitlines()
    assert lines[:3] == ["#!/bin/bash -l", "#SBATCH --exclusive", "#SBATCH --job-name=study"]
    options = lines.index("#SBATCH --nodes=2")
    assert lines[options + 1 : options + 3] == ["#SBATCH --comment=@COMMAND@", "ulimit -n 99"]
    assert lines[-2] == "echo study"
    assert lines[-1].startswith("exec srun ")
    assert lines[-1].endswith(" run study.toml")


# --- docs/cluster.md


def test_commands_of_the_page_do_what_it_says(project: Project, site: Site) -> None:
    # durations that the machine's noise does not make a heavy tail of: --time auto predicts them
    project.write("import time\ndef f(x):\n    time.sleep(0.01)\n    return x / 7\n", grid="x = { range = 400 }")
    commands = re.findall(r"(?m)^    fullrank (.+?)(?:\s+# .*)?$", PAGE)
    assert [command.split()[0] for command in commands] == ["run", *["submit"] * 2, "status", "submit", "run", "submit"]

    def carry_out(command: str) -> "subprocess.CompletedProcess[str]":
        words = shlex.split(command)
        # a run's wall time, from which times are predicted, is the age of its process: not of that of all tests
        start = partial(Project.fullrank, project) if words[0] == "run" else project.fullrank
        return start(*words, env=site.env)

    site.has("slurm")
    for command in commands[:3]:
        done = carry_out(command)
        assert done.returncode == 0, done.stderr
        assert site.queued.exists() is (command == commands[2])
    assert commands[3] in done.stdout
    for command in commands[4:]:
        done = carry_out(command)
        assert done.returncode == 0, done.stderr
    assert "time limit" in done.stderr


def test_profile_of_the_page_is_one(site: Site) -> None:
    block = re.search(r"(?m)(^    \w+ = .*\n)+", PAGE)
    assert block is not None
    site.profile.write_text(textwrap.dedent(block[0]))
    site.profile.with_name("job.sh").write_text("@OPTIONS@\n@COMMAND@\n")
    names = {field.name for field in dataclasses.fields(read_site(site.env))}
    assert {name.replace("time_seconds", "time") for name in names} == set(re.findall(r"(?m)^    (\w+) = ", block[0]))


def test_option_names_the_batch_systems_there_are() -> None:
    assert tuple(SYSTEMS) == SYSTEM_NAMES
