"""What Slurm says of its jobs, and what an administrator does to them."""

import time

from hosts import LIMIT_SECONDS, Cluster, until

_OVER = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "BOOT_FAIL", "OUT_OF_MEMORY")


class Slurm:
    """The Slurm of a cluster."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster

    def shown(self, job: str) -> dict[str, str]:
        """Return what ``scontrol show job`` says: JobState, Restarts, ExitCode ..."""
        said = self.cluster.run("scontrol", "show", "job", job, "--oneliner").stdout
        pairs = (word.partition("=") for word in said.split() if "=" in word)
        return {name: value for name, _, value in pairs}

    def state(self, job: str) -> str:
        return self.shown(job)["JobState"]

    def until_state(self, job: str, *states: str, limit_seconds: float = LIMIT_SECONDS) -> None:
        until(lambda: self.state(job) in states, f"job {job} is {' or '.join(states)}", limit_seconds=limit_seconds)

    def until_over(self, job: str, *, limit_seconds: float = LIMIT_SECONDS) -> str:
        """Wait until a job has ended and will not start again; return its state."""
        self.until_state(job, *_OVER, limit_seconds=limit_seconds)
        return self.state(job)

    def update(self, job: str, what: str) -> None:
        self.cluster.run("scontrol", "update", f"JobId={job}", what)

    def nodes(self, job: str) -> list[str]:
        """Return the names of a job's hosts, the one first that runs its script."""
        return self.cluster.run("scontrol", "show", "hostnames", self.shown(job)["NodeList"]).stdout.split()

    def start_again(self, job: str) -> None:
        """Start a job that was requeued without the two minutes that Slurm lets it wait.

        They may begin anew while its hosts still clean up, so it is asked for until it is heard; and not in the second
        in which it was requeued, for its hosts do not start again what they were told to end in that second.
        """
        time.sleep(1.5)

        def is_started() -> bool:
            self.cluster.run("scontrol", "update", f"JobId={job}", "StartTime=now", expect=None)
            return self.state(job) != "PENDING"

        until(is_started, f"job {job} starts again")

    def queue(self) -> str:
        """Return a line for each job that waits or runs."""
        return self.cluster.run("squeue", "--noheader").stdout

    def lose(self, host: str) -> None:
        """End all that runs on a host at once, and tell Slurm that it is gone."""
        kill_all = 'while pids=$(ip netns pids "$0") && [ -n "$pids" ]; do kill -KILL $pids || :; done'
        self.cluster.run("sh", "-c", kill_all, host)
        self.cluster.run("scontrol", "update", f"NodeName={host}", "State=DOWN", "Reason=lost")

    def mend(self, host: str) -> None:
        """Have a host that was lost again."""
        self.cluster.run(self.cluster.folder / "on", host, "slurmd", "-N", host)
        idle = ["sinfo", "--noheader", f"--nodes={host}", "--states=idle", "--format=%N"]
        until(lambda: self.cluster.run(*idle).stdout.strip() == host, f"{host} is back")
