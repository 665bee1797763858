// What a new node is given to get credentials of its own: a kubeconfig with a bootstrap token.
import { randomBytes } from "node:crypto";
import { secrets } from "../packages/virtual-kubelet/src/kube/resource.ts";
import type { Harness } from "./harness.ts";

/** Makes a token and writes a kubeconfig with it; answers its path. */
export async function bootstrapKubeconfig(harness: Harness): Promise<string> {
  const id = randomBytes(3).toString("hex");
  const secret = randomBytes(8).toString("hex");
  await harness.client.create(secrets, {
    metadata: { name: `bootstrap-token-${id}`, namespace: "kube-system" },
    type: "bootstrap.kubernetes.io/token",
    stringData: { "token-id": id, "token-secret": secret, "usage-bootstrap-authentication": "true" },
  });
  const { server, caFile } = harness.cluster;
  const config = {
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name: "c", cluster: { server, "certificate-authority": caFile } }],
    users: [{ name: "u", user: { token: `${id}.${secret}` } }],
    contexts: [{ name: "c", context: { cluster: "c", user: "u" } }],
    "current-context": "c",
  };
  return harness.writeFile("bootstrap.kubeconfig", JSON.stringify(config));
}
