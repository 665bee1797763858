// Watches what the view shows: the nodes, the pods on them, the sample's objects, and the events about them.
import type { KubeClient } from "../kube/client.ts";
import { type Change, Informer } from "../kube/informer.ts";
import { deployments, events, jobs, nodes, pods, type Stored } from "../kube/resource.ts";
import type { Deployment, Event, Job, Node, Pod } from "../kube/types.gen.ts";
import { deploymentRow, eventRow, jobRow, nodeRow, podRow, type Snapshot } from "./rows.ts";
import { sampleNamespace, sampleSelector } from "./sample.ts";

/** Of all in the namespace; which of them are about what is shown is seen only later, when the objects are known. */
const keptEvents = 1000;

interface Seen {
  bound?: number;
  running?: number;
}

export class ClusterWatch {
  readonly #names: ReadonlySet<string>;
  readonly #nodes: Informer<Node>;
  readonly #bound: Informer<Pod>;
  /** Before they are bound, they are known only by their label. */
  readonly #sample: Informer<Pod>;
  readonly #deployments: Informer<Deployment>;
  readonly #jobs: Informer<Job>;
  readonly #events: Informer<Event>;
  readonly #latest = new Map<string, Stored<Event>>();
  /** By UID of the pod; when we saw what. */
  readonly #seen = new Map<string, Seen>();
  readonly #listeners = new Set<() => void>();

  /** `names`: of the nodes. */
  constructor(client: KubeClient, names: readonly string[]) {
    const own = new Set(names);
    this.#names = own;
    const [name = ""] = names;
    const one = names.length === 1;
    const changed = (): void => {
      for (const listener of this.#listeners) listener();
    };
    const onPod = (change: Change<Pod>): void => {
      this.#see(change.object);
      changed();
    };
    const ours = { client, namespace: sampleNamespace, labelSelector: sampleSelector };
    this.#nodes = new Informer({
      client,
      resource: nodes,
      ...(one ? { fieldSelector: `metadata.name=${name}` } : { labelSelector: "type=virtual-kubelet" }),
      accept: ({ metadata }) => own.has(metadata?.name ?? ""),
      onChange: changed,
    });
    this.#bound = new Informer({
      client,
      resource: pods,
      ...(one ? { fieldSelector: `spec.nodeName=${name}` } : {}),
      accept: ({ spec }) => own.has(spec?.nodeName ?? ""),
      onChange: onPod,
    });
    this.#sample = new Informer({ ...ours, resource: pods, onChange: onPod });
    this.#deployments = new Informer({ ...ours, resource: deployments, onChange: changed });
    this.#jobs = new Informer({ ...ours, resource: jobs, onChange: changed });
    this.#events = new Informer({
      client,
      resource: events,
      namespace: sampleNamespace,
      onChange: (change) => {
        if (change.type === "deleted") return;
        const { uid } = change.object.metadata;
        this.#latest.delete(uid);
        this.#latest.set(uid, change.object);
        for (const old of this.#latest.keys()) {
          if (this.#latest.size <= keptEvents) break;
          this.#latest.delete(old);
        }
        changed();
      },
    });
  }

  /** Until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all(this.#informers.map((informer) => informer.run(signal)));
  }

  /** Resolves when all was read once. */
  async synced(): Promise<void> {
    await Promise.all(this.#informers.map((informer) => informer.synced));
  }

  /** Calls `listener` after each change, until the answer is called. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Resolves when `holds` does; rejects when the signal aborts before. */
  async until(holds: () => boolean, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const look = (): void => {
      if (holds()) resolve();
    };
    const aborted = (): void => reject(signal.reason);
    const forget = this.onChange(look);
    signal.addEventListener("abort", aborted, { once: true });
    look();
    try {
      await promise;
    } finally {
      forget();
      signal.removeEventListener("abort", aborted);
    }
  }

  /** The Nodes, as far as they are known. */
  get nodes(): readonly Stored<Node>[] {
    return [...this.#nodes.list()];
  }

  /** Pods on the nodes, whoever made them. */
  get boundPods(): readonly Stored<Pod>[] {
    return [...this.#bound.list()];
  }

  get samplePods(): number {
    return this.#sample.size;
  }

  snapshot(): Snapshot {
    const all = new Map([...this.#sample.list(), ...this.#bound.list()].map((pod) => [pod.metadata.uid, pod]));
    const rows = [...all.values()].map((pod) => podRow(pod, this.#startMs(pod.metadata.uid)));
    return {
      nodes: this.nodes.map(nodeRow).sort((a, b) => a.name.localeCompare(b.name, "en", { numeric: true })),
      workloads: [...[...this.#deployments.list()].map(deploymentRow), ...[...this.#jobs.list()].map(jobRow)],
      pods: rows.sort((a, b) => a.createdAt - b.createdAt || (a.name < b.name ? -1 : 1)),
      events: [...this.#latest.values()].filter((event) => this.#isShown(event)).map(eventRow),
    };
  }

  #isShown({ source, involvedObject: { kind, name = "", uid = "" } }: Event): boolean {
    if (this.#names.has(source?.host ?? "") || (kind === "Node" && this.#names.has(name))) return true;
    if (this.#bound.getByUid(uid) !== undefined || this.#sample.getByUid(uid) !== undefined) return true;
    const deployed = [...this.#deployments.list()];
    if (kind === "ReplicaSet") return deployed.some(({ metadata }) => name.startsWith(`${metadata.name}-`));
    return [...deployed, ...this.#jobs.list()].some(({ metadata }) => metadata.uid === uid);
  }

  get #informers(): readonly Pick<Informer<Node>, "run" | "synced">[] {
    return [this.#nodes, this.#bound, this.#sample, this.#deployments, this.#jobs, this.#events];
  }

  #see(pod: Stored<Pod>): void {
    const { uid } = pod.metadata;
    const seen = this.#seen.get(uid) ?? {};
    this.#seen.set(uid, seen);
    const now = performance.now();
    if (pod.spec?.nodeName === undefined) return;
    seen.bound ??= now;
    if (pod.status?.phase === "Running") seen.running ??= now;
  }

  /** Unknown for what ran already when we first saw it. */
  #startMs(uid: string): number | undefined {
    const { bound, running } = this.#seen.get(uid) ?? {};
    return bound === undefined || running === undefined || bound === running ? undefined : running - bound;
  }
}
