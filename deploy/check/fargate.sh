#!/bin/sh
# Is a virtual node right on a real account of AWS? Makes two small pods on it, compares what kubectl says of them with what `aws` says,
# and removes them. Costs some cents. Needs kubectl, aws (with credentials and a region), and sh. LOG_GROUP: as configured.
# Usage: IMAGE=registry.example.com/busybox:1 LOG_GROUP=/virtual-kubelet/pods deploy/check/fargate.sh NODE
set -eu
[ $# -eq 1 ] || { sed -n '2,4s/^# //p' "$0" >&2 && exit 2; }
# shellcheck source-path=SCRIPTDIR source=pods.sh
. "$(dirname "$0")/pods.sh"
log_group="${LOG_GROUP:?LOG_GROUP: name the log group, logs.group of the configuration}"

task() { # arn query
  cluster="${1#*:task/}"
  aws ecs describe-tasks --cluster "${cluster%%/*}" --tasks "$1" --query "tasks[0].$2" --output text
}
cloud_name() { field "$1" '{.metadata.annotations.backend\.virtual-kubelet\.io/task}'; }
# Kubernetes writes it otherwise.
cloud_state() { task "$1" lastStatus | sed 's/^RUNNING$/Running/'; }
cloud_address() { task "$1" 'containers[0].networkInterfaces[0].privateIpv4Address'; }
cloud_exit() { task "$1" 'containers[0].exitCode'; }
cloud_log() { # arn container
  aws logs get-log-events --log-group-name "$log_group" --log-stream-name "$namespace/$2/${1##*/}" --start-from-head \
    --query 'events[0].message' --output text
}
# ECS shows for an hour what has stopped.
cloud_is_gone() { task "$1" lastStatus | sed 's/^\(STOPPED\|None\)$/gone/'; }

check_pods "$1"
