#!/bin/sh
# What the checks of real accounts share: pods on a virtual node, looked at by kubectl and by the cloud's own program, which have to
# say the same. Who sources it defines cloud_name POD, cloud_state ID, cloud_address ID, cloud_exit ID CONTAINER, cloud_log ID CONTAINER,
# cloud_is_gone ID.
set -eu

namespace="${NAMESPACE:-vk-check-$$}"
image="${IMAGE:?IMAGE: name an image with /bin/sh and sleep that the cloud can pull}"
patience="${PATIENCE:-600}"
# Seconds between two looks.
every="${EVERY:-5}"
faults=0

say() { printf '%-6s %s\n' "$1" "$2"; }
same() { # what wanted found
  if [ "$2" = "$3" ]; then say ok "$1: $3"; else say FAULT "$1: '$3', not '$2'" && faults=$((faults + 1)); fi
}
k() { kubectl --namespace "$namespace" "$@"; }
field() { k get pod "$1" --output "jsonpath=$2" 2>/dev/null || true; }

until_same() { # what wanted command...
  what="$1" wanted="$2" since=$(date +%s)
  shift 2
  while found=$("$@" 2>/dev/null || true); [ "$found" != "$wanted" ]; do
    if [ $(($(date +%s) - since)) -ge "$patience" ]; then
      say FAULT "$what: '$found' after $patience s, not '$wanted'"
      faults=$((faults + 1))
      return 0
    fi
    sleep "$every"
  done
  say ok "$what: $wanted after $(($(date +%s) - since)) s"
}

pod() { # name restartPolicy script
  k apply --filename - >/dev/null <<EOF
apiVersion: v1
kind: Pod
metadata: {name: $1}
spec:
  nodeName: $node
  restartPolicy: $2
  terminationGracePeriodSeconds: 10
  automountServiceAccountToken: false
  tolerations: [{operator: Exists}]
  containers:
    - name: main
      image: $image
      command: [/bin/sh, -c, "$3"]
      resources: {requests: {cpu: 250m, memory: 512Mi}, limits: {cpu: 250m, memory: 512Mi}}
EOF
}

finish() {
  k delete pods --all --wait=false >/dev/null 2>&1 || true
  [ -n "${NAMESPACE:-}" ] || kubectl delete namespace "$namespace" --wait=false >/dev/null 2>&1 || true
}

check_pods() {
  node="$1"
  same "node $node is ready" True \
    "$(kubectl get node "$node" --output 'jsonpath={.status.conditions[?(@.type=="Ready")].status}')"
  [ -n "${NAMESPACE:-}" ] || kubectl create namespace "$namespace" >/dev/null
  trap finish EXIT

  pod web Always "trap 'exit 0' TERM; echo the first line; sleep 3600 & wait"
  until_same "pod web" Running field web '{.status.phase}'
  id=$(cloud_name web)
  say ok "the cloud calls it $id"
  same "its state at the cloud" Running "$(cloud_state "$id")"
  same "its address, there and in the pod's status" "$(cloud_address "$id")" "$(field web '{.status.podIP}')"
  until_same "its log" "the first line" k logs web
  same "its log at the cloud" "the first line" "$(cloud_log "$id" main)"
  same "a command" hello "$(k exec web -- echo hello || true)"
  code=0
  k exec web -- sh -c 'exit 7' >/dev/null 2>&1 || code=$?
  same "the exit code of a command" 7 "$code"
  same "input of a command" typed "$(printf typed | k exec -i web -- cat || true)"

  pod job Never "echo works; exit 3"
  until_same "pod job" Failed field job '{.status.phase}'
  job=$(cloud_name job)
  same "its exit code" 3 "$(field job '{.status.containerStatuses[0].state.terminated.exitCode}')"
  same "its exit code at the cloud" 3 "$(cloud_exit "$job" main)"
  until_same "its log" works k logs job

  events=$(k get events --output 'jsonpath={range .items[*]}{.involvedObject.name}{" "}{.reason}{"\n"}{end}' | sort -u | tr '\n' ',')
  say ok "events: $events"
  if k top pod web >/dev/null 2>&1; then say ok "figures are there"; else say note "no figures yet: kubectl top pod"; fi

  k delete pods web job --wait=false >/dev/null
  until_same "pods that are left" "" k get pods --output name
  until_same "web is gone at the cloud" gone cloud_is_gone "$id"
  until_same "job is gone at the cloud" gone cloud_is_gone "$job"
  if [ "$faults" -gt 0 ]; then say FAULT "$faults in all" && exit 1; fi
  say ok "all of it"
}
