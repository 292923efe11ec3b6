"""How many cores are usable: least of affinity, control groups and job."""

import os
from pathlib import Path

import pytest

from fullrank.cores import cgroup_quota, usable_cores


class Machine:
    """Folders that look like /proc and /sys/fs/cgroup."""

    def __init__(self, folder: Path) -> None:
        self.proc = folder / "proc"
        self.cgroups = folder / "cgroup"
        self.is_member("0::/")

    def is_member(self, *lines: str) -> None:
        path = self.proc / "self" / "cgroup"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{line}\n" for line in lines))

    def write(self, name: str, text: str) -> None:
        path = self.cgroups / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")

    @property
    def quota(self) -> float | None:
        return cgroup_quota(proc=self.proc, cgroups=self.cgroups)

    def usable(self, n_affine: int, environ: dict[str, str] | None = None) -> int:
        return usable_cores(environ or {}, n_affine=n_affine, proc=self.proc, cgroups=self.cgroups)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_without_limits_all_cores_the_kernel_gives_are_usable(machine: Machine) -> None:
    assert machine.quota is None
    assert machine.usable(64) == 64


def test_the_quota_of_the_own_group_counts(machine: Machine) -> None:
    machine.is_member("0::/user.slice/job_7")
    machine.write("user.slice/job_7/cpu.max", "400000 100000")
    assert machine.quota == 4.0
    assert machine.usable(64) == 4


def test_the_affinity_counts_where_it_is_less_than_the_quota(machine: Machine) -> None:
    machine.write("cpu.max", "800000 100000")
    assert machine.usable(2) == 2


def test_a_group_is_bound_by_the_groups_around_it(machine: Machine) -> None:
    machine.is_member("0::/outer/middle/inner")
    machine.write("outer/cpu.max", "300000 100000")
    machine.write("outer/middle/cpu.max", "max 100000")
    machine.write("outer/middle/inner/cpu.max", "600000 100000")
    assert machine.quota == 3.0


def test_no_quota_is_no_limit(machine: Machine) -> None:
    machine.is_member("0::/a", "4:cpu,cpuacct:/a")
    machine.write("a/cpu.max", "max 100000")
    machine.write("cpu,cpuacct/a/cpu.cfs_quota_us", "-1")
    machine.write("cpu,cpuacct/a/cpu.cfs_period_us", "100000")
    assert machine.quota is None


def test_the_first_version_of_control_groups_counts(machine: Machine) -> None:
    machine.is_member("12:memory:/docker/abc", "4:cpu,cpuacct:/docker/abc", "1:name=systemd:/")
    machine.write("cpu,cpuacct/docker/abc/cpu.cfs_quota_us", "150000")
    machine.write("cpu,cpuacct/docker/abc/cpu.cfs_period_us", "50000")
    assert machine.quota == 3.0


def test_the_mount_may_go_by_the_name_of_the_controller(machine: Machine) -> None:
    machine.is_member("4:cpuacct,cpu:/a")
    machine.write("cpu/a/cpu.cfs_quota_us", "200000")
    machine.write("cpu/a/cpu.cfs_period_us", "100000")
    assert machine.quota == 2.0


def test_in_a_container_the_root_of_the_mount_is_the_own_group(machine: Machine) -> None:
    machine.is_member("4:cpu,cpuacct:/docker/abc")  # the path of the host, not seen from inside
    machine.write("cpu,cpuacct/cpu.cfs_quota_us", "200000")
    machine.write("cpu,cpuacct/cpu.cfs_period_us", "100000")
    assert machine.quota == 2.0


def test_both_versions_may_be_mounted(machine: Machine) -> None:
    machine.is_member("1:cpu:/", "0::/a")
    machine.write("unified/a/cpu.max", "500000 100000")
    machine.write("cpu/cpu.cfs_quota_us", "700000")
    machine.write("cpu/cpu.cfs_period_us", "100000")
    assert machine.quota == 5.0


def test_groups_of_other_controllers_do_not_count(machine: Machine) -> None:
    machine.is_member("3:cpuset:/a")
    machine.write("cpuset/a/cpu.cfs_quota_us", "100000")
    machine.write("cpuset/a/cpu.cfs_period_us", "100000")
    assert machine.quota is None


@pytest.mark.parametrize(
    ("quota", "n_cores"),
    [("10000", 1), ("100000", 1), ("140000", 1), ("160000", 2), ("240000", 2), ("270000", 3)],
)
def test_part_of_a_core_is_rounded_and_one_core_is_the_least(machine: Machine, quota: str, n_cores: int) -> None:
    machine.write("cpu.max", f"{quota} 100000")
    assert machine.usable(64) == n_cores


@pytest.mark.parametrize("text", ["", "max", "x 100000", "100000", "100000 0", "-1 -1"])
def test_a_file_that_makes_no_sense_is_no_limit(machine: Machine, text: str) -> None:
    machine.write("cpu.max", text)
    assert machine.quota is None


def test_a_system_without_control_groups_has_no_quota(tmp_path: Path) -> None:
    assert cgroup_quota(proc=tmp_path / "proc", cgroups=tmp_path / "cgroup") is None
    assert usable_cores({}, n_affine=3, proc=tmp_path, cgroups=tmp_path) == 3


def test_a_job_keeps_to_the_cores_it_asked_for(machine: Machine) -> None:
    assert machine.usable(64, {"SLURM_JOB_ID": "1", "SLURM_CPUS_ON_NODE": "8"}) == 8
    assert machine.usable(4, {"SLURM_JOB_ID": "1", "SLURM_CPUS_ON_NODE": "8"}) == 4


def test_this_machine_has_a_core_at_least_and_no_more_than_it_has() -> None:
    assert 1 <= usable_cores() <= (os.cpu_count() or 1)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity on this system")
def test_a_process_bound_to_one_core_has_one(tmp_path: Path) -> None:
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert usable_cores({}, proc=tmp_path, cgroups=tmp_path) == 1
    finally:
        os.sched_setaffinity(0, before)
