// What the chaos tests share: seeded chance, churn of pods whose right end is known, the history of every pod as the API
// told it, a cuttable wire, and the promise itself: no pod lost, doubled, leaked or changed after its end.
import assert from "node:assert/strict";
import { createServer, type NetConnectOpts, type Server, type Socket, connect as socketTo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { isErrorKind } from "../packages/virtual-kubelet/src/errors.ts";
import type { KubeClient } from "../packages/virtual-kubelet/src/kube/client.ts";
import { Informer } from "../packages/virtual-kubelet/src/kube/informer.ts";
import { jobs, pods, type Stored } from "../packages/virtual-kubelet/src/kube/resource.ts";
import type { Pod } from "../packages/virtual-kubelet/src/kube/types.gen.ts";
import type { PodReport } from "../packages/virtual-kubelet/src/provider/pods.ts";
import type { JournalEntry } from "../packages/virtual-kubelet/src/providers/mock/backend-server.ts";
import type { BackendAction } from "../packages/virtual-kubelet/src/providers/mock/connection.ts";
import { remoteConnection } from "../packages/virtual-kubelet/src/providers/mock/remote-connection.ts";
import { eventually, type PodShape, podObject, podTemplate } from "./harness.ts";

/** Chance that can be had again: the seed is printed; $CHAOS_SEED sets it. */
export function seededRandom(title: string): () => number {
  const seed = Number(process.env["CHAOS_SEED"] ?? Date.now() % 1_000_000);
  console.log(`${title}: CHAOS_SEED=${seed}`);
  let state = seed >>> 0;
  // mulberry32
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export const between = (random: () => number, from: number, to: number): number => from + (to - from) * random();

/** Does it until the API server has answered: what was done by a try whose answer was lost counts as done. */
export async function persist<T>(attempt: () => Promise<T>): Promise<T | undefined> {
  for (const deadline = Date.now() + 60_000; ; await sleep(200)) {
    try {
      return await attempt();
    } catch (error) {
      if (isErrorKind(error, "NotFound", "Conflict")) return undefined;
      if (Date.now() > deadline || isErrorKind(error, "Invalid")) throw error;
    }
  }
}

/** How a pod is meant to end. */
type End = "running" | "succeeded" | "failed" | "gone";

interface Expected {
  readonly end: End;
  /** Of the object that is meant to be there at the end, or of the one that is gone. */
  readonly uid: string;
}

export interface ChurnOptions {
  readonly client: KubeClient;
  readonly node: string;
  readonly random: () => number;
  /** Begins each name. */
  readonly prefix: string;
  readonly pods: number;
  /** Jobs of two pods each; they must succeed without a single failure. */
  readonly jobs: number;
  /** Over which all of it is begun. */
  readonly durationMs: number;
  /** False: every pod names its node. An API server that dies under it can take the scheduler with it ("cache is corrupted"). */
  readonly scheduler: boolean;
}

/** Creates, completes, deletes, force-deletes and replaces pods, and knows how each of them must end. */
export class Churn {
  readonly #options: ChurnOptions;
  readonly #expected = new Map<string, Expected>();
  readonly #gone = new Set<string>();

  constructor(options: ChurnOptions) {
    this.#options = options;
  }

  /** Resolves when everything was asked for, not when it has happened. */
  async run(): Promise<void> {
    const { random, durationMs, prefix } = this.#options;
    const lives: Promise<void>[] = [];
    for (let index = 0; index < this.#options.pods; index++)
      lives.push(this.#live(`${prefix}-${index}`, random() * durationMs, random()));
    for (let index = 0; index < this.#options.jobs; index++)
      lives.push(this.#job(`${prefix}-job-${index}`, random() * durationMs));
    await Promise.all(lives);
  }

  /** Waits until all is as it should be, or tells what is not. */
  async settle(deadlineMs: number): Promise<void> {
    const { client, prefix } = this.#options;
    let faults: string[] = [];
    const look = async (): Promise<boolean> => {
      faults = [];
      const list = (await client.list(pods, { namespace: "default" })).items;
      const byName = new Map(list.map((pod) => [pod.metadata.name, pod]));
      for (const [name, expected] of this.#expected) {
        const fault = faultOf(byName.get(name), expected);
        if (fault !== undefined) faults.push(`${name} (${expected.uid}): ${fault}`);
      }
      const known = list.filter(({ metadata }) => this.#gone.has(metadata.uid));
      for (const { metadata } of known) faults.push(`${metadata.name}: the deleted one is still there`);
      for (const job of (await client.list(jobs, { namespace: "default" })).items) {
        if (!job.metadata.name.startsWith(`${prefix}-`)) continue;
        const { succeeded = 0, failed = 0 } = job.status ?? {};
        if (succeeded !== 2 || failed !== 0) faults.push(`job ${job.metadata.name}: ${JSON.stringify(job.status)}`);
      }
      return faults.length === 0;
    };
    try {
      await eventually(`${prefix}: all pods as they should be`, deadlineMs, look);
    } catch (error) {
      throw new Error(`${String(error)}\n${faults.join("\n")}`);
    }
  }

  async #live(name: string, startMs: number, lot: number): Promise<void> {
    const { random } = this.#options;
    const life = between(random, 0, 6000);
    const grace = Math.ceil(between(random, 0, 3));
    const scheduled = random() < 0.3 && this.#options.scheduler;
    const startDelay = { "start-delay": `${Math.round(between(random, 0, 1200))}ms` };
    const dying = { ...startDelay, "terminate-delay": `${Math.round(between(random, 0, 2500))}ms` };
    const finite = { ...startDelay, "run-time": `${Math.round(between(random, 100, 4000))}ms` };
    await sleep(startMs);
    const create = (mock: Record<string, string>, spec: PodShape["spec"] = {}): Promise<string> =>
      this.#create(name, { mock, spec: { ...(scheduled ? this.#bySelector() : this.#byName()), ...spec } });
    if (lot < 0.35) this.#expect(name, "running", await create(startDelay));
    else if (lot < 0.5) this.#expect(name, "succeeded", await create(finite, { restartPolicy: "Never" }));
    else if (lot < 0.58)
      this.#expect(name, "failed", await create({ ...finite, "exit-code": "3" }, { restartPolicy: "Never" }));
    else {
      const uid = await create(dying, { terminationGracePeriodSeconds: grace });
      await sleep(life);
      const forced = lot >= 0.8;
      this.#gone.add(uid);
      await this.#delete(name, uid, forced ? 0 : undefined);
      if (lot < 0.7 || lot >= 0.9) return this.#expect(name, "gone", uid);
      // The same name again, at once when it was forced.
      await eventually(`${name} is gone`, 90_000, async () => (await this.#uidOf(name)) !== uid);
      this.#expect(name, "running", await create(startDelay));
    }
  }

  async #job(name: string, startMs: number): Promise<void> {
    const { client, random } = this.#options;
    await sleep(startMs);
    const mock = { "run-time": `${Math.round(between(random, 100, 3000))}ms` };
    const place = this.#options.scheduler ? this.#bySelector() : this.#byName();
    const template = podTemplate({ mock, spec: { ...place, restartPolicy: "Never" } });
    const metadata = { name, namespace: "default" };
    const spec = { completions: 2, parallelism: 2, backoffLimit: 0, template };
    await persist(() => client.create(jobs, { apiVersion: "batch/v1", kind: "Job", metadata, spec }));
  }

  #byName(): NonNullable<PodShape["spec"]> {
    return { nodeName: this.#options.node };
  }

  #bySelector(): NonNullable<PodShape["spec"]> {
    return { nodeSelector: { "kubernetes.io/hostname": this.#options.node } };
  }

  #expect(name: string, end: End, uid: string): void {
    this.#expected.set(name, { end, uid });
  }

  async #create(name: string, shape: PodShape): Promise<string> {
    const created = await persist(() => this.#options.client.create(pods, podObject(name, shape)));
    return created?.metadata.uid ?? (await eventually(`UID of ${name}`, 60_000, () => this.#uidOf(name)));
  }

  async #delete(name: string, uid: string, gracePeriodSeconds: number | undefined): Promise<void> {
    const options = { uid, ...(gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds }) };
    await persist(() => this.#options.client.delete(pods, { namespace: "default", name }, options));
  }

  async #uidOf(name: string): Promise<string | undefined> {
    try {
      return (await this.#options.client.get(pods, { namespace: "default", name })).metadata.uid;
    } catch (error) {
      if (isErrorKind(error, "NotFound")) return undefined;
      throw error;
    }
  }
}

function faultOf(pod: Stored<Pod> | undefined, { end, uid }: Expected): string | undefined {
  if (end === "gone") return pod === undefined || pod.metadata.uid !== uid ? undefined : "still in the API";
  if (pod === undefined) return "not in the API";
  if (pod.metadata.uid !== uid) return `is another one: ${pod.metadata.uid}`;
  const phase = pod.status?.phase?.toLowerCase();
  if (phase !== end) return `is not ${end}: ${JSON.stringify({ node: pod.spec?.nodeName, ...pod.status })}`;
  const ready = pod.status?.conditions?.find(({ type }) => type === "Ready")?.status;
  if (ready !== (end === "running" ? "True" : "False")) return `Ready is ${ready}`;
  const container = pod.status?.containerStatuses?.[0];
  if (container?.restartCount !== 0) return `restarted ${container?.restartCount} times`;
  const code = container.state?.terminated?.exitCode;
  const wanted = end === "running" ? undefined : end === "succeeded" ? 0 : 3;
  return code === wanted ? undefined : `exit code ${code}`;
}

interface Told {
  readonly name: string;
  /** Phase, with the reason where there is one, each time it changed. */
  readonly phases: string[];
  /** Status changes seen. */
  statuses: number;
  last: Stored<Pod>;
  deleted: boolean;
  deletedUnseen: boolean;
}

/** What the API said of every pod, change by change, from `recordHistory` on. */
export interface History {
  readonly byUid: ReadonlyMap<string, Told>;
  /** Faults that no chaos excuses: phases that went back, ends that changed, pods deleted without a final status. */
  faults(): readonly string[];
  stop(): Promise<void>;
}

export async function recordHistory(client: KubeClient): Promise<History> {
  const byUid = new Map<string, Told>();
  const end = new AbortController();
  const informer = new Informer<Pod>({
    client,
    resource: pods,
    namespace: "default",
    onChange: (change) => {
      const { object } = change;
      const { name, uid } = object.metadata;
      let told = byUid.get(uid);
      if (told === undefined) {
        told = { name, phases: [], statuses: 0, last: object, deleted: false, deletedUnseen: false };
        byUid.set(uid, told);
      }
      const status = JSON.stringify(object.status);
      if (status !== JSON.stringify(told.last.status)) told.statuses += 1;
      told.last = object;
      const phase = [object.status?.phase, object.status?.reason].filter((part) => part !== undefined).join(" ");
      if (told.phases.at(-1) !== phase) told.phases.push(phase);
      if (change.type !== "deleted") return;
      told.deleted = true;
      told.deletedUnseen = change.finalStateUnknown;
    },
  });
  const running = informer.run(end.signal);
  await informer.synced;
  return {
    byUid,
    faults: () =>
      [...byUid].flatMap(([uid, told]) => [...historyFaults(told)].map((fault) => `${told.name} (${uid}): ${fault}`)),
    stop: async () => {
      end.abort();
      await running;
    },
  };
}

const rank: Readonly<Record<string, number>> = { Pending: 0, Running: 1, Succeeded: 2, Failed: 2 };

function* historyFaults({ phases, last, deleted, deletedUnseen }: Told): Iterable<string> {
  const story = phases.join(" -> ");
  const ranks = phases.map((phase) => rank[phase.split(" ")[0] ?? ""] ?? Number.NaN);
  for (const [index, value] of ranks.entries()) {
    const before = ranks[index - 1];
    if (before === undefined) continue;
    if (before > value) yield `went back: ${story}`;
    if (before === 2) yield `changed after its end: ${story}`;
  }
  // The scheduler's and a force deletion end a pod without the kubelet's word.
  const graceful = (last.metadata.deletionGracePeriodSeconds ?? 0) > 0 || ranks.at(-1) === 2;
  if (deleted && !deletedUnseen && graceful && ranks.at(-1) !== 2) yield `deleted without a final status: ${story}`;
}

/** A mock backend in another process, as a test sees it. */
export interface BackendView {
  list(node: string): Promise<readonly PodReport[]>;
  act(action: BackendAction): Promise<void>;
  close(): Promise<void>;
}

export function backendView(address: string): BackendView {
  const connection = remoteConnection(address);
  return {
    list: (node) => connection.list(node, AbortSignal.timeout(10_000)),
    act: (action) => connection.act(action, AbortSignal.timeout(10_000)),
    close: () => connection.close(),
  };
}

/** Pods that the backend started more than once, by its own account. */
export function startedTwice(journal: readonly JournalEntry[]): readonly string[] {
  const started = new Map<string, number>();
  const faults: string[] = [];
  for (const { method, uid, name, outcome } of journal) {
    if (method !== "createPod" || uid === undefined || outcome === "exists" || outcome.startsWith("error")) continue;
    const times = (started.get(uid) ?? 0) + 1;
    started.set(uid, times);
    if (times > 1 || outcome !== "created") faults.push(`${name} (${uid}): ${outcome}, start ${times}`);
  }
  return faults;
}

/** Waits until the backend has exactly the pods of this node that the API has (pods ended before they ran aside), and none too many. */
export async function bothSidesAgree(
  client: KubeClient,
  backend: BackendView,
  node: string,
  deadlineMs: number,
): Promise<void> {
  let faults: string[] = [];
  const look = async (): Promise<boolean> => {
    const there = new Map((await backend.list(node)).map((report) => [report.owner.uid, report]));
    const { items } = await client.list(pods, { fieldSelector: `spec.nodeName=${node}` });
    const wanted = new Map(items.map((pod) => [pod.metadata.uid, pod]));
    faults = [...there.values()]
      .filter(({ owner }) => !wanted.has(owner.uid))
      .map(({ owner }) => `leaked: ${owner.name}`);
    for (const [uid, pod] of wanted) {
      const runs = there.get(uid)?.containers.some(({ state }) => state.running) === true;
      if (runs !== (pod.status?.phase === "Running"))
        faults.push(`${pod.metadata.name}: ${pod.status?.phase}, runs: ${runs}`);
    }
    return faults.length === 0;
  };
  try {
    await eventually(`backend and API agree about ${node}`, deadlineMs, look);
  } catch (error) {
    throw new Error(`${String(error)}\n${faults.join("\n")}`);
  }
}

/** A wire between two programs that a test cuts, holds and lets go again. Bytes pass unread, TLS included. */
export class Wire implements AsyncDisposable {
  readonly #server: Server;
  readonly #target: NetConnectOpts;
  readonly #listen: { readonly path: string } | { readonly host: string; readonly port: number };
  readonly #sockets = new Set<Socket>();
  #held = false;
  /** Of a TCP wire. */
  port = 0;

  /** `listen`: path of a socket, or undefined for a port on loopback. */
  constructor(target: NetConnectOpts, listen?: string) {
    this.#target = target;
    this.#listen = listen === undefined ? { host: "127.0.0.1", port: 0 } : { path: listen };
    this.#server = createServer({ allowHalfOpen: true }, (socket) => this.#accept(socket));
  }

  async open(): Promise<void> {
    const listening = Promise.withResolvers<void>();
    this.#server.once("error", listening.reject);
    const where = this.port === 0 ? this.#listen : { host: "127.0.0.1", port: this.port };
    this.#server.listen(where, () => listening.resolve());
    await listening.promise;
    const address = this.#server.address();
    if (typeof address === "object" && address !== null) this.port = address.port;
  }

  /** Breaks what is open; new connections are taken. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Breaks what is open and refuses what comes, until `open`. */
  async shut(): Promise<void> {
    const closed = Promise.withResolvers<void>();
    this.#server.close(() => closed.resolve());
    this.cut();
    await closed.promise;
  }

  /** Nothing gets through any more, and nobody is told; until `release`. */
  hold(): void {
    this.#held = true;
    for (const socket of this.#sockets) socket.pause();
  }

  release(): void {
    this.#held = false;
    for (const socket of this.#sockets) socket.resume();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#server.listening) await this.shut();
  }

  #accept(socket: Socket): void {
    const other = socketTo({ ...this.#target, allowHalfOpen: true });
    for (const [from, to] of [
      [socket, other],
      [other, socket],
    ] as const) {
      this.#sockets.add(from);
      from.on("data", (chunk) => {
        if (!to.write(chunk)) from.pause();
      });
      from.on("drain", () => this.#held || to.resume());
      from.on("end", () => to.end());
      // An error is always followed by close.
      from.on("error", () => {});
      from.on("close", () => {
        this.#sockets.delete(from);
        to.destroy();
      });
      if (this.#held) from.pause();
    }
  }
}

/** Waits for all of them, whatever fails first: nothing of a test goes on after it. */
export async function together(...works: readonly Promise<unknown>[]): Promise<void> {
  for (const outcome of await Promise.allSettled(works)) if (outcome.status === "rejected") throw outcome.reason;
}

export function noFaults(what: string, faults: readonly string[]): void {
  assert.deepEqual(faults, [], `${what}:\n${faults.join("\n")}`);
}
