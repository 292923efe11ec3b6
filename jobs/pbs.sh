#!/bin/bash -l
# The study configs/mandelbrot.toml on all that a job of PBS is given.
# These lines are checked against documentation only.
# It goes on where an earlier job stopped. From the folder that the study's path starts in:
#
#     qsub FILE
#
#PBS -N mandelbrot
# What is said before the log is open.
#PBS -j oe
# It may start again when a node was lost.
#PBS -r y
# What the job asks for: edit this for your site.
#PBS -l walltime=01:00:00
#PBS -l select=2:ncpus=16:mpiprocs=16
set -eu

# PBS starts a job in the home folder. A job that starts again goes on with its log.
cd "$PBS_O_WORKDIR"
log=mandelbrot-${PBS_JOBID%%.*}.log
exec >>"$log" 2>&1
echo "fullrank: start on $(uname -n) at $(date -u +%Y-%m-%dT%H:%M:%SZ)"

# One thread a rank: the ranks fill the cores.
export OMP_NUM_THREADS=1

# The ranks run beside this shell, which waits for them and passes on what it hears; in the foreground they would hear
# nothing. As USR1, for Open MPI's mpiexec makes a kill of TERM.
ranks='' heard='' ended=''
trap 'heard=1; kill -USR1 "$ranks" || :' USR1
trap 'heard=1; ended=1; kill -USR1 "$ranks" || :' INT TERM
.venv/bin/mpiexec --hostfile "$PBS_NODEFILE" -n "$(wc -l <"$PBS_NODEFILE")" --bind-to core .venv/bin/fullrank run configs/mandelbrot.toml --stop-after 3420s &
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

# PBS lets no job put itself back to the queue.
if [ "$status" -eq 75 ] && [ -z "$ended" ]; then
    echo "stopped before all items were done; submit it again, and it goes on"
fi
set +eu # a ~/.bash_logout, which a login shell reads when it leaves, may fail
exit "$status"
