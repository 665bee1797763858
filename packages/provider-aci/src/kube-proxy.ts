// The kubeconfig that the proxy of Services in each group is given: a file, or one made of this program's own ServiceAccount.
import { readFile } from "node:fs/promises";
import { errorText, VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import type { KubeProxyConfig } from "./config.ts";

const account = "/var/run/secrets/kubernetes.io/serviceaccount";

/** Read anew for each group: tokens of ServiceAccounts expire. Throws Unavailable where it cannot be read now. */
export async function proxyKubeconfig({ kubeconfigFile, masterURI }: KubeProxyConfig): Promise<string> {
  try {
    if (kubeconfigFile !== "") return await readFile(kubeconfigFile, "utf8");
    const [token, authority] = await Promise.all([
      readFile(`${account}/token`, "utf8"),
      readFile(`${account}/ca.crt`, "utf8"),
    ]);
    return ownKubeconfig(masterURI, token.trim(), authority);
  } catch (cause) {
    throw new VirtualKubeletError(
      "Unavailable",
      `network.kubeProxy: cannot read its credentials: ${errorText(cause)}`,
      {
        cause,
      },
    );
  }
}

/** JSON is YAML. Pure. */
export function ownKubeconfig(masterURI: string, token: string, authority: string): string {
  const server = masterURI.includes("://") ? masterURI : `https://${masterURI}`;
  const name = "virtual-kubelet";
  return JSON.stringify({
    ...{ apiVersion: "v1", kind: "Config", "current-context": name },
    clusters: [{ name, cluster: { server, "certificate-authority-data": Buffer.from(authority).toString("base64") } }],
    contexts: [{ name, context: { cluster: name, user: name } }],
    users: [{ name, user: { token } }],
  });
}
