// A real Kubernetes control plane for tests: etcd, API server, controller manager and scheduler on loopback, as strict as a
// cluster's (RBAC, Node authorizer, default admission), gone without a trace afterwards.
import { execFile } from "node:child_process";
import { tmpdir } from "node:os";
import { resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { errorText, VirtualKubeletError } from "../errors.ts";
import { type Binaries, findControlPlaneBinaries, findKubectl, resolveKubernetesVersion } from "./binaries.ts";
import { AdminRequests, stringAt } from "./control-plane-admin.ts";
import {
  apiServerArgs,
  type ClusterFiles,
  controllerManagerArgs,
  etcdArgs,
  kubeletClientUser,
  schedulerArgs,
  writeClusterFiles,
} from "./control-plane-files.ts";
import { freePort } from "./free-port.ts";
import { withAllOutput } from "./lost-output.ts";
import { type ManagedProcess, ProcessGroup } from "./processes.ts";

export interface ControlPlane extends AsyncDisposable {
  /** Kubernetes version, e.g. `1.36.3`. */
  readonly version: string;
  /** Path of a kubeconfig for a member of system:masters. */
  readonly kubeconfig: string;
  /** `https://127.0.0.1:<port>` */
  readonly server: string;
  /** PEM file of the authority that signs server and client certificates. */
  readonly caFile: string;
  /** Holds kubeconfigs, certificates, data and `<component>.log`; deleted by stop(). */
  readonly directory: string;
  /** Writes a kubeconfig for a user and its groups, by a client certificate of the cluster's authority. Returns its path. */
  kubeconfigFor(user: string, groups?: readonly string[]): Promise<string>;
  /** Writes a kubeconfig with a token of an existing ServiceAccount, valid for a day; creates nothing else. Returns its path. */
  serviceAccountKubeconfig(namespace: string, name: string): Promise<string>;
  /** SIGKILL. */
  killApiServer(): Promise<void>;
  /** Same port, same data, ready when this resolves. */
  startApiServer(): Promise<void>;
  /** Runs kubectl (see findKubectl) as administrator. Never throws for an exit code. */
  kubectl(...args: string[]): Promise<{ stdout: string; stderr: string; code: number }>;
  /** Kills everything and deletes the directory. May be called again. */
  stop(): Promise<void>;
}

export interface ControlPlaneOptions {
  /** Default: $VIRTUAL_KUBELET_KUBERNETES_VERSION, then 1.36.3. See `kubernetesVersions`. */
  readonly version?: string;
  /**
   * Run controller manager and scheduler; default true. Without them nothing makes ServiceAccounts (the one named default
   * in namespace default is made once), binds pods, collects garbage or finishes a namespace's deletion.
   */
  readonly controllers?: boolean;
  /** Appended to the flags of kube-apiserver; the last one of a flag wins. */
  readonly apiServerArgs?: readonly string[];
  /** Appended to the flags of kube-controller-manager, e.g. `--node-monitor-grace-period=10s`. */
  readonly controllerManagerArgs?: readonly string[];
  /** Empty or not there yet; deleted by stop(). Default: a new one in the system's directory for temporary files. */
  readonly directory?: string;
  /** Told of builds (minutes, once per version) and of components that end unasked. */
  readonly onProgress?: (line: string) => void;
  /** Ends the start; no effect afterwards. */
  readonly signal?: AbortSignal;
}

const startDeadlineMs = 300_000;

/**
 * Starts a control plane and resolves when it is ready: API server ready, namespace `default` and its ServiceAccount there.
 * Programs are found or built by `findControlPlaneBinaries`. All of it ends with this process, however that ends.
 */
export async function startControlPlane(options: ControlPlaneOptions = {}): Promise<ControlPlane> {
  const wanted = resolveKubernetesVersion(options.version);
  const { onProgress, signal } = options;
  const binaries = await findControlPlaneBinaries({ version: wanted, onProgress, signal });
  signal?.throwIfAborted();
  const group = new ProcessGroup({
    directory: options.directory === undefined ? undefined : resolve(options.directory),
    parent: tmpdir(),
    prefix: "virtual-kubelet-control-plane-",
  });
  try {
    const files = await writeClusterFiles(group.directory);
    const cluster = new RunningCluster({ binaries, group, files, options });
    await cluster.start();
    return cluster;
  } catch (error) {
    await group.close();
    throw error;
  }
}

class RunningCluster implements ControlPlane {
  readonly directory: string;
  readonly caFile: string;
  readonly #binaries: Binaries;
  readonly #group: ProcessGroup;
  readonly #files: ClusterFiles;
  readonly #options: ControlPlaneOptions;
  readonly #admin: AdminRequests;
  readonly #components = new Map<string, ManagedProcess>();
  #version = "";
  #port = 0;
  #kubeconfig = "";
  #stopping = false;

  constructor(parts: {
    readonly binaries: Binaries;
    readonly group: ProcessGroup;
    readonly files: ClusterFiles;
    readonly options: ControlPlaneOptions;
  }) {
    this.#binaries = parts.binaries;
    this.#group = parts.group;
    this.#files = parts.files;
    this.#options = parts.options;
    this.#admin = new AdminRequests(parts.files, () => this.server);
    this.directory = parts.group.directory;
    this.caFile = parts.files.caFile;
  }

  get version(): string {
    return this.#version;
  }

  get kubeconfig(): string {
    return this.#kubeconfig;
  }

  get server(): string {
    return `https://127.0.0.1:${this.#port}`;
  }

  async start(): Promise<void> {
    await this.#startComponent("etcd", etcdArgs());
    await this.#startOnFreePort();
    this.#kubeconfig = await this.#files.writeKubeconfig("admin", this.server, this.#files.admin);
    if (this.#options.controllers ?? true) await this.#startControllers();
    this.#version = stringAt(await this.#admin.api("GET", "/version"), "gitVersion").replace(/^v/, "");
    await this.#until("namespace default", () => this.#admin.exists("/api/v1/namespaces/default"));
    await this.#allowKubeletAccess();
    const serviceAccounts = "/api/v1/namespaces/default/serviceaccounts";
    if (!(this.#options.controllers ?? true)) {
      await this.#admin.api("POST", serviceAccounts, { metadata: { name: "default" } });
    }
    await this.#until("ServiceAccount default/default", () => this.#admin.exists(`${serviceAccounts}/default`));
  }

  async killApiServer(): Promise<void> {
    const component = this.#components.get("kube-apiserver");
    this.#components.delete("kube-apiserver");
    await component?.kill();
  }

  async startApiServer(): Promise<void> {
    if (this.#components.has("kube-apiserver")) throw new VirtualKubeletError("Conflict", "the API server is running");
    // Anybody's outgoing connection may have been given our port meanwhile; those are short.
    for (let attempt = 1; ; attempt++) {
      if (await this.#tryApiServer()) return;
      if (attempt === 30)
        throw new VirtualKubeletError("Unavailable", `port ${this.#port} stays taken by another program`);
      await sleep(500);
    }
  }

  async kubeconfigFor(user: string, groups: readonly string[] = []): Promise<string> {
    const name = fileNameOf(`user-${[user, ...groups].join("-")}`);
    return this.#files.writeKubeconfig(name, this.server, this.#files.issueClient(user, groups));
  }

  async serviceAccountKubeconfig(namespace: string, name: string): Promise<string> {
    const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/serviceaccounts/${encodeURIComponent(name)}/token`;
    const answer = await this.#admin.api("POST", path, { spec: { expirationSeconds: 86_400 } });
    const token = stringAt(answer, "status", "token");
    return this.#files.writeKubeconfig(fileNameOf(`serviceaccount-${namespace}-${name}`), this.server, { token });
  }

  async kubectl(...args: string[]): Promise<{ stdout: string; stderr: string; code: number }> {
    const program = await findKubectl({ version: this.version });
    return withAllOutput(() => this.#run(program, args));
  }

  #run(program: string, args: readonly string[]): Promise<{ stdout: string; stderr: string; code: number }> {
    return new Promise((settle, reject) => {
      execFile(
        program,
        ["--kubeconfig", this.kubeconfig, ...args],
        { maxBuffer: 2 ** 26, env: { ...process.env, KUBECACHEDIR: this.#files.path("kubectl-cache") } },
        (error, stdout, stderr) => {
          if (error === null) settle({ stdout, stderr, code: 0 });
          else if (typeof error.code === "number") settle({ stdout, stderr, code: error.code });
          else
            reject(new VirtualKubeletError("Internal", `kubectl did not end by itself: ${stderr}`, { cause: error }));
        },
      );
    });
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#group.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #startComponent(name: keyof Binaries, args: readonly string[]): Promise<ManagedProcess> {
    const component = await this.#group.start(name, this.#binaries[name], args);
    this.#components.set(name, component);
    void component.ended.then(async ({ code, signal }) => {
      if (this.#stopping || this.#components.get(name) !== component) return;
      this.#options.onProgress?.(`${name} ended unasked (${signal ?? `code ${code}`}), see ${component.logFile}`);
    });
    return component;
  }

  async #startOnFreePort(): Promise<void> {
    for (let attempt = 1; attempt <= 5; attempt++) {
      this.#port = await freePort();
      if (await this.#tryApiServer()) return;
    }
    throw new VirtualKubeletError("Unavailable", "each port the system gave was taken before the API server had it");
  }

  /** False when the port was taken by somebody else. */
  async #tryApiServer(): Promise<boolean> {
    const extra = this.#options.apiServerArgs ?? [];
    const component = await this.#startComponent("kube-apiserver", [
      ...apiServerArgs(this.#files, this.#port),
      ...extra,
    ]);
    try {
      await this.#until("the API server", async () => (await this.#admin.request("GET", "/readyz")).status === 200);
      return true;
    } catch (error) {
      this.#components.delete("kube-apiserver");
      await component.kill();
      if ((await component.logTail()).includes("address already in use")) return false;
      throw error;
    }
  }

  async #startControllers(): Promise<void> {
    for (const name of ["kube-controller-manager", "kube-scheduler"] as const) {
      const user = this.#files.issueClient(`system:${name}`, []);
      const kubeconfig = await this.#files.writeKubeconfig(name, this.server, user);
      const args =
        name === "kube-scheduler"
          ? schedulerArgs(kubeconfig)
          : [...controllerManagerArgs(this.#files, kubeconfig), ...(this.#options.controllerManagerArgs ?? [])];
      await this.#startComponent(name, args);
    }
  }

  /** What kubeadm does for the API server's requests to kubelets, which ask back whether it may. */
  async #allowKubeletAccess(): Promise<void> {
    await this.#admin.api("POST", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", {
      metadata: { name: kubeletClientUser },
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "system:kubelet-api-admin" },
      subjects: [{ apiGroup: "rbac.authorization.k8s.io", kind: "User", name: kubeletClientUser }],
    });
  }

  /** Waits for a condition; fails with the log of a component that ends meanwhile, or at the deadline. */
  async #until(what: string, holds: () => Promise<boolean>): Promise<void> {
    const deadline = Date.now() + startDeadlineMs;
    for (let last: unknown; ; await sleep(100, undefined, { signal: this.#options.signal })) {
      try {
        if (await holds()) return;
      } catch (error) {
        last = error;
      }
      const dead = [...this.#components.values()].find((component) => !component.running);
      if (dead === undefined && Date.now() < deadline) continue;
      const about = dead === undefined ? [...this.#components.values()] : [dead];
      const logs = await Promise.all(about.map(async (each) => `--- ${each.name}\n${await each.logTail()}`));
      const why = dead === undefined ? `not ready after ${startDeadlineMs / 1000} s` : `${dead.name} ended`;
      const reason = last === undefined ? "" : ` (${errorText(last)})`;
      throw new VirtualKubeletError("Unavailable", `waiting for ${what}: ${why}${reason}\n${logs.join("\n")}`);
    }
  }
}

function fileNameOf(text: string): string {
  return text.replaceAll(/[^a-zA-Z0-9.-]+/g, "_").slice(0, 100);
}
