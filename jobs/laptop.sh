#!/bin/sh
# One study on all usable cores of this machine, under MPI:
#
#     jobs/laptop.sh configs/lyapunov.toml
#
# Killed or switched off in the middle? The same command goes on where the run was.
# More options follow the study, `-n 2` for two cores.
set -eu

if [ $# -eq 0 ]; then
    echo "usage: $0 CONFIG [OPTION...]" >&2
    exit 2
fi

# The environment that `make install` makes beside this folder, else the fullrank on the PATH.
fullrank=$(dirname "$0")/../.venv/bin/fullrank
[ -x "$fullrank" ] || fullrank=fullrank

# Replaces this shell, so that a signal to the job reaches fullrank. Without -n it takes every core
# that the job may use, and it starts the mpiexec that belongs to its MPI library.
exec "$fullrank" run -b mpi "$@"
