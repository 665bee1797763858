// The kubeconfig of a node's own credentials: whether one that is there will do, and the one that bootstrap writes.
import { readFile } from "node:fs/promises";
import { errorText, isErrorKind, VirtualKubeletError } from "../errors.ts";
import { certificateFacts, pairFault } from "./certificate-pair.ts";
import { writeSecretFile } from "./certificate-store.ts";
import type { ClusterConfig, Material } from "./cluster-config.ts";
import { clusterConfigOf, loadKubeconfig } from "./kubeconfig.ts";

/** What a kubeconfig's client certificate is. */
export interface ClientCredentials {
  /** Path of the file that holds certificate and key both; undefined when they are in place, in two files, or none. */
  readonly file: string | undefined;
  /** Why it cannot be used; undefined when it can, or when other credentials than a certificate are used. */
  readonly fault: string | undefined;
  /** Of the certificate. */
  readonly commonName: string | undefined;
}

/** Undefined when there is no such file. Throws Invalid for a kubeconfig with faults. */
export async function clientCredentials(path: string, now: number): Promise<ClientCredentials | undefined> {
  try {
    await readFile(path);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "error";
    if (code === "ENOENT") return undefined;
    throw new VirtualKubeletError("Invalid", `kubeconfig ${path} cannot be read: ${code}`, { cause: error });
  }
  const { clientCertificate, clientKey } = (await clusterOf(path)).user;
  if (clientCertificate === undefined || clientKey === undefined)
    return { file: undefined, fault: undefined, commonName: undefined };
  const one = "file" in clientCertificate && "file" in clientKey && clientCertificate.file === clientKey.file;
  const file = one ? clientCertificate.file : undefined;
  try {
    const pair = { cert: await textOf(clientCertificate), key: await textOf(clientKey) };
    const fault = pairFault(pair);
    if (fault !== undefined) return { file, fault, commonName: undefined };
    const { notAfter, subject } = certificateFacts(pair.cert);
    const expired = notAfter <= now ? `its certificate expired at ${new Date(notAfter).toISOString()}` : undefined;
    return { file, fault: expired, commonName: subject.commonName };
  } catch (error) {
    if (isErrorKind(error, "Unavailable")) return { file, fault: errorText(error), commonName: undefined };
    throw error;
  }
}

/** The cluster and user that a kubeconfig file's current context names. Throws Invalid. */
export async function clusterOf(path: string): Promise<ClusterConfig> {
  const config = await loadKubeconfig(path, {});
  if (config === undefined) throw new VirtualKubeletError("Invalid", `kubeconfig ${path} does not exist`);
  return clusterConfigOf(config);
}

/** Writes a kubeconfig for the same cluster, as `node`, by the certificate and key in `pemFile`; it holds no secret itself. */
export async function writeNodeKubeconfig(
  path: string,
  cluster: ClusterConfig,
  node: string,
  pemFile: string,
): Promise<void> {
  const { server, certificateAuthority: ca, tlsServerName, proxyUrl, namespace } = cluster;
  const user = `system:node:${node}`;
  const authority =
    ca === undefined
      ? {}
      : "file" in ca
        ? { "certificate-authority": ca.file }
        : { "certificate-authority-data": Buffer.from(ca.data).toString("base64") };
  const config = {
    apiVersion: "v1",
    kind: "Config",
    clusters: [
      {
        name: "default",
        cluster: {
          server,
          ...authority,
          ...(cluster.insecureSkipTlsVerify === true ? { "insecure-skip-tls-verify": true } : {}),
          ...(tlsServerName === undefined ? {} : { "tls-server-name": tlsServerName }),
          ...(proxyUrl === undefined ? {} : { "proxy-url": proxyUrl }),
        },
      },
    ],
    users: [{ name: user, user: { "client-certificate": pemFile, "client-key": pemFile } }],
    contexts: [{ name: "default", context: { cluster: "default", user, namespace } }],
    "current-context": "default",
  };
  const { stringify } = await import("yaml");
  await writeSecretFile(path, stringify(config));
}

async function textOf(material: Material): Promise<string> {
  if ("data" in material) return material.data;
  try {
    return await readFile(material.file, "utf8");
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "error";
    throw new VirtualKubeletError("Unavailable", `${material.file} cannot be read: ${code}`, { cause: error });
  }
}
