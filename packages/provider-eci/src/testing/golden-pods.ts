// Pods of tests as the core would hand them over.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { PodRequest } from "@virtual-kubelet/virtual-kubelet";
import { type RequestedPod, resolvedRequest, resolvedRequests } from "@virtual-kubelet/virtual-kubelet/testing";

/** Pods, and what they refer to. One of the files is larger than the cloud's volumes take. */
export const goldenDocuments: string = readFileSync(join(import.meta.dirname, "../testdata/pods.yaml"), "utf8").replace(
  '"LARGE"',
  JSON.stringify("0123456789abcdef".repeat(2_500)),
);

const identity = { node: "eci", cluster: "c1", clusterDNS: ["10.0.0.2"] };

/** Those of the golden file. */
export function goldenRequests(): readonly PodRequest[] {
  return resolvedRequests(goldenDocuments, identity);
}

/** A pod that may refer to what the golden file's may. */
export function podRequest(pod: RequestedPod): PodRequest {
  return resolvedRequest(pod, goldenDocuments, identity);
}
