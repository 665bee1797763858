// A development cluster: assembly, order of start and stop, and the kubeconfigs of its users.
import { existsSync, readFileSync } from "node:fs";
import { chmod, mkdir, mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { Aggregation, frontProxyUser } from "./aggregation.ts";
import { Api } from "./api.ts";
import { apiData } from "./api-data.ts";
import type { AuditEvent } from "./audit.ts";
import { Authorizer } from "./authorization.ts";
import { bootstrap } from "./bootstrap.ts";
import { Authority, type KeyPair } from "./certificates.ts";
import { allControllers } from "./controllers/all.ts";
import { type Controller, runControllers } from "./controllers/controller.ts";
import { storeFrom, writeWhole } from "./journal.ts";
import { kubeletClientUser, scrape } from "./kubelet-proxy.ts";
import type { PeerTls } from "./proxy.ts";
import { ResourceMetrics } from "./resource-metrics.ts";
import { type ServedOptions, servedResources } from "./served.ts";
import { ApiServer } from "./server.ts";
import { Store } from "./store.ts";
import { Tokens } from "./tokens.ts";

export interface DevClusterOptions extends ServedOptions {
  /** Keeps the state over restarts, with its keys; becomes the user's alone (0700). Default: memory, and a directory of its own for kubeconfigs that goes at the end. */
  readonly directory?: string | undefined;
  /** Default 0: one that the system picks. */
  readonly port?: number | undefined;
  /** Run the controllers and the scheduler; default true. Without them objects are kept and nothing follows from them. */
  readonly controllers?: boolean | undefined;
  /** How long a node may say nothing. Default 50 s, as the controller manager's. */
  readonly nodeMonitorGraceMs?: number | undefined;
  /**
   * PEM file of those who sign the serving certificates of kubelets, all of which are verified then; `ca.crt` in `directory` is the
   * cluster's own, who signs for `kubernetes.io/kubelet-serving`. Default: that one's, and self-signed ones.
   */
  readonly kubeletCertificateAuthority?: string | undefined;
  /** Default true; false: watches do not begin with what is there (`sendInitialEvents`), as those of older servers. */
  readonly watchList?: boolean | undefined;
  /** Told of each request, with its answer's code, just before it is answered; streams: when they end. Default: nobody. */
  readonly audit?: ((event: AuditEvent) => void) | undefined;
  /** Told what happens, in lines; the first one says what this is not for. Default: nobody. */
  readonly log?: ((line: string) => void) | undefined;
  /** Epoch milliseconds. Default: the clock of this machine. */
  readonly now?: (() => number) | undefined;
}

export interface DevCluster extends AsyncDisposable {
  /** `https://127.0.0.1:1234` */
  readonly server: string;
  /** Path of the administrator's. */
  readonly kubeconfig: string;
  /** Of the Kubernetes whose API this is, e.g. `1.36.3`. */
  readonly version: string;
  /** PEM of the authority. */
  readonly ca: string;
  readonly directory: string;
  /** Writes one for a user with a client certificate; returns its path. */
  kubeconfigFor(user: string, groups?: readonly string[]): Promise<string>;
  /** Writes one with a token of a ServiceAccount, for a day; returns its path. Throws where there is no such account. */
  serviceAccountKubeconfig(namespace: string, name: string): Promise<string>;
  /** May be called again. */
  stop(): Promise<void>;
}

export const notForProduction =
  "This is a development cluster, not for production: one process without replicas or backups, few of a control plane's controllers, no admission webhooks, no quotas, no network policies, and its limits are those of memory.";

/** Resolves when the API answers. */
export async function startDevCluster(options: DevClusterOptions = {}): Promise<DevCluster> {
  const log = options.log ?? (() => undefined);
  log(notForProduction);
  const kept = options.directory === undefined ? undefined : resolve(options.directory);
  const directory = kept ?? (await mkdtemp(join(tmpdir(), "virtual-kubelet-dev-cluster-")));
  try {
    await ownDirectory(directory);
    return await start(directory, kept !== undefined, options, log);
  } catch (error) {
    if (kept === undefined) await rm(directory, { recursive: true, force: true });
    throw error;
  }
}

/** Makes it, or takes it from everybody else. Throws for one that is for everybody, as /tmp is. */
async function ownDirectory(directory: string): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const { mode } = await stat(directory);
  if ((mode & 0o1000) !== 0)
    throw new Error(`directory: ${directory} is shared by all users of this machine: name one below it`);
  if ((mode & 0o077) !== 0) await chmod(directory, 0o700);
}

async function start(
  directory: string,
  isKept: boolean,
  options: DevClusterOptions,
  log: (line: string) => void,
): Promise<DevCluster> {
  const { now = Date.now, watchList = true, audit } = options;
  const path = (name: string): string => join(directory, name);
  const known = (name: string): string | undefined =>
    existsSync(path(name)) ? readFileSync(path(name), "utf8") : undefined;
  const keep = (name: string, content: string): void => {
    // Those that are known, too: they may have been open to others.
    if (isKept) writeWhole(path(name), content);
  };
  const authorityOf = async (name: string): Promise<Authority> => {
    const [certificate, key] = [known(`${name}.crt`), known(`${name}.key`)];
    const isKnown = certificate !== undefined && key !== undefined;
    const authority = isKnown ? Authority.of({ certificate, key }) : await Authority.make(now());
    keep(`${name}.crt`, authority.certificate);
    keep(`${name}.key`, authority.key);
    return authority;
  };
  const { store, close } = isKept ? storeFrom(path("state.jsonl")) : { store: new Store(), close: () => undefined };
  const authority = await authorityOf("ca");
  const frontProxy = await authorityOf("front-proxy-ca");
  const tokens = new Tokens(store, now, known("service-accounts.key"));
  keep("service-accounts.key", tokens.key);
  const api = new Api({ store, now, resources: servedResources(options) });
  bootstrap(api, authority.certificate, frontProxy.certificate);
  const aggregation = new Aggregation(api, await frontProxy.issue({ user: frontProxyUser, usages: ["client"] }, now()));
  const client = await authority.issue({ user: kubeletClientUser, usages: ["client"] }, now());
  await writeFile(path("apiserver-kubelet-client.crt"), client.certificate);
  const kubeletCa = options.kubeletCertificateAuthority;
  const kubelets: PeerTls =
    kubeletCa === undefined
      ? { client, ca: authority.certificate, accepts: "self-signed" }
      : { client, ca: readFileSync(kubeletCa, "utf8"), accepts: "verified" };
  const name = "kubernetes.default.svc";
  const serving = {
    user: "kube-apiserver",
    usages: ["server"],
    dnsNames: ["kubernetes", "kubernetes.default", name, `${name}.cluster.local`, "localhost"],
    ipAddresses: ["127.0.0.1", "10.96.0.1"],
  } as const;
  const running = new AbortController();
  const metrics = new ResourceMetrics(api, (node) => scrape(api, node, kubelets, running.signal));
  const server = new ApiServer({
    api,
    metrics,
    aggregation,
    tokens,
    log,
    authorizer: new Authorizer(store),
    serving: await authority.issue(serving, now()),
    clientCa: authority.certificate,
    kubelets,
    watchList,
    audit,
  });
  await server.listen(options.port ?? 0);

  const controllers = (): readonly Controller[] =>
    allControllers(api, authority, options.nodeMonitorGraceMs ?? 50_000, (pods) => metrics.ofPods(pods));
  // An API server looks after APIServices itself.
  const all = [aggregation, ...((options.controllers ?? true) ? controllers() : [])];
  const ran = runControllers(api, all, log, running.signal);

  const writeKubeconfig = (name: string, user: KeyPair | { readonly token: string }): string => {
    const file = path(`${name.replaceAll(/[^a-zA-Z0-9.-]+/g, "_").slice(0, 100)}.kubeconfig`);
    writeWhole(file, kubeconfigText(server.address, authority.certificate, user));
    return file;
  };
  const kubeconfigFor = async (file: string, user: string, groups: readonly string[]): Promise<string> =>
    writeKubeconfig(file, await authority.issue({ user, groups, usages: ["client"] }, now()));
  const kubeconfig = await kubeconfigFor("admin", "kubernetes-admin", ["system:masters"]);
  const version = apiData().gitVersion.replace(/^v/, "");
  log(`Kubernetes ${version} API at ${server.address}`);

  let stopping: Promise<void> | undefined;
  const stop = async (): Promise<void> => {
    running.abort();
    try {
      await ran;
    } finally {
      server.close();
      close();
    }
    if (!isKept) await rm(directory, { recursive: true, force: true });
  };
  const cluster: DevCluster = {
    server: server.address,
    kubeconfig,
    version,
    ca: authority.certificate,
    directory,
    kubeconfigFor: (user, groups = []) => kubeconfigFor(`user-${[user, ...groups].join("-")}`, user, groups),
    async serviceAccountKubeconfig(namespace, name) {
      const account = api.get(api.resource("serviceaccounts"), namespace, name);
      const { token } = tokens.issue({ account, audiences: [], expirationSeconds: 86_400 });
      return writeKubeconfig(`serviceaccount-${namespace}-${name}`, { token });
    },
    stop() {
      stopping ??= stop();
      return stopping;
    },
    [Symbol.asyncDispose]: () => cluster.stop(),
  };
  return cluster;
}

function kubeconfigText(server: string, ca: string, user: KeyPair | { readonly token: string }): string {
  const base64 = (pem: string): string => Buffer.from(pem).toString("base64");
  const credentials =
    "token" in user
      ? user
      : { "client-certificate-data": base64(user.certificate), "client-key-data": base64(user.key) };
  const config = {
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name: "dev", cluster: { server, "certificate-authority-data": base64(ca) } }],
    users: [{ name: "dev", user: credentials }],
    contexts: [{ name: "dev", context: { cluster: "dev", user: "dev" } }],
    "current-context": "dev",
  };
  return `${JSON.stringify(config, undefined, 2)}\n`; // JSON is YAML
}
