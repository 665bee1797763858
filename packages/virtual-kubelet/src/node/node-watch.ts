// Sees the Nodes of ours change: by one watch each, all that a node's own credentials allow, or by one watch of all nodes that
// keeps only ours.
import { type Clock, systemClock } from "../clock.ts";
import type { KubeClient } from "../kube/client.ts";
import { type Change, Informer } from "../kube/informer.ts";
import { nodes, type Stored } from "../kube/resource.ts";
import type { Node } from "../kube/types.gen.ts";
import type { Logger } from "../log.ts";
import type { Metrics } from "../metrics.ts";

export type NodeWatchMode = "per-node" | "shared";

/** Node credentials may watch nothing but their own node; others do better with one watch when the nodes are many. */
export function nodeWatchMode(
  credentials: "node-user" | "service-account",
  nodeCount: number,
  perNodeLimit = 10,
): NodeWatchMode {
  return credentials === "node-user" || nodeCount <= perNodeLimit ? "per-node" : "shared";
}

export interface NodeWatchOptions {
  readonly client: KubeClient;
  readonly mode: NodeWatchMode;
  readonly onChange: (change: Change<Node>) => void;
  readonly clock?: Clock | undefined;
  readonly random?: (() => number) | undefined;
  readonly log?: Logger | undefined;
  readonly metrics?: Metrics | undefined;
}

interface Watched {
  readonly informer: Informer<Node>;
  readonly abort: AbortController;
}

export class NodeWatch {
  readonly #options: NodeWatchOptions;
  readonly #clock: Clock;
  readonly #names = new Set<string>();
  /** By node name; the one for all of them under "". */
  readonly #watched = new Map<string, Watched>();
  readonly #tasks = new Set<Promise<void>>();
  #running: AbortSignal | undefined;

  constructor(options: NodeWatchOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  add(name: string): void {
    this.#names.add(name);
    const key = this.#key(name);
    if (this.#watched.has(key)) return;
    const { client, onChange, log, metrics, random } = this.#options;
    const informer = new Informer<Node>({
      client,
      resource: nodes,
      ...(key === "" ? {} : { fieldSelector: `metadata.name=${name}` }),
      accept: (node) => this.#names.has(node.metadata?.name ?? ""),
      onChange,
      clock: this.#clock,
      ...(random === undefined ? {} : { random }),
      ...(log === undefined ? {} : { log }),
      ...(metrics === undefined ? {} : { metrics }),
    });
    const watched = { informer, abort: new AbortController() };
    this.#watched.set(key, watched);
    if (this.#running !== undefined) this.#start(watched, this.#running);
  }

  remove(name: string): void {
    this.#names.delete(name);
    const key = this.#key(name);
    if (key === "") return;
    this.#watched.get(key)?.abort.abort();
    this.#watched.delete(key);
  }

  /** The Node as last seen. */
  get(name: string): Stored<Node> | undefined {
    return this.#names.has(name) ? this.#watched.get(this.#key(name))?.informer.get("", name) : undefined;
  }

  /** Resolves when the first state was read: from then on `get` without an answer means that there is no such Node. */
  async synced(name: string): Promise<void> {
    await this.#watched.get(this.#key(name))?.informer.synced;
  }

  async run(signal: AbortSignal): Promise<void> {
    this.#running = signal;
    for (const watched of this.#watched.values()) this.#start(watched, signal);
    await new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      else signal.addEventListener("abort", () => resolve(), { once: true });
    });
    this.#running = undefined;
    await Promise.all(this.#tasks);
  }

  #key(name: string): string {
    return this.#options.mode === "shared" ? "" : name;
  }

  #start({ informer, abort }: Watched, signal: AbortSignal): void {
    const task = informer.run(AbortSignal.any([signal, abort.signal])).finally(() => this.#tasks.delete(task));
    this.#tasks.add(task);
  }
}
