// Pods of tests as the core would hand them over.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { PodRequest } from "@virtual-kubelet/virtual-kubelet";
import { type RequestedPod, resolvedRequest, resolvedRequests } from "@virtual-kubelet/virtual-kubelet/testing";

/** Pods, and what they refer to. */
export const goldenFile: string = join(import.meta.dirname, "../testdata/pods.yaml");

const documents = readFileSync(goldenFile, "utf8");
const identity = { node: "fargate", cluster: "c1" };

/** Those of the golden file. */
export function goldenRequests(): readonly PodRequest[] {
  return resolvedRequests(documents, identity);
}

/** A pod that may refer to what the golden file's may. */
export function podRequest(pod: RequestedPod): PodRequest {
  return resolvedRequest(pod, documents, identity);
}
