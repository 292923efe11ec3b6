#!/bin/bash -l
# The study configs/mandelbrot.toml on all that a job of Grid Engine is given.
# It goes on where an earlier job stopped. From the folder that the study's path starts in:
#
#     qsub FILE
#
#$ -N mandelbrot
#$ -S /bin/bash
#$ -cwd
# A job that starts again goes on with its log.
#$ -j y
#$ -o mandelbrot-$JOB_ID.log
# It may start again when a node was lost.
#$ -r y
# What the job asks for: edit this for your site.
#$ -l h_rt=01:00:00
#$ -pe mpi 32
set -eu

# One thread a rank: the ranks fill the cores.
export OMP_NUM_THREADS=1

# The ranks run beside this shell, which waits for them and passes on what it hears; in the foreground they would hear
# nothing. As USR1, for Open MPI's mpiexec makes a kill of TERM.
ranks='' heard='' ended=''
trap 'heard=1; kill -USR1 "$ranks" || :' USR1
trap 'heard=1; ended=1; kill -USR1 "$ranks" || :' INT TERM
.venv/bin/mpiexec -n "$NSLOTS" --bind-to core .venv/bin/fullrank run configs/mandelbrot.toml --stop-after 3420s &
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

# Stopped before all items were done, and not by a user: the same job anew. Leaving with 99 would start this one again,
# but not before all its hosts have cleaned up after it, for which Grid Engine may wait for ever.
restarts=${FULLRANK_RESTARTS:-0}
if [ "$status" -eq 75 ] && [ -z "$ended" ] && [ "$restarts" -lt 20 ]; then
    PATH=$PATH:${SGE_O_PATH:-} qsub -v FULLRANK_RESTARTS=$((restarts + 1)) "$JOB_SCRIPT" ||
        echo "submit it again, and it goes on"
fi
set +eu # a ~/.bash_logout, which a login shell reads when it leaves, may fail
exit "$status"
