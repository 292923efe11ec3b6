#!/bin/sh
# Which way of using the cores pays, for one study in an allocation of several nodes:
#
#     sbatch jobs/compare-slurm.sh configs/lyapunov.toml
#
# It measures 1, 2, 4, ... workers up to the allocation: threads and processes on the first node, MPI on all of them.
# More options follow the study, `--backends mpi` for MPI beside the serial baseline alone.
#
#SBATCH --job-name=compare
#SBATCH --nodes=2
#SBATCH --ntasks=16
#SBATCH --cpus-per-task=1
#SBATCH --hint=nomultithread        # hyper-threads are not cores
#SBATCH --exclusive                 # neighbours would be measured too
#SBATCH --time=01:00:00
#SBATCH --signal=B:TERM@120         # two minutes before the end: keep what was measured
#SBATCH --output=compare-%j.log
set -eu

if [ $# -eq 0 ]; then
    echo "usage: sbatch $0 CONFIG [OPTION...]" >&2
    exit 2
fi

if [ -z "${SLURM_NTASKS:-}" ] || [ -z "${SLURM_JOB_ID:-}" ]; then
    echo "$0: there is no allocation with a number of tasks here; submit it with: sbatch $0 CONFIG [OPTION...]" >&2
    exit 2
fi

# Slurm runs a copy of this script, so paths count from the folder in which sbatch was called.
fullrank=.venv/bin/fullrank
[ -x "$fullrank" ] || fullrank=fullrank

# 1, 2, 4, ... and all ranks of the allocation.
counts=1
n=2
while [ "$n" -lt "$SLURM_NTASKS" ]; do
    counts=$counts,$n
    n=$((2 * n))
done
counts=$counts,$SLURM_NTASKS

# One process of fullrank on the first node starts every measurement, with the mpiexec of its MPI library or, where there
# is none, with srun. Its budget leaves room for start-up before the time limit. It replaces this shell, so that Slurm's
# signal reaches it. The folder of the output has to be one that all nodes see.
exec "$fullrank" compare -n "$counts" --budget 50m -o "compare-$SLURM_JOB_ID.h5" "$@"
