// The cluster a pod runs in: the address from its environment, the rest from its service account's files.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { ClusterConfig } from "./cluster-config.ts";

const mounted = "/var/run/secrets/kubernetes.io/serviceaccount";

/** Undefined outside of a cluster. `directory` is where the service account is mounted. */
export async function inClusterConfig(
  env: NodeJS.ProcessEnv,
  directory: string = mounted,
): Promise<ClusterConfig | undefined> {
  const host = env["KUBERNETES_SERVICE_HOST"];
  const port = env["KUBERNETES_SERVICE_PORT"];
  if (host === undefined || host === "" || port === undefined || port === "") return undefined;
  const namespace = await readFile(join(directory, "namespace"), "utf8").catch(() => "");
  return {
    server: `https://${host.includes(":") ? `[${host}]` : host}:${port}`,
    certificateAuthority: { file: join(directory, "ca.crt") },
    namespace: namespace.trim() === "" ? "default" : namespace.trim(),
    user: { tokenFile: join(directory, "token") },
  };
}
