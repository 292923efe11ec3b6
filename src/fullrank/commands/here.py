"""Where a command may compute: not on a login node, unless the user says so."""

import os
from argparse import Namespace

from fullrank.errors import UsageError
from fullrank.scheduler import submit_command_of_login_node

MOST_WORKERS_ON_LOGIN_NODE = 4
"""Of a run that needs no leave."""
IN_A_JOB = "Start it in a job, as `fullrank submit` does"


def ask_for_here(arguments: Namespace, *, n_workers: int | None = None, instead: str = IN_A_JOB) -> None:
    """Refuse a comparison, or many workers, where a batch system is and no job, unless the user says ``--here``.

    Raises UsageError, with the cure and what to do ``instead``.
    """
    if arguments.here or (n_workers is not None and n_workers <= MOST_WORKERS_ON_LOGIN_NODE):
        return
    command = submit_command_of_login_node(os.environ)
    if command:
        raise UsageError(
            f"this looks like the login node of a cluster ({command} is on the PATH, and there is no job), "
            f"which others work on too. {instead}, or add --here if it may run here"
        )
