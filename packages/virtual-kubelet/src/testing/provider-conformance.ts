// The conformance suite for providers: node:test tests that any Provider must pass, run against its real backend or an
// emulator. What the subject cannot do has no test.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { silentLogger } from "../log.ts";
import type { PodReport, PodUpdate } from "../provider/pods.ts";
import type { CallContext } from "../provider.ts";
import {
  Bench,
  type ConformanceOptions,
  collect,
  expectAborted,
  identities,
  isAborted,
  isNotFound,
  isOver,
  isRunning,
  type OptionalMethod,
  optional,
  optionalMethods,
  promptly,
} from "./conformance-bench.ts";
import { endingsConformance } from "./conformance-endings.ts";
import { kubeletApiConformance } from "./conformance-kubelet-api.ts";
import { logsConformance } from "./conformance-logs.ts";

/**
 * Registers the suite under `name`. Nothing in it is skipped: what the subject cannot do has no test. A provider that wants pods
 * resolved gets them so, by what the templates say literally.
 */
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

    endingsConformance(bench, options);

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
      bench.seeInOrder(reports());
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
        ...(provider.stopPod === undefined
          ? {}
          : { stopPod: async () => await provider.stopPod?.(owner, { gracePeriodSeconds: 0 }, aborted) }),
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

    logsConformance(bench, options);
    kubeletApiConformance(bench, options);

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
