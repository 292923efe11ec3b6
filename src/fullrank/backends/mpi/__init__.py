"""N ranks on any number of nodes; every one computes, root (rank 0) too. The only importer of mpi4py.

Claims are one ``MPI_Fetch_and_op`` on a window that root allocates. Ranks that have to wait for others sleep between
looks at the request: blocking calls of MPI spin on a whole core.
"""

from fullrank.backends.mpi.crew import MpiCrew, guarded_follow
from fullrank.backends.mpi.library import abort, joined, library

__all__ = ["MpiCrew", "abort", "guarded_follow", "joined", "library"]
