#!/bin/sh
# Which way of using the cores of this machine pays, for one study:
#
#     jobs/compare-laptop.sh configs/lyapunov.toml
#
# About five minutes (--budget 15m for narrower intervals), on a machine that does nothing else. Leaves the table, the
# raw values and, where matplotlib is installed, the figure in results/. Ctrl-C keeps what was measured.
# More options follow the study: `-n 1,2,4`, `--backends processes,mpi`.
set -eu

if [ $# -eq 0 ]; then
    echo "usage: $0 CONFIG [OPTION...]" >&2
    exit 2
fi

# The environment that `make install` makes beside this folder, else the fullrank on the PATH.
bin=$(dirname "$0")/../.venv/bin
fullrank=$bin/fullrank python=$bin/python
[ -x "$fullrank" ] || { fullrank=fullrank python=python3; }

name=results/$(basename "$1" .toml).compare
mkdir -p results

# Stopped early, it exits with 75 and has kept what it measured: that is worth a report too.
status=0
"$fullrank" compare "$@" -o "$name.h5" || status=$?
[ "$status" -eq 0 ] || [ "$status" -eq 75 ] || exit "$status"

# The report is made from the raw values alone, whenever it is asked for.
"$fullrank" report "$name.h5" >"$name.txt"
if "$python" -c 'import matplotlib' 2>/dev/null; then
    "$fullrank" report "$name.h5" --plot "$name.png" >/dev/null || echo "$0: the figure could not be drawn" >&2
fi
echo "Table: $name.txt; raw values: $name.h5"
exit "$status"
