// The check of `doctor` on certificates that are asked of the cluster: does anybody approve and sign them.
import { nodeClientProfile, type SigningProfile, servingProfile, signingState } from "../kube/certificate-signing.ts";
import { certificateSigningRequests } from "../kube/resource.ts";
import { type ClusterContext, callMs, type Finding, fail, type NodeContext, ok, skip, warn } from "./doctor-check.ts";

/** Of the certificate that the kubelet API shows. */
export async function checkApproval(context: NodeContext): Promise<Finding> {
  const { serve, serverTLSBootstrap } = context.config.kubelet;
  if (!serve || !serverTLSBootstrap)
    return ok("no certificate is asked of the cluster's signer (--server-tls-bootstrap is off)");
  return newestRequest(context, context.node.name, servingProfile);
}

/** Of the credentials of a node that has none yet. */
export function checkBootstrap(context: ClusterContext, node: string): Promise<Finding> {
  return newestRequest(context, node, nodeClientProfile);
}

/** So long an approver, or the signer, may take. */
const patienceSeconds = 15;

async function newestRequest(
  { client, now }: ClusterContext,
  node: string,
  { signerName, approver, byHand }: SigningProfile,
): Promise<Finding> {
  const fieldSelector = `spec.signerName=${signerName}`;
  const { items } = await client.list(certificateSigningRequests, { fieldSelector, timeoutMs: callMs });
  const last = items
    .filter(({ spec }) => isFor(spec.request, `system:node:${node}`))
    .sort((a, b) => (a.metadata.creationTimestamp ?? "").localeCompare(b.metadata.creationTimestamp ?? ""))
    .at(-1);
  if (last === undefined) return skip("nothing is asked of the cluster's signer yet", `start the node; ${approver}`);
  const { name, creationTimestamp } = last.metadata;
  const signing = signingState(last);
  const age = Math.round((now() - Date.parse(creationTimestamp ?? "")) / 1000);
  const late = age < patienceSeconds ? warn : fail;
  switch (signing.state) {
    case "issued":
      return ok(`the newest request ${name} was approved and signed`);
    case "approved":
      return late(
        `request ${name} is approved and not signed, ${age} s after it was made`,
        "kube-controller-manager needs --cluster-signing-cert-file and --cluster-signing-key-file",
      );
    case "pending":
      return late(
        `request ${name} waits for approval since ${age} s`,
        `kubectl certificate approve ${name}; ${byHand ? "install an approver for the next ones" : "kubectl apply -f deploy/bootstrap-rbac.yaml, by which kube-controller-manager approves the next ones"}`,
      );
    default:
      return fail(
        `request ${name} was ${signing.state}: ${signing.message}`,
        `kubectl describe csr ${name}; when that is mended: kubectl delete csr ${name}, and start the node again`,
      );
  }
}

/** Whether a request (PEM, in base64) has this common name: a whole string of its DER, by its length and text. */
function isFor(request: string, commonName: string): boolean {
  const pem = Buffer.from(request, "base64").toString("latin1");
  const der = Buffer.from(pem.replaceAll(/-----[^-]+-----|\s/g, ""), "base64");
  const text = Buffer.from(commonName);
  const length = text.length < 128 ? [text.length] : [0x81, text.length];
  return der.includes(Buffer.concat([Buffer.from(length), text]));
}
