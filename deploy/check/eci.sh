#!/bin/sh
# Is a virtual node right on a real account of Alibaba Cloud? Makes two small pods on it, compares what kubectl says of them with what
# `aliyun` says, and removes them. Costs some cents. Needs kubectl, aliyun (configured), and sh. REGION: as configured.
# Usage: IMAGE=registry.example.com/busybox:1 REGION=cn-hangzhou deploy/check/eci.sh NODE
set -eu
[ $# -eq 1 ] || { sed -n '2,4s/^# //p' "$0" >&2 && exit 2; }
# shellcheck source-path=SCRIPTDIR source=pods.sh
. "$(dirname "$0")/pods.sh"
region="${REGION:?REGION: name the region of the configuration}"

group() { # id query
  aliyun eci DescribeContainerGroups --RegionId "$region" --ContainerGroupIds "[\"$1\"]" \
    --cli-query "ContainerGroups[0].$2" | sed 's/^"\(.*\)"$/\1/'
}
cloud_name() { field "$1" '{.metadata.annotations.backend\.virtual-kubelet\.io/resource-id}'; }
cloud_state() { group "$1" Status; }
cloud_address() { group "$1" IntranetIp; }
cloud_exit() { group "$1" 'Containers[0].CurrentState.ExitCode'; }
cloud_log() { # id container
  aliyun eci DescribeContainerLog --RegionId "$region" --ContainerGroupId "$1" --ContainerName "$2" --cli-query Content |
    sed 's/^"\(.*\)"$/\1/; s/\\n$//'
}
cloud_is_gone() { group "$1" Status | sed 's/^\(null\|\)$/gone/'; }

check_pods "$1"
