#!/bin/bash -l
# The study configs/mandelbrot.toml on all that a job of Slurm is given.
# It stops before its limit and goes on when it starts again. From the folder that the study's path starts in:
#
#     sbatch FILE
#
#SBATCH --job-name=mandelbrot
# A job that starts again goes on with its log.
#SBATCH --output=mandelbrot-%j.log
#SBATCH --open-mode=append
# It may start again, also when a node was lost.
#SBATCH --requeue
# Before the limit: let running items end, save, stop.
#SBATCH --signal=B:USR1@180
# One rank a core; hyper-threads are not cores.
#SBATCH --cpus-per-task=1
#SBATCH --hint=nomultithread
# What the job asks for: edit this for your site.
#SBATCH --time=01:00:00
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=16
set -eu

# mpiexec starts one helper a node with srun, which would bind it, and so all its ranks, to one core.
export SLURM_CPU_BIND=none SLURM_NTASKS_PER_NODE=1

# One thread a rank: the ranks fill the cores.
export OMP_NUM_THREADS=1

# The ranks run beside this shell, which waits for them and passes on what it hears; in the foreground they would hear
# nothing. As USR1, for Open MPI's mpiexec makes a kill of TERM.
ranks='' heard='' ended=''
trap 'heard=1; kill -USR1 "$ranks" || :' USR1
trap 'heard=1; ended=1; kill -USR1 "$ranks" || :' INT TERM
.venv/bin/mpiexec --bind-to core .venv/bin/fullrank run configs/mandelbrot.toml &
ranks=$!
while :; do
    heard='' status=0
    wait "$ranks" || status=$?
    [ -n "$heard" ] || break # what is heard ends the wait early
done

# After a death launchers leave with a signal's number, with 255, or (Open MPI's, where a node is lost) with 0: the
# files know how far the study is.
case $status in 0 | 9 | 11 | 15 | 13[0-9] | 14[0-3] | 255)
    status=0
    .venv/bin/fullrank status configs/mandelbrot.toml --exit-code || status=$?
    ;;
esac

# Stopped before all items were done, and not by a user: back to the queue.
if [ "$status" -eq 75 ] && [ -z "$ended" ] && [ "${SLURM_RESTART_COUNT:-0}" -lt 20 ]; then
    scontrol requeue "$SLURM_JOB_ID"
fi
set +eu # a ~/.bash_logout, which a login shell reads when it leaves, may fail
exit "$status"
