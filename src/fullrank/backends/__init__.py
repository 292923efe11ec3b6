"""Ways of running a study: one module each, the contract in :mod:`fullrank.backends.base`."""

BACKENDS = ("serial", "threads", "processes", "interpreters", "mpi")
"""From the simplest on: one more line of control; one process; the same with a process for each worker; modules that
load there; a library and a launcher."""
