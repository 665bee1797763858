// What is known and remembered about one virtual node: a map entry, all that a node costs.
import type { Stored } from "../kube/resource.ts";
import type { Node } from "../kube/types.gen.ts";
import type { NodeReport } from "../provider/node.ts";
import type { NodeAddition } from "./node-addition.ts";
import type { NodeTemplate } from "./node-object.ts";
import { nothingOurs, type Ours } from "./node-ours.ts";
import type { PingSettings } from "./ping-monitor.ts";

/** One virtual node: what is configured, and what its provider can tell about it. */
export interface NodeSpec extends NodeTemplate, Partial<PingSettings> {
  /** Yields the node at once, then at each change; the first value precedes the registration. Begun again when it ends. */
  readonly watchNode?: ((signal: AbortSignal) => AsyncIterable<NodeReport>) | undefined;
  /** Changes the Node once, before its registration. */
  readonly configureNode?: ((node: Node, signal: AbortSignal) => Promise<Node>) | undefined;
}

/** Parts of a Node that are refused apart from one another. */
export type RefusedPart = "spec" | "metadata";

/** Writes beyond the heartbeat that may come in a row, and then one each so often: another writer may undo ours for ever. */
const writeBurst = 20;
const writePaceMs = 5_000;
/** A part that was refused is tried again, unchanged, only after this: roles and admission are fixed by hand. */
const refusedMs = 600_000;

export class NodeEntry {
  readonly spec: NodeSpec;
  /** Aborted when the node is removed. */
  readonly stop: AbortController = new AbortController();
  /** Set once the first read of the API's state was given its chance. */
  open: boolean = false;
  /** The configured Node, after the provider's configureNode. */
  base: Node | undefined;
  report: NodeReport | undefined;
  /** Of the program's own. */
  addition: NodeAddition | undefined;
  /** Where its kubelet API listens, when that is known only at run time. */
  port: number | undefined;
  /** Why the program itself holds the node back. */
  gate: string | undefined;
  ours: Ours = nothingOurs;
  /** Epoch milliseconds. */
  nextHeartbeat: number = 0;
  /** Fingerprint of status changes that the API server answered without taking them. */
  untaken: string = "";
  /** UID of the Node last seen. */
  uid: string | undefined;
  failures: number = 0;
  /** What was told already, by topic. */
  readonly told: Map<string, string> = new Map();
  readonly registered: PromiseWithResolvers<void> = Promise.withResolvers<void>();

  /** The answer to our last write, while the watch has not caught up with it. */
  #written: Stored<Node> | undefined;
  #goneUid: string | undefined;
  readonly #refused = new Map<RefusedPart, { readonly patch: string; readonly until: number }>();
  #writes = writeBurst;
  #writesAt = 0;

  constructor(spec: NodeSpec) {
    this.spec = spec;
    // Who waits for it hears of a removal; when nobody waits, that is no fault.
    this.registered.promise.catch(() => undefined);
  }

  /** The newest that is known of the Node, `cached` being what the watch has. */
  newest(cached: Stored<Node> | undefined): Stored<Node> | undefined {
    const seen = cached?.metadata.uid === this.#goneUid ? undefined : cached;
    if (this.#written === undefined || seen === undefined) return this.#written ?? seen;
    return isOlder(seen, this.#written) ? this.#written : seen;
  }

  wrote(node: Stored<Node>): void {
    // The watch may tell of the deletion before the answer to an earlier write is here.
    if (node.metadata.uid !== this.#goneUid) this.#written = node;
  }

  saw(node: Stored<Node>): void {
    if (this.#written !== undefined && !isOlder(node, this.#written)) this.#written = undefined;
  }

  gone(uid: string): void {
    this.#goneUid = uid;
    if (this.#written?.metadata.uid === uid) this.#written = undefined;
  }

  refuse(part: RefusedPart, patch: string, now: number): void {
    this.#refused.set(part, { patch, until: now + refusedMs });
  }

  isRefused(part: RefusedPart, patch: string, now: number): boolean {
    const refused = this.#refused.get(part);
    return refused?.patch === patch && now < refused.until;
  }

  /** Takes one write from the budget and answers 0, or answers in how many milliseconds there will be one. */
  takeWrite(now: number): number {
    this.#writes = Math.min(writeBurst, this.#writes + Math.max(0, now - this.#writesAt) / writePaceMs);
    this.#writesAt = now;
    if (this.#writes < 1) return (1 - this.#writes) * writePaceMs;
    this.#writes -= 1;
    return 0;
  }
}

/** Resource versions of one cluster are comparable numbers; where they are not, the watch is believed. */
function isOlder(a: Stored<Node>, b: Stored<Node>): boolean {
  const [left, right] = [a.metadata.resourceVersion, b.metadata.resourceVersion];
  return /^\d+$/.test(left) && /^\d+$/.test(right) && BigInt(left) < BigInt(right);
}
