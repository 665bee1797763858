// What metrics-server sees of the node, for `doctor`: is it there, has it figures, and if not, why.
import { errorText, isErrorKind, VirtualKubeletError } from "../errors.ts";
import type { KubeClient } from "../kube/client.ts";
import { subjectAccessReviews } from "../kube/resource.ts";
import { isObject } from "../kube/stored.ts";
import { peerCertificate } from "./doctor-certificate.ts";
import { callMs, type Finding, type NodeContext, ok, skip, warn } from "./doctor-check.ts";
import { advertised } from "./doctor-endpoint.ts";
import { isAlive } from "./doctor-node.ts";

/** Undefined: it is there. */
export async function metricsServerFault(client: KubeClient): Promise<Finding | undefined> {
  const service = "/apis/apiregistration.k8s.io/v1/apiservices/v1beta1.metrics.k8s.io";
  try {
    const conditions = conditionsOf(await client.getRaw(service, { timeoutMs: callMs }));
    const available = conditions.find(({ type }) => type === "Available");
    if (available?.["status"] === "True") return undefined;
    return warn(
      `metrics-server is not available: ${available?.["message"] ?? "no word of it"}`,
      "kubectl describe apiservice v1beta1.metrics.k8s.io; kubectl logs -n kube-system deployment/metrics-server",
    );
  } catch (error) {
    const { kind } = VirtualKubeletError.from(error);
    if (kind === "NotFound")
      return (await servesMetrics(client))
        ? undefined
        : warn(
            "metrics-server is not installed: no kubectl top, no HPA by cpu or memory",
            "install metrics-server: its project has a manifest and a chart",
          );
    // Who may not look at it may still read its figures.
    if (kind === "Forbidden") return undefined;
    throw error;
  }
}

/** Without an APIService it is the API server itself that does: development clusters. */
async function servesMetrics(client: KubeClient): Promise<boolean> {
  try {
    await client.getRaw("/apis/metrics.k8s.io/v1beta1", { timeoutMs: callMs });
    return true;
  } catch (error) {
    if (isErrorKind(error, "NotFound", "Forbidden")) return false;
    throw error;
  }
}

export async function checkMetrics(context: NodeContext): Promise<Finding> {
  const { client, config, node, description } = context;
  if (!config.kubelet.serve) return skip("it has nobody to ask: the kubelet API is switched off");
  if (description?.methods?.includes("getStatsSummary") === false)
    return warn(`the provider ${node.provider.name} reports no usage: kubectl top and HPA know nothing of its pods`);
  if (!isAlive(context))
    return skip("the node does not run", `start it (--nodename ${node.name}), and ask again after half a minute`);
  try {
    await client.getRaw(`/apis/metrics.k8s.io/v1beta1/nodes/${encodeURIComponent(node.name)}`, { timeoutMs: callMs });
    return ok("metrics-server has figures of the node");
  } catch (error) {
    const { kind } = VirtualKubeletError.from(error);
    const text = errorText(error);
    if (kind === "Forbidden")
      return skip("these credentials may not read metrics", `as administrator: kubectl top node ${node.name}`);
    if (/error trying to reach service/.test(text))
      return warn(
        `metrics-server does not answer: ${text}`,
        "see whether it runs: kubectl get pods -n kube-system -l k8s-app=metrics-server; kubectl logs -n kube-system deployment/metrics-server",
      );
    return kind === "NotFound" ? noFigures(context, text) : warn(`metrics-server has no figures of the node: ${text}`);
  }
}

async function noFigures(context: NodeContext, text: string): Promise<Finding> {
  const { client, node } = context;
  if (await mayNotRead(client, node.name))
    return warn(
      "metrics-server has no figures of the node: its ServiceAccount may not get nodes/metrics",
      `kubectl create clusterrole vk-metrics --verb=get --resource=nodes/metrics && kubectl create clusterrolebinding vk-metrics --clusterrole=vk-metrics --serviceaccount=${account.namespace}:${account.name}`,
    );
  const log = `kubectl logs -n kube-system deployment/metrics-server | grep ${node.name}`;
  if (await showsSelfSigned(context))
    return warn(
      "metrics-server has no figures of the node, whose certificate is self-signed",
      `--server-tls-bootstrap, and approve its request; or have metrics-server trust it: --kubelet-insecure-tls; see what it says: ${log}`,
    );
  return warn(
    `metrics-server has no figures of the node: ${text}`,
    `ask again in half a minute; it asks each 15 s, at the InternalIP, and has to reach it: ${log}`,
  );
}

/** Of its own manifest and chart. */
const account = { namespace: "kube-system", name: "metrics-server" };

/** False: it may, or that cannot be known. */
async function mayNotRead(client: KubeClient, node: string): Promise<boolean> {
  const { namespace, name } = account;
  try {
    await client.getRaw(`/api/v1/namespaces/${namespace}/serviceaccounts/${name}`, { timeoutMs: callMs });
    const { status } = await client.review(
      subjectAccessReviews,
      {
        spec: {
          user: `system:serviceaccount:${namespace}:${name}`,
          groups: ["system:serviceaccounts", `system:serviceaccounts:${namespace}`, "system:authenticated"],
          resourceAttributes: { verb: "get", resource: "nodes", subresource: "metrics", name: node },
        },
      },
      { timeoutMs: callMs },
    );
    return status?.allowed === false;
  } catch (error) {
    if (isErrorKind(error, "NotFound", "Forbidden")) return false;
    throw error;
  }
}

/** False also where it cannot be reached from here. */
async function showsSelfSigned({ registered }: NodeContext): Promise<boolean> {
  const at = advertised(registered);
  if (at === undefined) return false;
  try {
    return (await peerCertificate(at)).selfSigned;
  } catch {
    return false;
  }
}

function conditionsOf(service: unknown): readonly Record<string, unknown>[] {
  const status = isObject(service) ? service["status"] : undefined;
  const conditions = isObject(status) ? status["conditions"] : undefined;
  return Array.isArray(conditions) ? conditions.filter(isObject) : [];
}
