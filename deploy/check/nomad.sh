#!/bin/sh
# Is a virtual node right on a real fleet of HashiCorp Nomad? Makes two small pods on it, compares what kubectl says of them with what
# `nomad` says, and removes them. Needs kubectl, nomad (with NOMAD_ADDR, NOMAD_TOKEN, NOMAD_NAMESPACE and so on), and sh.
# Usage: IMAGE=registry.example.com/busybox:1 deploy/check/nomad.sh NODE
set -eu
[ $# -eq 1 ] || { sed -n '2,4s/^# //p' "$0" >&2 && exit 2; }
# shellcheck source-path=SCRIPTDIR source=pods.sh
. "$(dirname "$0")/pods.sh"

allocation() { # job template
  nomad alloc status -t "$2" "$(nomad job allocs -t '{{(index . 0).ID}}' "$1")"
}
cloud_name() { field "$1" '{.metadata.annotations.backend\.virtual-kubelet\.io/nomad-job}'; }
# Kubernetes writes it otherwise.
cloud_state() { allocation "$1" '{{.ClientStatus}}' | sed 's/^running$/Running/'; }
# Without a network of its own a pod has its client's.
cloud_address() {
  own=$(allocation "$1" '{{with .NetworkStatus}}{{.Address}}{{end}}')
  echo "${own:-$(allocation "$1" '{{(index .AllocatedResources.Shared.Networks 0).IP}}')}"
}
cloud_exit() { # job container
  allocation "$1" '{{range .TaskStates.'"$2"'.Events}}{{if eq .Type "Terminated"}}{{.Details.exit_code}}{{end}}{{end}}'
}
cloud_log() { nomad alloc logs "$(nomad job allocs -t '{{(index . 0).ID}}' "$1")" "$2" | head -n 1; }
cloud_is_gone() {
  if found=$(nomad job status -t '{{.Status}}' "$1" 2>&1); then echo "$found"; else
    case "$found" in *"No job"*) echo gone ;; *) echo "$found" ;; esac
  fi
}

check_pods "$1"
