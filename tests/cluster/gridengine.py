"""What Grid Engine says of its jobs."""

from hosts import LIMIT_SECONDS, Cluster, until


class GridEngine:
    """The Grid Engine of a cluster."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster

    def queue(self) -> str:
        """Return a table of the jobs that wait or run; "" if there are none."""
        return self.cluster.run("qstat").stdout

    def until_empty(self, *, limit_seconds: float = LIMIT_SECONDS) -> None:
        until(lambda: self.queue() == "", "no job waits or runs", limit_seconds=limit_seconds)
