#!/usr/bin/env bash
# Slurm on the hosts of hosts.sh, for as long as a command runs:
#
#     tests/cluster/hosts.sh FOLDER tests/cluster/slurm.sh COMMAND...
#
# It is as it comes, so a rank that is killed does not end its job step (KillOnBadExit=0); only what would make a test wait is quicker.
set -euo pipefail

folder=$CLUSTER_FOLDER
read -ra hosts <<<"$CLUSTER_HOSTS"
mkdir -p "$folder"/{pid,state,spool,tmp}

# Its socket has to be where everybody may go, which the folders of tests are not.
mkdir -p /run/munge
mount -t tmpfs -o mode=755 tmpfs /run/munge
(umask 077 && head -c 1024 /dev/urandom >/run/munge/key)
munged --key-file=/run/munge/key --socket=/run/munge/socket --pid-file=/run/munge/pid --seed-file=/run/munge/seed \
    --log-file="$folder/log/munged.log"

cat >"$folder/slurm.conf" <<CONFIG
ClusterName=throwaway
SlurmctldHost=head(10.77.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=/run/munge/socket
CryptoType=crypto/munge
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool/%n
TmpFS=$folder/tmp/%n
SlurmctldPidFile=$folder/pid/slurmctld
SlurmdPidFile=$folder/pid/slurmd-%n
SlurmctldLogFile=$folder/log/slurmctld.log
SlurmdLogFile=$folder/log/slurmd-%n.log
MailProg=/bin/true

# Control groups would be the machine's.
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none

SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
MpiDefault=none
KillOnBadExit=0
JobRequeue=1

# Quick to begin, and slow to forget what jobs came to.
SchedulerParameters=batch_sched_delay=1,sched_min_interval=0,bf_interval=2
MinJobAge=3600

# From TERM to KILL, for what does not hear the first: helpers of mpiexec on the hosts that a job has left.
KillWait=3

# The cores that hosts are said to have are more than there are.
SlurmdParameters=config_overrides
ReturnToService=2
NodeName=n[1-${#hosts[@]}] NodeAddr=10.77.0.[11-$((10 + ${#hosts[@]}))] CPUs=$CLUSTER_CORES RealMemory=8000 State=UNKNOWN
PartitionName=test Nodes=ALL Default=YES MaxTime=INFINITE State=UP
CONFIG
export SLURM_CONF=$folder/slurm.conf

slurmctld
for host in "${hosts[@]}"; do
    mkdir -p "$folder/spool/$host" "$folder/tmp/$host"
    "$folder/on" "$host" slurmd -N "$host"
done
n_idle() { sinfo --noheader --Node --states=idle --format=%N 2>/dev/null | wc -l; }
for _ in $(seq 150); do
    [ "$(n_idle)" -lt "${#hosts[@]}" ] || break
    sleep 0.1
done
if [ "$(n_idle)" -lt "${#hosts[@]}" ]; then
    echo "slurm.sh: the hosts are not ready after 15 s:" >&2
    tail -n 20 "$folder"/log/slurm*.log >&2
    exit 99
fi
"$@"
