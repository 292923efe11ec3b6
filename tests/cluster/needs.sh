#!/usr/bin/env bash
# What the tests in this folder need of the machine: `needs.sh` says in one line what is missing, and fails;
# `needs.sh --packages` lists the packages, as Debian and Ubuntu call them, of the commands that are missing.
set -euo pipefail

# command:package
commands=(
    ip:iproute2 sshd:openssh-server ssh:openssh-client
    munged:munge slurmctld:slurmctld slurmd:slurmd sbatch:slurm-client
    sge_qmaster:gridengine-master sge_execd:gridengine-exec qsub:gridengine-client
)
PATH=$PATH:/usr/sbin:/sbin

packages=()
for pair in "${commands[@]}"; do
    command -v "${pair%:*}" >/dev/null || packages+=("${pair#*:}")
done
if [ "${1:-}" = --packages ]; then
    echo "${packages[*]}"
    exit
fi

missing=''
if ((${#packages[@]})); then
    missing="the packages ${packages[*]}"
elif ((EUID != 0)); then
    missing="root, to make hosts on this machine"
elif ! unshare --mount --net --uts --ipc --pid --fork --mount-proc ip link add bridge0 type bridge 2>/dev/null; then
    missing="the right to make namespaces and a bridge in them (in a container: --privileged)"
else
    exit 0
fi
echo "the tests on a cluster need what is missing here: $missing" >&2
exit 1
