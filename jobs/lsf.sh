#!/bin/bash -l
# The study configs/mandelbrot.toml on all that a job of LSF is given.
# These lines are checked against documentation only.
# It goes on where an earlier job stopped. From the folder that the study's path starts in:
#
#     bsub < FILE
#
#BSUB -J mandelbrot
# A job that starts again goes on with its log.
#BSUB -o mandelbrot-%J.log
# It may start again when a node was lost, and does if it leaves with 75.
#BSUB -r
#BSUB -Q "75"
# What the job asks for: edit this for your site.
#BSUB -W 1:00
#BSUB -n 32
#BSUB -R span[ptile=16]
set -eu

# LSF itself would keep what is printed until the end.
log=mandelbrot-$LSB_JOBID.log
exec >>"$log" 2>&1
echo "fullrank: start on $(uname -n) at $(date -u +%Y-%m-%dT%H:%M:%SZ)"

# One thread a rank: the ranks fill the cores.
export OMP_NUM_THREADS=1

# The ranks run beside this shell, which waits for them and passes on what it hears; in the foreground they would hear
# nothing. As USR1, for Open MPI's mpiexec makes a kill of TERM.
ranks='' heard='' ended=''
trap 'heard=1; kill -USR1 "$ranks" || :' USR1
trap 'heard=1; ended=1; kill -USR1 "$ranks" || :' INT TERM
.venv/bin/mpiexec --hostfile "$LSB_DJOB_HOSTFILE" -n "$LSB_DJOB_NUMPROC" --bind-to core .venv/bin/fullrank run configs/mandelbrot.toml --stop-after 3420s &
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

# Stopped before all items were done: 75 brings it back to the queue, unless a user has ended it.
if [ "$status" -eq 75 ] && { [ -n "$ended" ] || [ "$(grep -c '^fullrank: start on ' "$log")" -gt 20 ]; }; then
    status=1
fi
set +eu # a ~/.bash_logout, which a login shell reads when it leaves, may fail
exit "$status"
