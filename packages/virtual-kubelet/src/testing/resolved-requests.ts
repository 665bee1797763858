// Pods of a file as the core hands them to a provider: with what they refer to, from the same file.
import { fileSources } from "../diagnosis/file-sources.ts";
import { withDefaults } from "../diagnosis/pod-defaults.ts";
import { readDocuments } from "../diagnosis/pod-documents.ts";
import type { PodRequest } from "../provider/pods.ts";
import { resolvePod } from "../resolve/resolve-pod.ts";

/** Of all pods in these YAML documents. Throws where one cannot be resolved. */
export function resolvedRequests(
  yaml: string,
  {
    node,
    cluster,
    clusterDNS = [],
  }: { readonly node: string; readonly cluster: string; readonly clusterDNS?: readonly string[] },
): readonly PodRequest[] {
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
