// Pods of tests as the core would hand them over.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Pod, PodRequest } from "@virtual-kubelet/virtual-kubelet";
import { resolvedRequests } from "@virtual-kubelet/virtual-kubelet/testing";

/** Pods, and what they refer to. */
export const goldenFile: string = join(import.meta.dirname, "../testdata/pods.yaml");

const documents = readFileSync(goldenFile, "utf8");
const identity = { node: "fargate", cluster: "c1" };

/** Those of the golden file. */
export function goldenRequests(): readonly PodRequest[] {
  return resolvedRequests(documents, identity);
}

export interface TestPod {
  readonly name: string;
  readonly uid?: string | undefined;
  readonly annotations?: Readonly<Record<string, string>> | undefined;
  readonly spec: NonNullable<Pod["spec"]>;
}

/** A pod that may refer to what the golden file's may. */
export function podRequest({ name, uid = `uid-${name}`, annotations, spec }: TestPod): PodRequest {
  const pod = { kind: "Pod", metadata: { name, ...(annotations && { annotations }) }, spec };
  const [request] = resolvedRequests(`${JSON.stringify(pod)}\n---\n${documents}`, identity);
  if (request === undefined) throw new Error(`no pod ${name}`);
  return { ...request, owner: { ...request.owner, uid } };
}
