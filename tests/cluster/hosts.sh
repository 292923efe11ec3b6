#!/usr/bin/env bash
# Several hosts on this machine, for as long as a command runs:
#
#     tests/cluster/hosts.sh [-n HOSTS] [-c CORES] FOLDER COMMAND...
#
# COMMAND runs on the host "head"; n1 to nHOSTS (3) say that they have CORES (2) each. A host is a network of its own with a
# name and an sshd; disks and processes are common to all. COMMAND finds in its environment
#
#     CLUSTER_FOLDER     FOLDER, with logs, keys, `hostfile`, and `on` HOST COMMAND...
#     CLUSTER_HOSTS      their names
#     CLUSTER_CORES      of each
#     CLUSTER_SSH        a command that is used like ssh, and asks nothing
#
# Whatever was started here ends with COMMAND, whose exit status is this one's. Needs root; what else, needs.sh tells.
set -euo pipefail

n_hosts=3 n_cores=2
while getopts n:c: option; do
    case $option in
    n) n_hosts=$OPTARG ;;
    c) n_cores=$OPTARG ;;
    *) exit 2 ;;
    esac
done
shift $((OPTIND - 1))
(($# >= 2)) || { echo "usage: hosts.sh [-n HOSTS] [-c CORES] FOLDER COMMAND..." >&2 && exit 2; }
mkdir -p "$1"
folder=$(realpath "$1")

if [ -z "${CLUSTER_IS_APART:-}" ]; then
    # The first process of a pid namespace takes all others with it, and dies itself if unshare does.
    CLUSTER_IS_APART=1 exec unshare --mount --net --uts --ipc --pid --fork --mount-proc --kill-child \
        "$(realpath "$0")" -n "$n_hosts" -c "$n_cores" "$folder" "${@:2}"
fi
unset CLUSTER_IS_APART
shift

mkdir -p "$folder"/log /run/sshd /run/netns
mkdir -m 700 "$folder/ssh"
mount -t tmpfs tmpfs /run/netns # names of networks, which are the machine's otherwise
mount -t tmpfs tmpfs /dev/shm   # ranks that are killed leave files there

hosts=$(seq -s ' ' -f 'n%.0f' "$n_hosts")
address=10.77.0 # nobody else sees this network
{
    echo "127.0.0.1 localhost"
    echo "$address.1 head"
    for number in $(seq "$n_hosts"); do echo "$address.$((10 + number)) n$number"; done
} >"$folder/hosts"
mount --bind "$folder/hosts" /etc/hosts

hostname head
ip link set lo up
ip link add bridge0 type bridge
ip addr add "$address.1/24" dev bridge0
ip link set bridge0 up
for number in $(seq "$n_hosts"); do
    host=n$number
    ip netns add "$host"
    ip link add "to-$host" type veth peer name eth0 netns "$host"
    ip link set "to-$host" master bridge0 up
    ip -n "$host" link set lo up
    ip -n "$host" addr add "$address.$((10 + number))/24" dev eth0
    ip -n "$host" link set eth0 up
done

cat >"$folder/on" <<'ON'
#!/bin/sh
# on HOST COMMAND...
host=$1
shift
exec nsenter --net=/run/netns/"$host" unshare --uts sh -c 'hostname "$0" && exec "$@"' "$host" "$@"
ON

ssh-keygen -q -t ed25519 -N '' -f "$folder/ssh/host"
ssh-keygen -q -t ed25519 -N '' -f "$folder/ssh/user"
cp "$folder/ssh/user.pub" "$folder/ssh/authorized"
cat >"$folder/ssh/sshd_config" <<CONFIG
HostKey $folder/ssh/host
AuthorizedKeysFile $folder/ssh/authorized
PermitRootLogin prohibit-password
PasswordAuthentication no
UsePAM no
StrictModes no
PidFile none
CONFIG
cat >"$folder/ssh/ssh" <<SSH
#!/bin/sh
exec ssh -F none -i $folder/ssh/user -o BatchMode=yes -o LogLevel=ERROR -o StrictHostKeyChecking=no \\
    -o UserKnownHostsFile=/dev/null "\$@"
SSH
chmod +x "$folder/on" "$folder/ssh/ssh"
for host in $hosts; do
    "$folder/on" "$host" /usr/sbin/sshd -f "$folder/ssh/sshd_config" -E "$folder/log/sshd-$host.log"
    echo "$host:$n_cores"
done >"$folder/hostfile"

export CLUSTER_FOLDER=$folder CLUSTER_HOSTS=$hosts CLUSTER_CORES=$n_cores CLUSTER_SSH=$folder/ssh/ssh
status=0
"$@" || status=$? # no exec: the first process of the namespace has to be one that takes in orphans
exit "$status"
