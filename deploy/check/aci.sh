#!/bin/sh
# Is a virtual node right on a real subscription of Azure? Makes two small pods on it, compares what kubectl says of them with what `az`
# says, and removes them. Costs some cents. Needs kubectl, az (signed in), and sh.
# Usage: IMAGE=registry.example.com/busybox:1 deploy/check/aci.sh NODE
set -eu
[ $# -eq 1 ] || { sed -n '2,4s/^# //p' "$0" >&2 && exit 2; }
# shellcheck source-path=SCRIPTDIR source=pods.sh
. "$(dirname "$0")/pods.sh"

group() { # id query
  az rest --method get --url "$1?api-version=2023-05-01" --query "$2" --output tsv
}
cloud_name() { field "$1" '{.metadata.annotations.backend\.virtual-kubelet\.io/resource-id}'; }
cloud_state() { group "$1" 'properties.instanceView.state'; }
# Without a network of its own a pod has no address, and without ports none in a network.
cloud_address() { group "$1" 'properties.ipAddress.ip' | sed 's/^None$//'; }
cloud_exit() { group "$1" 'properties.containers[0].properties.instanceView.currentState.exitCode'; }
cloud_log() { # id container
  az rest --method get --url "$1/containers/$2/logs?api-version=2023-05-01" --query content --output tsv
}
cloud_is_gone() {
  if found=$(group "$1" id 2>&1); then echo "$found"; else case "$found" in *NotFound*) echo gone ;; *) echo "$found" ;; esac; fi
}

check_pods "$1"
