// Checks of `doctor` on the kubelet API of the node: can the API server reach it, and is its certificate for its address.
import { errorText, isErrorKind, VirtualKubeletError } from "../errors.ts";
import { leases, nodes } from "../kube/resource.ts";
import type { Node } from "../kube/types.gen.ts";
import { leaseNamespace } from "../node/lease-controller.ts";
import { addressText } from "../program/address.ts";
import { isOurs } from "../program/foreign-nodes.ts";
import { certificateFinding, peerCertificate } from "./doctor-certificate.ts";
import { callMs, type Finding, fail, type NodeContext, ok, skip, warn } from "./doctor-check.ts";
import { advertised, futureCertificate, futureReach } from "./doctor-endpoint.ts";
import { isAlive } from "./doctor-node.ts";

const switchedOff: Finding = warn(
  "the kubelet API is switched off: no logs, exec, port-forward or metrics",
  "leave out --kubelet-api=false",
);

export async function checkReach(context: NodeContext): Promise<Finding> {
  const { client, config, node, registered } = context;
  if (!config.kubelet.serve) return switchedOff;
  if (!isAlive(context))
    return futureReach(config, node, context.ports, () => context.ports.holders(() => runningNodes(context)));
  const at = advertised(registered);
  if (at === undefined)
    return fail("the node announces no address or port", "--node-ip IP, an address that the API server can reach");
  const place = addressText(at.host, at.port);
  try {
    await client.getRaw(`/api/v1/nodes/${encodeURIComponent(node.name)}/proxy/configz`, { timeoutMs: callMs });
    return ok(`the API server reaches the kubelet API at ${place}`);
  } catch (error) {
    return reachFault(error, place, node.name);
  }
}

/** Those of ours that are alive, as far as these credentials may look. */
async function runningNodes({ client, now }: NodeContext): Promise<readonly Node[]> {
  try {
    const [known, renewed] = await Promise.all([
      client.list(nodes, { timeoutMs: callMs }),
      client.list(leases, { namespace: leaseNamespace, timeoutMs: callMs }),
    ]);
    const alive = new Set(
      renewed.items.filter((lease) => isAlive({ lease, now })).map(({ metadata }) => metadata.name),
    );
    return known.items.filter((node) => isOurs(node) && alive.has(node.metadata.name));
  } catch (error) {
    if (isErrorKind(error, "Forbidden")) return [];
    throw error;
  }
}

/** What an answer that is none says of the way from the API server to the node. */
export function reachFault(error: unknown, place: string, node: string): Finding {
  const text = errorText(error);
  const { kind } = VirtualKubeletError.from(error);
  // The API server's own words; a kubelet answers with "Forbidden (user=...".
  if (kind === "Forbidden" && /is forbidden: User "/.test(text))
    return skip(
      "these credentials may not ask the API server for it (nodes/proxy)",
      `as administrator: kubectl get --raw /api/v1/nodes/${node}/proxy/healthz`,
    );
  if (kind === "Forbidden" || kind === "Unauthorized")
    return fail(
      `the kubelet API at ${place} does not let the API server in: ${text}`,
      "the API server needs --kubelet-client-certificate of a user bound to ClusterRole system:kubelet-api-admin; see docs/kubelet-api.md",
    );
  if (/address (is )?not allowed/i.test(text))
    return fail(
      `the API server refuses addresses like ${place} for nodes/proxy (kubectl logs and exec work)`,
      "--node-ip IP, an address of this machine that is not of the loopback",
    );
  if (/x509|certificate/i.test(text))
    return fail(
      `the API server does not trust the certificate at ${place}: ${text}`,
      "--server-tls-bootstrap, or --tls-cert-file of an authority that the API server's --kubelet-certificate-authority has",
    );
  const ended = /connection refused|ECONNREFUSED/.test(text)
    ? "start the program, if it has ended just now; else "
    : "";
  return fail(
    `the API server does not reach the kubelet API at ${place}: ${text}`,
    `${ended}open that port from the control plane to this machine, or advertise another address: --node-ip IP --kubelet-port PORT`,
  );
}

export async function checkCertificate(context: NodeContext): Promise<Finding> {
  const { config, node, now } = context;
  if (!config.kubelet.serve) return skip("none is shown: the kubelet API is switched off");
  if (!isAlive(context)) return futureCertificate(config, node, now());
  const at = advertised(context.registered);
  if (at === undefined) return skip("the node announces no address that could be asked for it");
  try {
    return certificateFinding(await peerCertificate(at), at.host, now(), config.kubelet.serverTLSBootstrap);
  } catch (error) {
    const text = errorText(error);
    return skip(
      `${addressText(at.host, at.port)} cannot be reached from here: ${text}`,
      `${text.includes("ECONNREFUSED") ? "start the program, if it has ended just now; else " : ""}run doctor on the machine of the node`,
    );
  }
}
