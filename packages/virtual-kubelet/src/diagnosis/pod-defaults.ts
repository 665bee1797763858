// What the API server fills into a pod, as far as its plan depends on it: requests of those that have limits alone, QoS class,
// who has it and when. Pure.

import type { Stored } from "../kube/resource.ts";
import type { Container, Pod, PodSpec } from "../kube/types.gen.ts";
import { quantities } from "../status/pod-resources.ts";

export function withDefaults(pod: Pod): Stored<Pod> {
  const { metadata } = pod;
  const spec: PodSpec = pod.spec ?? { containers: [] };
  const filled: PodSpec = {
    ...spec,
    restartPolicy: spec.restartPolicy ?? "Always",
    terminationGracePeriodSeconds: spec.terminationGracePeriodSeconds ?? 30,
    dnsPolicy: spec.dnsPolicy ?? "ClusterFirst",
    serviceAccountName: spec.serviceAccountName ?? "default",
    containers: spec.containers.map(withRequests),
    ...(spec.initContainers === undefined ? {} : { initContainers: spec.initContainers.map(withRequests) }),
  };
  return {
    ...pod,
    metadata: {
      ...metadata,
      name: metadata?.name ?? "",
      namespace: metadata?.namespace ?? "default",
      uid: "00000000-0000-0000-0000-000000000000",
      resourceVersion: "0",
    },
    spec: filled,
    status: { ...pod.status, qosClass: qosClass(filled) },
  };
}

function withRequests<C extends Container>(container: C): C {
  const { resources } = container;
  if (resources?.limits === undefined) return container;
  return { ...container, resources: { ...resources, requests: { ...resources.limits, ...resources.requests } } };
}

/** By cpu and memory of all containers, or those of the pod where it has any. */
export function qosClass(spec: PodSpec): "Guaranteed" | "Burstable" | "BestEffort" {
  const all = [...(spec.initContainers ?? []), ...spec.containers].map(({ resources }) => resources ?? {});
  const own = spec.resources;
  const counted = own?.requests === undefined && own?.limits === undefined ? all : [own];
  const names = ["cpu", "memory"] as const;
  const amount = (list: Readonly<Record<string, string>> | undefined, name: string): bigint =>
    quantities(list).get(name) ?? 0n;
  if (counted.every(({ requests, limits }) => names.every((n) => amount(requests, n) + amount(limits, n) === 0n)))
    return "BestEffort";
  const guaranteed = counted.every(({ requests, limits }) =>
    names.every((name) => amount(limits, name) > 0n && amount(requests ?? limits, name) === amount(limits, name)),
  );
  return guaranteed ? "Guaranteed" : "Burstable";
}
