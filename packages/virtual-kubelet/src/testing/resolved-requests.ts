// Pods of a file as the core hands them to a provider: with what they refer to, from the same file.
import { fileSources } from "../diagnosis/file-sources.ts";
import { withDefaults } from "../diagnosis/pod-defaults.ts";
import { readDocuments } from "../diagnosis/pod-documents.ts";
import type { Pod } from "../kube/types.gen.ts";
import type { PodRequest } from "../provider/pods.ts";
import { resolvePod } from "../resolve/resolve-pod.ts";

export interface RequestsFor {
  readonly node: string;
  readonly cluster: string;
  readonly clusterDNS?: readonly string[] | undefined;
}

export interface RequestedPod {
  readonly name: string;
  /** Default: made of the name. */
  readonly uid?: string | undefined;
  readonly annotations?: Readonly<Record<string, string>> | undefined;
  readonly spec: NonNullable<Pod["spec"]>;
}

/** Of one pod, which may refer to what stands in these YAML documents. Throws where it cannot be resolved. */
export function resolvedRequest(
  { name, uid = `uid-${name}`, annotations, spec }: RequestedPod,
  yaml: string,
  identity: RequestsFor,
): PodRequest {
  const pod = { kind: "Pod", metadata: { name, ...(annotations && { annotations }) }, spec };
  const [request] = resolvedRequests(`${JSON.stringify(pod)}\n---\n${yaml}`, identity);
  if (request === undefined) throw new Error(`no pod ${name}`);
  return { ...request, owner: { ...request.owner, uid } };
}

/** Of all pods in these YAML documents. Throws where one cannot be resolved. */
export function resolvedRequests(yaml: string, { node, cluster, clusterDNS = [] }: RequestsFor): readonly PodRequest[] {
  const documents = readDocuments(yaml, "the file");
  if (documents.faults.length > 0) throw new Error(documents.faults.join("; "));
  const metadata = { name: node, uid: "node", resourceVersion: "1" };
  const status = { allocatable: { cpu: "8", memory: "16Gi" } };
  return documents.pods.map(({ pod: given }) => {
    const filled = withDefaults(given);
    const pod = { ...filled, spec: { containers: [], ...filled.spec, nodeName: node } };
    const sources = fileSources(documents, { metadata, status });
    const resolution = resolvePod(pod, sources, { clusterDomain: "cluster.local", clusterDNS });
    if (resolution.type !== "ready") throw new Error(`${pod.metadata.name}: ${JSON.stringify(resolution)}`);
    const { name, namespace = "", uid } = pod.metadata;
    return { owner: { cluster, node, namespace, name, uid }, pod, revision: "r1", resolved: resolution.resolved };
  });
}
