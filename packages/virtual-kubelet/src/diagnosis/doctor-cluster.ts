// The first checks of `doctor`: does the kubeconfig say which cluster, does its API server answer, and does it know us.
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { systemClock } from "../clock.ts";
import { errorText, VirtualKubeletError } from "../errors.ts";
import { identify } from "../identity.ts";
import { certificateFacts } from "../kube/certificate-pair.ts";
import type { KubeClient } from "../kube/client.ts";
import type { ClusterConfig, Material } from "../kube/cluster-config.ts";
import { connect, resolveClusterConfig } from "../kube/connect.ts";
import { silentLogger } from "../log.ts";
import type { Config } from "../program/config.ts";
import { formatDuration } from "../program/duration.ts";
import { type ClusterContext, callMs, type Finding, fail, ok, skip, warn } from "./doctor-check.ts";
import { PortCheck } from "./doctor-endpoint.ts";

export interface Cluster {
  readonly kubeconfig: Finding;
  readonly server: Finding;
  /** Undefined: the kubeconfig does not say. */
  readonly cluster?: ClusterConfig | undefined;
  /** Undefined: nothing can be asked. Its client is the caller's to close. */
  readonly context?: ClusterContext | undefined;
  /** The node has no credentials of its own yet: those of the bootstrap are looked at. */
  readonly bootstraps: boolean;
}

export async function findCluster(config: Config, env: Readonly<Record<string, string | undefined>>): Promise<Cluster> {
  const { bootstrapKubeconfig } = config.kubelet;
  const own = config.kubeconfig;
  const bootstraps = bootstrapKubeconfig !== undefined && own !== undefined && !existsSync(own);
  const path = bootstraps ? bootstrapKubeconfig : own;
  const kubeconfig = path === env["KUBECONFIG"] ? undefined : path;
  const options = { kubeconfig, context: bootstraps ? undefined : config.kubeContext, env: { ...env } };
  let cluster: ClusterConfig;
  let client: KubeClient;
  try {
    cluster = await resolveClusterConfig(options);
    client = await connect(options);
  } catch (error) {
    const fix = "--kubeconfig FILE (and --kube-context NAME), or $KUBECONFIG";
    const finding = fail(errorText(error), bootstraps ? "--bootstrap-kubeconfig FILE, one with a token" : fix);
    return { kubeconfig: finding, server: skip("which one is not known"), bootstraps };
  }
  const found = await kubeconfigFinding(cluster, sourceText(path, env, cluster), Date.now());
  const told = bootstraps
    ? { ...found, message: `${own} is made at the first start; until then ${found.message}` }
    : found;
  const { finding, user } = await serverFinding(client, config);
  const context = user === undefined ? undefined : { config, client, user, now: Date.now, ports: new PortCheck() };
  if (context === undefined) await client.close();
  return { kubeconfig: told, server: finding, cluster, context, bootstraps };
}

function sourceText(
  path: string | undefined,
  env: Readonly<Record<string, string | undefined>>,
  { user }: ClusterConfig,
): string {
  if (path !== undefined) return path;
  if (env["KUBECONFIG"] !== undefined && env["KUBECONFIG"] !== "") return env["KUBECONFIG"];
  return user.tokenFile?.startsWith("/var/run/secrets/kubernetes.io/") === true
    ? "the ServiceAccount of this pod"
    : "~/.kube/config";
}

async function kubeconfigFinding(cluster: ClusterConfig, source: string, now: number): Promise<Finding> {
  const { server, insecureSkipTlsVerify, user } = cluster;
  const certificate = user.clientCertificate === undefined ? undefined : await textOf(user.clientCertificate);
  if (certificate !== undefined) {
    const { notAfter } = certificateFacts(certificate);
    const left = notAfter - now;
    const until = new Date(notAfter).toISOString();
    if (left <= 0)
      return fail(
        `the client certificate of ${source} has expired at ${until}`,
        "have a new one issued, or delete the file where --bootstrap-kubeconfig gets one",
      );
    if (left < 86_400_000)
      return warn(
        `the client certificate of ${source} expires in ${formatDuration(Math.ceil(left / 60_000) * 60_000)}`,
        "have a new one issued; --rotate-certificates renews those that came by --bootstrap-kubeconfig",
      );
  }
  if (insecureSkipTlsVerify === true)
    return warn(
      `${source} says that the certificate of ${server} is not to be checked: who is in between has all rights of these credentials`,
      "certificate-authority in place of insecure-skip-tls-verify",
    );
  return ok(`${source} names ${server}`);
}

async function textOf(material: Material): Promise<string | undefined> {
  return "data" in material ? material.data : await readFile(material.file, "utf8");
}

async function serverFinding(
  client: KubeClient,
  config: Config,
): Promise<{ readonly finding: Finding; readonly user?: string }> {
  try {
    const signal = AbortSignal.timeout(callMs);
    // Asked once beforehand: identify waits for ever for a server that is away.
    await client.getRaw("/version", { signal, timeoutMs: callMs });
    const who = { cluster: config.clusterId ?? "doctor", clock: systemClock, log: silentLogger };
    const { user } = await identify(client, who, signal);
    return { finding: ok(`${client.server} answers, as ${user}`), user };
  } catch (error) {
    return { finding: serverFault(error, client.server) };
  }
}

/** Pure. Why the API server does not answer, or not us. */
export function serverFault(error: unknown, server: string): Finding {
  const text = errorText(error);
  const { kind } = VirtualKubeletError.from(error);
  if (/^(.*: )?credential plugin /.test(text))
    return fail(
      `there are no credentials for ${server}: ${text}`,
      "install that plugin, or log in with it: run its command of the kubeconfig (users[].user.exec) by hand",
    );
  if (kind === "Unauthorized")
    return fail(
      `${server} does not accept the credentials: ${text}`,
      "renew those of the kubeconfig; a token or certificate that is good in another cluster is not in this one",
    );
  if (kind === "Forbidden" && text.includes('"system:anonymous"'))
    return fail(
      `${server} sees no credentials: to it we are system:anonymous`,
      "the user of the kubeconfig's context needs a client certificate and key, a token, or an exec plugin",
    );
  if (kind === "Forbidden") return fail(`${server}: ${text}`, "kubectl apply -f deploy/rbac.yaml");
  return fail(`${server} does not answer: ${text}`, transportFix(text));
}

function transportFix(text: string): string {
  if (/not yet valid|has expired|CERT_(NOT_YET_VALID|HAS_EXPIRED)/i.test(text))
    return "set this machine's clock if it is wrong (see clock below), else renew the API server's certificate";
  if (/altname|does not match|hostname/i.test(text))
    return "use a name or address in the kubeconfig that its certificate has, or name one by tls-server-name";
  if (/self[- ]signed|unable to (get|verify)|UNABLE_TO|issuer/i.test(text))
    return "certificate-authority of the kubeconfig must be the authority of this cluster; a proxy that opens TLS needs its own there";
  if (/ENOTFOUND|EAI_AGAIN/.test(text))
    return "the name cannot be resolved here: correct server of the kubeconfig, or the DNS of this machine";
  if (/ECONNREFUSED/.test(text))
    return "nothing listens there: correct server of the kubeconfig, or start the API server";
  if (/HTTP request to an HTTPS server/.test(text)) return "server of the kubeconfig has to begin with https://";
  return "see whether server of the kubeconfig is right and can be reached from here (firewall, route, HTTPS_PROXY and NO_PROXY)";
}
