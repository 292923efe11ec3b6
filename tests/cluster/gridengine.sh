#!/usr/bin/env bash
# Grid Engine on the hosts of hosts.sh, for as long as a command runs:
#
#     tests/cluster/hosts.sh FOLDER tests/cluster/gridengine.sh COMMAND...
#
# One queue, and the parallel environment "mpi", which shares ranks out over the hosts in turn.
set -euo pipefail

folder=$CLUSTER_FOLDER
read -ra hosts <<<"$CLUSTER_HOSTS"

# Debian's package has the paths built in, and made a cell there: a copy of it is seen here alone.
cp -a /var/lib/gridengine/default "$folder/cell"
cp -a /var/spool/gridengine "$folder/spool"
rm -rf "$folder/spool/execd/"*
mount --bind "$folder/cell" /var/lib/gridengine/default
mount --bind "$folder/spool" /var/spool/gridengine
mkdir -p /run/gridengine
mount -t tmpfs tmpfs /run/gridengine
chown sgeadmin:sgeadmin /run/gridengine
uname -n >/var/lib/gridengine/default/common/act_qmaster
export SGE_ROOT=/var/lib/gridengine SGE_CELL=default

# changed WHAT SED...: give what qconf shows of WHAT back to it, changed
changed() {
    qconf "-s$1" | sed "${@:2}" >"$folder/${1}"
    qconf "-M$1" "$folder/${1}"
}

configure() {
    # jobs of root; news of loads soon
    mkdir "$folder/conf"
    qconf -sconf global | sed -e 's/^min_uid .*/min_uid 0/' -e 's/^min_gid .*/min_gid 0/' \
        -e 's/^load_report_time .*/load_report_time 00:00:02/' >"$folder/conf/global"
    qconf -Mconf "$folder/conf/global"
    changed sconf -e 's/^schedule_interval .*/schedule_interval 0:0:1/' \
        -e 's/^flush_submit_sec .*/flush_submit_sec 1/' -e 's/^flush_finish_sec .*/flush_finish_sec 1/'
    qconf -as "$(uname -n)"
    for host in "${hosts[@]}"; do
        qconf -ah "$host"
        qconf -as "$host" # a job submits itself again from there
    done
    printf 'group_name @allhosts\nhostlist %s\n' "$CLUSTER_HOSTS" >"$folder/group"
    qconf -Ahgrp "$folder/group"
    cat >"$folder/environment-mpi" <<'CONFIG'
pe_name            mpi
slots              999
user_lists         NONE
xuser_lists        NONE
start_proc_args    NONE
stop_proc_args     NONE
allocation_rule    $round_robin
control_slaves     TRUE
job_is_first_task  FALSE
urgency_slots      min
accounting_summary FALSE
qsort_args         NONE
CONFIG
    qconf -Ap "$folder/environment-mpi"
    queue >"$folder/queue"
    qconf -Aq "$folder/queue"
}

queue() {
    local tmpdirs=() # one each: a job's folder is removed where the job has ended on one host
    for host in "${hosts[@]}"; do
        mkdir -p "$folder/tmp/$host"
        tmpdirs+=("$host=$folder/tmp/$host")
    done
    cat <<CONFIG
qname                 all.q
hostlist              @allhosts
seq_no                0
load_thresholds       NONE
suspend_thresholds    NONE
nsuspend              1
suspend_interval      00:05:00
priority              0
min_cpu_interval      00:05:00
processors            UNDEFINED
qtype                 BATCH INTERACTIVE
ckpt_list             NONE
pe_list               mpi
rerun                 FALSE
slots                 $CLUSTER_CORES
tmpdir                $folder/tmp$(printf ',[%s]' "${tmpdirs[@]}")
shell                 /bin/bash
shell_start_mode      unix_behavior
notify                00:00:10
initial_state         default
CONFIG
    local none="prolog epilog starter_method suspend_method resume_method terminate_method owner_list user_lists
        xuser_lists subordinate_list complex_values projects xprojects calendar"
    for name in $none; do echo "$name NONE"; done
    for name in rt cpu fsize data stack core rss vmem; do printf 's_%s INFINITY\nh_%s INFINITY\n' $name $name; done
}

SGE_MASTER_PIDFILE=/run/gridengine/qmaster.pid sge_qmaster
for _ in $(seq 100); do
    ! qconf -sh >/dev/null 2>&1 || break
    sleep 0.1
done
configure >"$folder/log/qconf.log" 2>&1 || { cat "$folder/log/qconf.log" >&2 && exit 99; }
for host in "${hosts[@]}"; do
    SGE_EXECD_PIDFILE=/run/gridengine/execd-$host.pid "$folder/on" "$host" sge_execd
done
n_ready() { qstat -f | grep -E '^all\.q@' | grep -cvE -- '-NA-| au *$' || :; }
for _ in $(seq 300); do
    [ "$(n_ready)" -lt "${#hosts[@]}" ] || break
    sleep 0.1
done
if [ "$(n_ready)" -lt "${#hosts[@]}" ]; then
    echo "gridengine.sh: the hosts are not ready after 30 s:" >&2
    qstat -f >&2
    exit 99
fi
"$@"
