// What the end-to-end tests share: one control plane with an administrator's client, virtual kubelets in this process or as
// processes of their own, mock backends as processes that outlive them, and waiting with a deadline.
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../packages/virtual-kubelet/src/clock.ts";
import { errorText, isErrorKind } from "../packages/virtual-kubelet/src/errors.ts";
import { identify } from "../packages/virtual-kubelet/src/identity.ts";
import type { KubeClient } from "../packages/virtual-kubelet/src/kube/client.ts";
import { connect } from "../packages/virtual-kubelet/src/kube/connect.ts";
import {
  type KubeObject,
  nodes,
  pods,
  type Resource,
  type Stored,
} from "../packages/virtual-kubelet/src/kube/resource.ts";
import type {
  Container,
  Pod,
  PodSpec,
  PodTemplateSpec,
  Toleration,
} from "../packages/virtual-kubelet/src/kube/types.gen.ts";
import { type Logger, silentLogger } from "../packages/virtual-kubelet/src/log.ts";
import type { JournalEntry } from "../packages/virtual-kubelet/src/providers/mock/backend-server.ts";
import type { ControlPlane, ControlPlaneOptions } from "../packages/virtual-kubelet/src/testing/control-plane.ts";
import { eventually, throughout } from "../packages/virtual-kubelet/src/testing/eventually.ts";
import { everyState } from "../packages/virtual-kubelet/src/testing/every-state.ts";
import { type ManagedProcess, ProcessGroup } from "../packages/virtual-kubelet/src/testing/processes.ts";
import { startProgram } from "../packages/virtual-kubelet/src/testing/program-process.ts";
import { VirtualKubelet } from "../packages/virtual-kubelet/src/virtual-kubelet.ts";
import type { VirtualKubeletOptions, VirtualNode } from "../packages/virtual-kubelet/src/virtual-kubelet-options.ts";
import { readJournal } from "./backend-journal.ts";
import { startChosenControlPlane } from "./dev-control-plane.ts";

const sources = join(import.meta.dirname, "../packages/virtual-kubelet/src");

export { eventually, throughout };

export const tolerateVirtual: Toleration = { key: "virtual-kubelet.io/provider", operator: "Exists" };

const mockAnnotation = "mock.virtual-kubelet.io/";

export interface PodShape {
  readonly labels?: Readonly<Record<string, string>> | undefined;
  /** Settings of the mock by their short names, e.g. `{ "run-time": "1s" }`. */
  readonly mock?: Readonly<Record<string, string>> | undefined;
  readonly container?: Partial<Container> | undefined;
  readonly spec?: Partial<PodSpec> | undefined;
}

/** A pod (template) of one container that tolerates virtual nodes. */
export function podTemplate(shape: PodShape = {}): PodTemplateSpec {
  const annotations = Object.fromEntries(
    Object.entries(shape.mock ?? {}).map(([name, value]) => [mockAnnotation + name, value]),
  );
  return {
    metadata: { annotations, ...(shape.labels === undefined ? {} : { labels: shape.labels }) },
    spec: {
      tolerations: [tolerateVirtual],
      terminationGracePeriodSeconds: 5,
      ...shape.spec,
      containers: shape.spec?.containers ?? [{ name: "main", image: "example.com/app:1", ...shape.container }],
    },
  };
}

export function podObject(name: string, shape: PodShape = {}): Pod {
  const { metadata, spec } = podTemplate(shape);
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { ...metadata, name, namespace: "default" },
    ...(spec === undefined ? {} : { spec }),
  };
}

export const conditionOf = (pod: Pod, type: string): string | undefined =>
  pod.status?.conditions?.find((condition) => condition.type === type)?.status;
export const isReady = (pod: Pod): boolean => conditionOf(pod, "Ready") === "True";
export const isRunning = (pod: Pod): boolean => pod.status?.phase === "Running";

export interface RunningKubelet extends AsyncDisposable {
  readonly kubelet: VirtualKubelet;
  /** Ends it gracefully, as TERM does; pods and backends go on. */
  stop(): Promise<void>;
}

export interface ProgramOptions {
  /** Default: the administrator's. */
  readonly kubeconfig?: string | undefined;
  /** Name of the log file; default "virtual-kubelet" and a number. */
  readonly name?: string | undefined;
}

export interface BackendProcess {
  readonly process: ManagedProcess;
  /** `unix:///...`, for `backend` of the mock's configuration. */
  readonly address: string;
  readonly journal: () => Promise<readonly JournalEntry[]>;
}

export class Harness implements AsyncDisposable {
  readonly cluster: ControlPlane;
  readonly client: KubeClient;
  readonly #processes: ProcessGroup;
  #files = 0;

  constructor(cluster: ControlPlane, client: KubeClient) {
    this.cluster = cluster;
    this.client = client;
    this.#processes = new ProcessGroup({ parent: tmpdir(), prefix: "virtual-kubelet-e2e-" });
  }

  /** Runs kubectl as administrator, which must succeed; answers its standard output. */
  async kubectl(...args: string[]): Promise<string> {
    const { stdout, stderr, code } = await this.cluster.kubectl(...args);
    assert.equal(code, 0, `kubectl ${args.join(" ")}: ${stderr}`);
    return stdout.trim();
  }

  /** kubectl apply of objects or YAML text. */
  async apply(...documents: readonly (object | string)[]): Promise<void> {
    const objects = documents.filter((each) => typeof each === "object");
    const texts = documents.filter((each) => typeof each === "string");
    if (objects.length > 0) texts.push(JSON.stringify({ apiVersion: "v1", kind: "List", items: objects }));
    for (const text of texts) await this.kubectl("apply", "-f", await this.writeFile("apply.yaml", text));
  }

  /** Path of a new file that is deleted at the end. */
  async writeFile(name: string, text: string): Promise<string> {
    const path = join(this.#processes.directory, `${++this.#files}-${name}`);
    await writeFile(path, text);
    return path;
  }

  async list<T extends KubeObject>(
    of: Resource<T>,
    labelSelector?: string,
    namespace = "default",
  ): Promise<readonly Stored<T>[]> {
    return (await this.client.list(of, { namespace, labelSelector })).items;
  }

  /** Undefined when there is none. */
  async find<T extends KubeObject>(
    of: Resource<T>,
    name: string,
    namespace = "default",
  ): Promise<Stored<T> | undefined> {
    try {
      return await this.client.get(of, of.namespaced ? { name, namespace } : { name });
    } catch (error) {
      if (isErrorKind(error, "NotFound")) return undefined;
      throw error;
    }
  }

  /** The object once it is as wanted; the message shows how it was last. */
  async until<T extends KubeObject>(
    description: string,
    of: Resource<T>,
    name: string,
    deadlineMs: number,
    holds: (object: Stored<T>) => boolean,
  ): Promise<Stored<T>> {
    let last: Stored<T> | undefined;
    try {
      return await eventually(`${of.kind} ${name}: ${description}`, deadlineMs, async () => {
        last = await this.find(of, name);
        return last !== undefined && holds(last) && last;
      });
    } catch (error) {
      throw new Error(`${errorText(error)}\n${JSON.stringify(last, undefined, 1)}`);
    }
  }

  untilPod(
    description: string,
    name: string,
    deadlineMs: number,
    holds: (pod: Stored<Pod>) => boolean,
  ): Promise<Stored<Pod>> {
    return this.until(description, pods, name, deadlineMs, holds);
  }

  /** Sees every state that the pods of a label have, from now until the signal aborts. */
  async watchPods(labelSelector: string, signal: AbortSignal, see: (pod: Stored<Pod>) => void): Promise<void> {
    await everyState(this.client, pods, { namespace: "default", labelSelector, signal }, ({ object }) => see(object));
  }

  /** Waits until the API has no object of this name (and UID). */
  async untilGone<T extends KubeObject>(
    of: Resource<T>,
    name: string,
    deadlineMs: number,
    uid?: string,
  ): Promise<void> {
    await eventually(`${of.kind} ${name} is gone`, deadlineMs, async () => {
      const found = await this.find(of, name);
      return found === undefined || (uid !== undefined && found.metadata.uid !== uid);
    });
  }

  /** Runs a virtual kubelet in this process; resolves when its nodes are registered. */
  async kubelet(
    of: readonly { readonly virtual: VirtualNode }[],
    options: Partial<Omit<VirtualKubeletOptions, "client" | "nodes">> & {
      readonly kubeconfig?: string | undefined;
    } = {},
  ): Promise<RunningKubelet> {
    const { kubeconfig = this.cluster.kubeconfig, ...rest } = options;
    const log: Logger = options.log ?? silentLogger;
    const end = new AbortController();
    const client = await connect({ kubeconfig, log });
    let running: Promise<void> | undefined;
    const stop = async (): Promise<void> => {
      end.abort();
      try {
        await running;
      } finally {
        await client.close();
      }
    };
    try {
      const identity = options.identity ?? (await identify(client, { clock: systemClock, log }, end.signal));
      const kubelet = new VirtualKubelet({ ...rest, client, identity, log, nodes: of.map(({ virtual }) => virtual) });
      running = kubelet.run(end.signal);
      // What ends it early is told here or by stop().
      running.catch(() => undefined);
      await Promise.race([kubelet.ready, running]);
      return { kubelet, stop, [Symbol.asyncDispose]: stop };
    } catch (error) {
      await client.close();
      throw error;
    }
  }

  /**
   * Starts the program from its sources as a process of its own. `kill("SIGTERM")` ends it. On loopback, with a free port for
   * the kubelet API and without metrics, unless the arguments say otherwise.
   */
  async program(args: readonly string[], options: ProgramOptions = {}): Promise<ManagedProcess> {
    const { kubeconfig = this.cluster.kubeconfig, name = `virtual-kubelet-${++this.#files}` } = options;
    return startProgram(this.#processes, name, kubeconfig, args);
  }

  /** Starts a mock backend as a process of its own, at the same address again when it is given. `config`: file text. */
  async backendProcess(config = "{}", address?: string): Promise<BackendProcess> {
    const listen = address ?? `unix://${join(this.#processes.directory, `backend-${++this.#files}.sock`)}`;
    const file = await this.writeFile("backend.yaml", config);
    const main = join(sources, "providers/mock/backend-main.ts");
    const args = ["--conditions=source", main, "--listen", listen, "--config", file];
    const child = await this.#processes.start(`backend-${++this.#files}`, process.execPath, args);
    await eventually("the backend listens", 15_000, async () => (await child.logTail()).includes('"address"'));
    return { process: child, address: listen, journal: () => readJournal(new URL(listen).pathname) };
  }

  /** Waits for a Ready node; fails with the log of `program` when that ends meanwhile, or at the deadline. */
  async nodeIsReady(name: string, program?: ManagedProcess, deadlineMs = 30_000): Promise<void> {
    const check = async (): Promise<boolean> => {
      const node = await this.find(nodes, name);
      return node?.status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True") === true;
    };
    const ended = program?.ended.then(() => Promise.reject(new Error("the program ended")));
    try {
      const ready = eventually(`node ${name} is ready`, deadlineMs, check);
      await (ended === undefined ? ready : Promise.race([ready, ended]));
    } catch (error) {
      throw new Error(`${errorText(error)}\n${(await program?.logTail()) ?? ""}`);
    } finally {
      ended?.catch(() => undefined);
    }
  }

  /** Each part ends, whatever another one says. */
  async [Symbol.asyncDispose](): Promise<void> {
    await using parts = new AsyncDisposableStack();
    parts.use(this.cluster);
    parts.defer(() => this.client.close());
    parts.use(this.#processes);
  }
}

export async function startHarness(options: ControlPlaneOptions = {}): Promise<Harness> {
  await using parts = new AsyncDisposableStack();
  const cluster = parts.use(await startChosenControlPlane(options));
  const harness = new Harness(cluster, await connect({ kubeconfig: cluster.kubeconfig }));
  parts.move();
  return harness;
}
