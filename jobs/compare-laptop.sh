#!/bin/sh
# Which way of using the cores of this machine pays, for one study:
#
#     jobs/compare-laptop.sh configs/lyapunov.toml
#
# About five minutes (--budget 15m for narrower intervals), on a machine that does nothing else. Leaves in results/, for
# a study lyapunov.toml: lyapunov.compare.h5 with all raw values, .txt with the report and, where matplotlib is installed,
# .png with the figure. An earlier .h5 is moved aside, the others are replaced. Ctrl-C keeps what was measured.
# More options follow the study: `-n 1,2,4`, `--backends processes,mpi`.
set -eu

case ${1:-} in
'' | -*)
    echo "usage: $0 CONFIG [OPTION...]" >&2
    exit 2
    ;;
esac

# The environment that `make install` makes beside this folder, else the fullrank on the PATH.
bin=$(dirname "$0")/../.venv/bin
fullrank=$bin/fullrank python=$bin/python
[ -x "$fullrank" ] || { fullrank=fullrank python=python3; }

name=results/$(basename "$1" .toml).compare
mkdir -p results

# Stopped early, it exits with 75 and has kept what it measured: that is worth a report too. If there was nothing to
# keep, a file that is there is an earlier comparison's.
before=$(ls -i "$name.h5" 2>/dev/null) || before=
status=0
"$fullrank" compare "$@" -o "$name.h5" || status=$?
[ "$status" -eq 0 ] || [ "$status" -eq 75 ] || exit "$status"
after=$(ls -i "$name.h5" 2>/dev/null) || after=
[ "$after" != "$before" ] || exit "$status"

# The report is made from the raw values alone, whenever it is asked for. No figure of an earlier comparison stays.
"$fullrank" report "$name.h5" >"$name.txt"
rm -f "$name.png"
if ! "$python" -c 'import matplotlib' 2>/dev/null; then
    figure="none, for matplotlib is not installed: pip install 'fullrank[plot]'"
elif "$fullrank" report "$name.h5" --plot "$name.png" >/dev/null; then
    figure=$name.png
else
    figure="it could not be drawn"
fi
printf 'Report: %s\nFigure: %s\n' "$name.txt" "$figure"
exit "$status"
