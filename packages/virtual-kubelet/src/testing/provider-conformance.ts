// The conformance suite for providers: node:test tests that any Provider must pass, run against its real backend or an
// emulator. Skips, with the reason, what the provider says it cannot do.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { isErrorKind } from "../errors.ts";
import type { Stored } from "../kube/resource.ts";
import type { Pod, PodSpec } from "../kube/types.gen.ts";
import { silentLogger } from "../log.ts";
import type { CallContext, PodOwner, PodReport, PodRequest, PodUpdate, Provider } from "../provider.ts";
import { reportFaults } from "./report-faults.ts";

/** What of a pod matters to the backend. */
export interface PodTemplate {
  readonly spec: PodSpec;
  readonly annotations?: Readonly<Record<string, string>> | undefined;
}

export interface ConformanceSubject {
  /** Made for `node` of the options and for the cluster "conformance". */
  readonly provider: Provider;
  readonly dispose: () => Promise<void>;
}

export interface ConformanceOptions {
  /** Called once for the suite, and once more by the test of adoption when `outlives` is set. */
  readonly create: () => Promise<ConformanceSubject>;
  /** Default "conformance-node". */
  readonly node?: string | undefined;
  /** A pod with one container that runs until it is stopped and ends soon after TERM. Default: image pause. */
  readonly runningPod?: PodTemplate | undefined;
  /** A pod of restartPolicy Never whose one container ends with this code. Absent: no test of that. */
  readonly finishingPod?: ((exitCode: number) => PodTemplate) | undefined;
  /** A pod of restartPolicy Always whose one container ends by itself, again and again. Absent: no test of that. */
  readonly restartingPod?: PodTemplate | undefined;
  /** Whether running pods have an IP address of their own. Default true. */
  readonly addresses?: boolean | undefined;
  /** Whether pods outlive the provider object, as everywhere but in memory. Default false. */
  readonly outlives?: boolean | undefined;
  /** Optional methods that the provider does not have: the suite holds it to that as well. Default: none is lacking. */
  readonly lacks?: readonly OptionalMethod[] | undefined;
  /** How long a pod may take to start, or beyond its grace to end. Default 30 000. */
  readonly timeoutMs?: number | undefined;
}

const optionalMethods = ["updatePod", "watchPods", "watchNode", "ping", "configureNode"] as const;
type OptionalMethod = (typeof optionalMethods)[number];

/** Registers the suite under `name`. Nothing in it is skipped: what the subject cannot do has no test. */
export function providerConformance(name: string, options: ConformanceOptions): void {
  describe(`${name} keeps the provider contract`, () => {
    const bench = new Bench(options);
    before(() => bench.open());
    after(() => bench.close());

    const lacks = (method: OptionalMethod): boolean => options.lacks?.includes(method) === true;

    test("has the optional methods that it is said to have, and no others", () => {
      assert.deepEqual(
        optionalMethods.filter((method) => bench.provider[method] === undefined),
        optionalMethods.filter(lacks),
      );
    });

    test("a created pod runs", async () => {
      const request = await bench.created();
      const report = await bench.running(request.owner);
      assert.deepEqual(
        report.containers.map((container) => container.name),
        request.pod.spec?.containers.map((container) => container.name),
      );
      assert.deepEqual(report.owner, request.owner);
      if (options.addresses !== false) assert.ok((report.podIPs?.length ?? 0) > 0, "a running pod has an IP address");
    });

    test("create is idempotent by UID, one call after another and side by side", async () => {
      const request = bench.request();
      await bench.provider.createPod(request, bench.context);
      await bench.provider.createPod(request, bench.context);
      const first = await bench.running(request.owner);
      await Promise.all([1, 2, 3].map(() => bench.provider.createPod(request, bench.context)));
      const again = await bench.running(request.owner);
      assert.deepEqual(identities(again), identities(first), "the containers are the same as before");
      const reports = await bench.provider.getPods(bench.context);
      assert.equal(reports.filter((report) => report.owner.uid === request.owner.uid).length, 1);
      const fresh = bench.request();
      await Promise.all([1, 2, 3].map(() => bench.provider.createPod(fresh, bench.context)));
      await bench.running(fresh.owner);
      const all = await bench.provider.getPods(bench.context);
      assert.equal(all.filter((report) => report.owner.uid === fresh.owner.uid).length, 1);
    });

    test("two pods of one name and different UIDs are two pods", async () => {
      const [older, newer] = [bench.request("same-name"), bench.request("same-name")];
      await bench.provider.createPod(older, bench.context);
      await bench.provider.createPod(newer, bench.context);
      const [one, two] = [await bench.running(older.owner), await bench.running(newer.owner)];
      if (options.addresses !== false) assert.notDeepEqual(one.podIPs, two.podIPs);
      await bench.deleted(older.owner, 1);
      await bench.running(newer.owner);
    });

    test("pods whose joined names collide are two pods", async () => {
      const [one, two] = [bench.request("c", "a-b"), bench.request("b-c", "a")];
      await bench.provider.createPod(one, bench.context);
      await bench.provider.createPod(two, bench.context);
      assert.deepEqual((await bench.running(one.owner)).owner, one.owner);
      assert.deepEqual((await bench.running(two.owner)).owner, two.owner);
    });

    test("getPods is complete and names the owners", async () => {
      const requests = await Promise.all([1, 2, 3, 4, 5].map(() => bench.created()));
      await Promise.all(requests.map(({ owner }) => bench.running(owner)));
      const reports = await bench.provider.getPods(bench.context);
      for (const report of reports) bench.see(report);
      for (const { owner } of requests) {
        assert.deepEqual(reports.find((report) => report.owner.uid === owner.uid)?.owner, owner);
      }
    });

    test("what does not exist is NotFound", async () => {
      const { owner } = bench.request();
      await assert.rejects(bench.provider.getPodStatus(owner, bench.context), isNotFound);
      await assert.rejects(bench.provider.deletePod(owner, { gracePeriodSeconds: 1 }, bench.context), isNotFound);
      const { owner: existing } = await bench.created();
      await bench.running(existing);
      // The name is there, the UID is not.
      const successor = { ...existing, uid: owner.uid };
      await assert.rejects(bench.provider.getPodStatus(successor, bench.context), isNotFound);
      await assert.rejects(bench.provider.deletePod(successor, { gracePeriodSeconds: 0 }, bench.context), isNotFound);
      await bench.running(existing);
    });

    test("a deletion ends within its grace, and can be asked for again", async () => {
      const { owner } = await bench.created();
      await bench.running(owner);
      await bench.provider.deletePod(owner, { gracePeriodSeconds: 5 }, bench.context);
      await bench.provider.deletePod(owner, { gracePeriodSeconds: 2 }, bench.context).catch(expectNotFound);
      await bench.ended(owner, 5);
    });

    test("a deletion with no grace ends at once", async () => {
      const { owner } = await bench.created();
      await bench.running(owner);
      await bench.deleted(owner, 0);
    });

    test("a pod can be deleted before it runs", async () => {
      const { owner } = await bench.created();
      await bench.appeared(owner);
      await bench.deleted(owner, 1);
    });

    const watching = lacks("watchPods") ? undefined : "watchPods pushes what happens";
    optional(watching, async () => {
      const watch = bench.provider.watchPods?.bind(bench.provider);
      assert.ok(watch !== undefined);
      const stop = new AbortController();
      const updates: PodUpdate[] = [];
      const watching = collect(watch({ signal: stop.signal, log: silentLogger }), updates);
      const { owner } = await bench.created();
      const reports = (): PodReport[] =>
        updates.flatMap((update) =>
          update.type === "report" && update.report.owner.uid === owner.uid ? [update.report] : [],
        );
      await bench.until(() => reports().some(isRunning), "a report of the running pod");
      await bench.deleted(owner, 1);
      await bench.until(
        () =>
          updates.some((update) => update.type === "gone" && update.owner.uid === owner.uid) || reports().some(isOver),
        "the end of the pod",
      );
      for (const report of reports()) bench.see(report);
      stop.abort();
      await promptly(watching, "watchPods after its signal aborted").catch(expectAborted);
    });

    test("an aborted call does nothing and says Aborted", async () => {
      const { owner } = await bench.created();
      await bench.running(owner);
      const request = bench.request();
      const aborted: CallContext = { signal: AbortSignal.abort(), log: silentLogger };
      const { provider } = bench;
      const calls: Record<string, () => Promise<unknown>> = {
        createPod: () => provider.createPod(request, aborted),
        deletePod: () => provider.deletePod(owner, { gracePeriodSeconds: 0 }, aborted),
        getPodStatus: () => provider.getPodStatus(owner, aborted),
        getPods: () => provider.getPods(aborted),
        ...(provider.updatePod === undefined
          ? {}
          : { updatePod: async () => await provider.updatePod?.(request, aborted) }),
        ...(provider.ping === undefined ? {} : { ping: async () => await provider.ping?.(aborted) }),
      };
      for (const [method, call] of Object.entries(calls)) {
        await assert.rejects(promptly(call(), method), isAborted, `${method} with an aborted signal`);
      }
      await bench.running(owner);
      await sleep((provider.capabilities?.consistencyDelaySeconds ?? 0) * 1000);
      await assert.rejects(provider.getPodStatus(request.owner, bench.context), isNotFound);
    });

    test("a call that is aborted under way ends promptly", async () => {
      const { owner } = await bench.created();
      const { provider } = bench;
      const calls: Record<string, (context: CallContext) => Promise<unknown>> = {
        createPod: (context) => provider.createPod(bench.request(), context),
        getPodStatus: (context) => provider.getPodStatus(owner, context),
        getPods: (context) => provider.getPods(context),
      };
      for (const [method, call] of Object.entries(calls)) {
        const stop = new AbortController();
        const ending = call({ signal: stop.signal, log: silentLogger });
        stop.abort();
        // Whether it came in time to do its work is its own affair.
        await promptly(ending, method).catch(expectAborted);
      }
    });

    const { finishingPod, restartingPod } = options;
    optional(finishingPod && "a finished pod keeps its exit code", async () => {
      assert.ok(finishingPod !== undefined);
      for (const exitCode of [0, 3]) {
        const { owner } = await bench.created(finishingPod(exitCode));
        const over = await bench.report(owner, isOver, "the pod to finish");
        assert.equal(over.containers[0]?.state.terminated?.exitCode, exitCode);
        const inList = (await bench.provider.getPods(bench.context)).find((report) => report.owner.uid === owner.uid);
        assert.equal(inList?.containers[0]?.state.terminated?.exitCode, exitCode, "getPods has finished pods as well");
        const later = bench.see(await bench.provider.getPodStatus(owner, bench.context));
        assert.equal(later.containers[0]?.state.terminated?.exitCode, exitCode);
        await bench.deleted(owner, 1);
      }
    });

    optional(restartingPod && "a container that ends is restarted by its policy, and counted", async () => {
      const { owner } = await bench.created(restartingPod);
      const restarted = await bench.report(
        owner,
        (report) => (report.containers[0]?.restartCount ?? 0) >= 1,
        "a restart",
      );
      assert.notEqual(restarted.containers[0]?.lastState?.terminated, undefined, "lastState tells how the run ended");
    });

    test("pods of other owners are left alone and keep their owner", async () => {
      const other = bench.request();
      const foreign = { ...other, owner: { ...other.owner, cluster: "another-cluster" } };
      await bench.provider.createPod(foreign, bench.context);
      await bench.running(foreign.owner);
      const { owner } = await bench.created();
      await bench.running(owner);
      await bench.deleted(owner, 1);
      assert.deepEqual((await bench.running(foreign.owner)).owner, foreign.owner);
      const listed = (await bench.provider.getPods(bench.context)).find(
        (report) => report.owner.uid === foreign.owner.uid,
      );
      if (listed !== undefined) assert.deepEqual(listed.owner, foreign.owner);
    });

    optional(lacks("updatePod") ? undefined : "updatePod applies metadata without a restart", async () => {
      assert.ok(bench.provider.updatePod !== undefined);
      const request = await bench.created();
      const first = await bench.running(request.owner);
      const metadata = { ...request.pod.metadata, labels: { changed: "yes" } };
      const changed = { ...request, pod: { ...request.pod, metadata }, revision: "2" };
      await bench.provider.updatePod(changed, bench.context);
      const report = await bench.running(request.owner);
      assert.deepEqual(identities(report), identities(first));
      if (report.revision !== undefined) assert.equal(report.revision, "2");
      await assert.rejects(bench.provider.updatePod(bench.request(), bench.context), isNotFound);
    });

    const ofNode = lacks("ping") && lacks("watchNode") && lacks("configureNode");
    optional(ofNode ? undefined : "the node is reported at once, and the backend answers a ping", async () => {
      const { provider } = bench;
      await provider.ping?.(bench.context);
      if (provider.watchNode !== undefined) {
        const stop = new AbortController();
        const reports = provider.watchNode({ signal: stop.signal, log: silentLogger })[Symbol.asyncIterator]();
        assert.notEqual((await promptly(reports.next(), "the first report of the node")).done, true);
        const next = reports.next();
        stop.abort();
        await promptly(next, "watchNode after its signal aborted").catch(expectAborted);
      }
      const node = { metadata: { name: bench.node, labels: { kept: "yes" } } };
      const configured = await provider.configureNode?.(node, bench.context);
      if (configured !== undefined) {
        assert.equal(configured.metadata?.name, bench.node);
        assert.equal(configured.metadata?.labels?.["kept"], "yes");
        assert.deepEqual(
          node,
          { metadata: { name: bench.node, labels: { kept: "yes" } } },
          "the node given is unchanged",
        );
      }
    });

    optional(options.outlives && "pods outlive the provider, and are found again", async () => {
      const { owner } = await bench.created();
      const first = await bench.running(owner);
      await bench.reopen();
      const again = await bench.running(owner);
      assert.deepEqual(again.owner, owner);
      assert.deepEqual(identities(again), identities(first));
      const listed = await bench.provider.getPods(bench.context);
      assert.ok(listed.some((report) => report.owner.uid === owner.uid));
    });
  });
}

const defaultPod: PodTemplate = { spec: { containers: [{ name: "main", image: "registry.k8s.io/pause:3.10" }] } };

/** The provider under test, what was made with it, and what was seen of that. */
class Bench {
  readonly #options: ConformanceOptions;
  readonly #timeoutMs: number;
  readonly #made = new Map<string, PodRequest>();
  readonly #seen = new Map<string, PodReport>();
  readonly #stop = new AbortController();
  #subject: ConformanceSubject | undefined;

  constructor(options: ConformanceOptions) {
    this.#options = options;
    this.#timeoutMs = options.timeoutMs ?? 30_000;
  }

  get provider(): Provider {
    assert.ok(this.#subject !== undefined, "the provider was made");
    return this.#subject.provider;
  }

  get node(): string {
    return this.#options.node ?? "conformance-node";
  }

  get context(): CallContext {
    return { signal: this.#stop.signal, log: silentLogger };
  }

  async open(): Promise<void> {
    this.#subject = await this.#options.create();
  }

  async reopen(): Promise<void> {
    await this.#dispose();
    await this.open();
  }

  /** Leaves nothing on the backend. */
  async close(): Promise<void> {
    if (this.#subject === undefined) return;
    for (const { owner } of this.#made.values()) {
      await this.provider.deletePod(owner, { gracePeriodSeconds: 0 }, this.context).catch(expectNotFound);
    }
    await this.#dispose();
    this.#stop.abort();
  }

  async #dispose(): Promise<void> {
    await this.#subject?.provider[Symbol.asyncDispose]?.();
    await this.#subject?.dispose();
    this.#subject = undefined;
  }

  /** A pod of its own UID, not yet created. */
  request(name?: string, namespace = "conformance", template?: PodTemplate): PodRequest {
    const { spec, annotations } = template ?? this.#options.runningPod ?? defaultPod;
    const uid = randomUUID();
    const own = name ?? `pod-${uid.slice(0, 8)}`;
    const owner: PodOwner = { cluster: "conformance", node: this.node, namespace, name: own, uid };
    const metadata = {
      name: own,
      namespace,
      uid,
      resourceVersion: "1",
      ...(annotations === undefined ? {} : { annotations }),
    };
    const pod: Stored<Pod> = { apiVersion: "v1", kind: "Pod", metadata, spec: { ...spec, nodeName: this.node } };
    const request = { owner, pod, revision: "1" };
    this.#made.set(uid, request);
    return request;
  }

  async created(template?: PodTemplate): Promise<PodRequest> {
    const request = this.request(undefined, undefined, template);
    await this.provider.createPod(request, this.context);
    return request;
  }

  /** Holds every report against the contract and against the one before it. */
  see(report: PodReport): PodReport {
    const { uid } = report.owner;
    assert.deepEqual(reportFaults(report, this.#made.get(uid)?.pod, this.#seen.get(uid)), []);
    this.#seen.set(uid, report);
    return report;
  }

  async report(owner: PodOwner, accept: (report: PodReport) => boolean, what: string): Promise<PodReport> {
    let last: PodReport | undefined;
    await this.until(async () => {
      last = await this.provider.getPodStatus(owner, this.context).catch(expectNotFound);
      return last !== undefined && accept(this.see(last));
    }, what);
    assert.ok(last !== undefined);
    return last;
  }

  async running(owner: PodOwner): Promise<PodReport> {
    return await this.report(owner, isRunning, "the pod to run");
  }

  async appeared(owner: PodOwner): Promise<PodReport> {
    return await this.report(owner, () => true, "the pod to appear");
  }

  async deleted(owner: PodOwner, gracePeriodSeconds: number): Promise<void> {
    await this.provider.deletePod(owner, { gracePeriodSeconds }, this.context);
    await this.ended(owner, gracePeriodSeconds);
  }

  /** A deletion is over: gone, or every container terminated. */
  async ended(owner: PodOwner, gracePeriodSeconds: number): Promise<void> {
    await this.until(
      async () => {
        const report = await this.provider.getPodStatus(owner, this.context).catch(expectNotFound);
        return report === undefined || isOver(this.see(report));
      },
      "the deletion to end",
      gracePeriodSeconds * 1000,
    );
  }

  async until(condition: () => boolean | Promise<boolean>, what: string, moreMs = 0): Promise<void> {
    const consistencyMs = (this.provider.capabilities?.consistencyDelaySeconds ?? 0) * 1000;
    const deadline = performance.now() + this.#timeoutMs + moreMs + consistencyMs;
    for (let wait = 5; !(await condition()); wait = Math.min(2 * wait, 500)) {
      assert.ok(performance.now() < deadline, `waited in vain for ${what}`);
      await sleep(wait);
    }
  }
}

function isRunning(report: PodReport): boolean {
  return report.containers.length > 0 && report.containers.every((container) => container.state.running !== undefined);
}

function isOver(report: PodReport): boolean {
  return report.containers.every((container) => container.state.terminated !== undefined);
}

/** What tells one run of a container from another. */
function identities(report: PodReport): readonly unknown[] {
  return report.containers.map(({ name, containerID, restartCount }) => ({ name, containerID, restartCount }));
}

function isNotFound(error: unknown): true {
  assert.ok(isErrorKind(error, "NotFound"), `expected NotFound, got ${String(error)}`);
  return true;
}

function isAborted(error: unknown): true {
  assert.ok(isErrorKind(error, "Aborted"), `expected Aborted, got ${String(error)}`);
  return true;
}

function expectNotFound(error: unknown): undefined {
  isNotFound(error);
}

function expectAborted(error: unknown): undefined {
  isAborted(error);
}

async function collect(updates: AsyncIterable<PodUpdate>, into: PodUpdate[]): Promise<void> {
  for await (const update of updates) into.push(update);
}

/** Fails when the promise takes longer than two seconds. */
async function promptly<T>(promise: Promise<T>, what: string): Promise<T> {
  const timer = new AbortController();
  const late = sleep(2000, undefined, { signal: timer.signal }).then(() => assert.fail(`${what} did not end promptly`));
  late.catch(() => {});
  try {
    return await Promise.race([promise, late]);
  } finally {
    timer.abort();
  }
}

/** Registers the test if it has a name: one for what the subject cannot do has none. */
function optional(name: string | false | undefined, work: () => Promise<void>): void {
  if (typeof name === "string") test(name, work);
}
