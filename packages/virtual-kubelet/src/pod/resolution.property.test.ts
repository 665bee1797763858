// Pods, the objects that they refer to, failures and restarts in any order, with the real resolver: in the end every pod runs
// with the contents that there are, nothing is watched for nobody, and nothing went round in circles.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { VirtualKubeletError } from "../errors.ts";
import { configMaps, secrets, services } from "../kube/resource.ts";
import { createMetrics } from "../metrics.ts";
import type { PodOwner, PodReport, PodRequest, PodUpdate } from "../provider/pods.ts";
import type { CallContext, Provider } from "../provider.ts";
import { PodResolver } from "../resolve/pod-resolver.ts";
import type { ResolvedVolume } from "../resolved-pod.ts";
import { settle } from "../testing/fake-clock.ts";
import { MemoryObjects } from "../testing/memory-objects.ts";
import { PodBench } from "../testing/pod-bench.ts";
import type { PodController } from "./pod-controller.ts";

const minute = 60_000;
const names = ["a", "b", "c"] as const;
const name = fc.constantFrom(...names);
const object = fc.constantFrom("one", "two");
const step = fc.oneof(
  fc.record({ do: fc.constant("create" as const), name, object, optional: fc.boolean() }),
  fc.record({ do: fc.constant("remove" as const), name }),
  fc.record({ do: fc.constant("label" as const), name, value: fc.constantFrom("x", "y") }),
  fc.record({ do: fc.constant("respec" as const), name }),
  fc.record({ do: fc.constant("put" as const), object, value: fc.constantFrom("1", "2", "3") }),
  fc.record({ do: fc.constant("delete" as const), object }),
  fc.record({ do: fc.constant("secret" as const), there: fc.boolean() }),
  fc.record({ do: fc.constant("refuse" as const), refuse: fc.boolean() }),
  fc.record({ do: fc.constant("fail" as const), next: fc.integer({ min: 1, max: 3 }) }),
  fc.record({ do: fc.constant("restart" as const) }),
  fc.record({ do: fc.constant("wait" as const), ms: fc.constantFrom(0, 50, 1000, 15_000, 70_000) }),
);
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

const text = (volume: ResolvedVolume): string =>
  volume.type === "files" ? volume.files.map(({ path, data }) => `${path}=${Buffer.from(data)}`).join() : "";

class Bench implements AsyncDisposable {
  /** What the backend has of each pod: text of each volume. */
  readonly contents = new Map<string, Map<string, string>>();
  /** Pods of which the backend has all. */
  readonly complete = new Set<string>();
  /** Pods that it has from before a restart, in part. */
  readonly forgotten = new Set<string>();
  readonly sins: string[] = [];
  /** The backend takes pods of which containers lack something. */
  readonly partly: boolean;
  failures = 0;
  handed = 0;
  readonly pods: PodBench;
  readonly objects: MemoryObjects;
  resolver: PodResolver | undefined;
  #controller: PodController | undefined;
  #end = new AbortController();
  #running: Promise<void> = Promise.resolve();

  constructor(partly: boolean) {
    this.partly = partly;
    this.pods = new PodBench({
      capabilities: { resolve: true, resolvePartly: partly },
      behaviour: { startDelay: 100 },
      controller: {
        resolution: {
          resolve: (pod) => this.#resolver.resolve(pod),
          volumes: (pod, keep) => this.#resolver.volumes(pod, keep),
          release: (uid) => this.#resolver.release(uid),
        },
      },
      wrap: (provider) => this.#recording(provider),
    });
    this.objects = new MemoryObjects(() => this.pods.clock.now());
    this.objects.put(services, { metadata: { name: "kubernetes", namespace: "default" } });
  }

  get #resolver(): PodResolver {
    return this.resolver ?? assert.fail("not running");
  }

  async start(): Promise<void> {
    this.#end = new AbortController();
    this.resolver = new PodResolver({
      client: this.objects.client,
      clusterDomain: "c.local",
      node: () => undefined,
      onChange: (uid) => this.#controller?.resolutionChanged(uid),
      metrics: createMetrics(),
      clock: this.pods.clock,
      random: () => 0.5,
    });
    this.#running = this.resolver.run(this.#end.signal);
    this.#controller = await this.pods.start();
  }

  async stop(): Promise<void> {
    this.#end.abort();
    await this.pods.stop(5 * minute);
    await this.pods.clock.advance(0);
    await this.#running;
    assert.deepEqual(this.objects.open, []);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    await this.pods[Symbol.asyncDispose]();
  }

  #recording(provider: Provider): Provider {
    return {
      ...provider,
      createPod: async (request, context) => {
        this.#takes(request);
        await provider.createPod(request, context);
      },
      ...(this.partly && {
        updatePod: async (request: PodRequest, context: CallContext) => {
          if (this.failures > 0) {
            this.failures -= 1;
            throw new VirtualKubeletError("Unavailable", "down");
          }
          this.forgotten.delete(request.owner.uid);
          if (request.resolved !== undefined) this.#completes(request);
          await provider.updatePod?.(request, context);
        },
        getPods: async (context: CallContext) => (await provider.getPods(context)).map((report) => this.#shown(report)),
        getPodStatus: async (owner: PodOwner, context: CallContext) =>
          this.#shown(await provider.getPodStatus(owner, context)),
        watchPods: (context: CallContext) => this.#updates(provider, context),
      }),
      updateVolumes: async ({ uid, name: pod }, volumes) => {
        this.handed += 1;
        if (this.failures > 0) {
          this.failures -= 1;
          throw new VirtualKubeletError("Unavailable", "down");
        }
        const known = this.contents.get(uid);
        if (known === undefined) this.sins.push(`contents for ${pod}, which the backend has not`);
        for (const volume of volumes) {
          // After a restart of the controller it may be the same once more.
          known?.set(volume.name, text(volume));
        }
      },
    };
  }

  async *#updates(provider: Provider, context: CallContext): AsyncGenerator<PodUpdate> {
    for await (const update of provider.watchPods?.(context) ?? [])
      yield update.type === "report" ? { ...update, report: this.#shown(update.report) } : update;
  }

  /** The program that was to complete it knows nothing of that any more. */
  #shown(report: PodReport): PodReport {
    return this.forgotten.has(report.owner.uid) ? { ...report, revision: "" } : report;
  }

  #completes({ owner, resolved }: PodRequest): void {
    const [container] = resolved?.containers ?? [];
    const isThere = container?.env.some((each) => each.name === "KEY" && each.value === "hidden") === true;
    if (isThere === (container?.missing !== undefined))
      this.sins.push(`${owner.name} lacks what is there, or says not so`);
    if (!isThere && !this.partly) this.sins.push(`${owner.name} created without its Secret`);
    if (isThere) this.complete.add(owner.uid);
  }

  #takes(request: PodRequest): void {
    const { owner, resolved } = request;
    if (resolved === undefined) this.sins.push(`${owner.name} created unresolved`);
    this.#completes(request);
    this.contents.set(owner.uid, new Map(resolved?.volumes.map((volume) => [volume.name, text(volume)])));
  }
}

async function take(bench: Bench, what: Step): Promise<void> {
  const { pods, objects } = bench;
  const known = "name" in what ? pods.api.get(what.name) : undefined;
  switch (what.do) {
    case "create": {
      if (known !== undefined) return;
      const secretKeyRef = { name: "s", key: "key" };
      const env = [{ name: "KEY", valueFrom: { secretKeyRef } }];
      const volumes = [
        { name: "v", configMap: { name: what.object, optional: what.optional } },
        { name: "labels", downwardAPI: { items: [{ path: "l", fieldRef: { fieldPath: "metadata.labels" } }] } },
        { name: "token", projected: { sources: [{ serviceAccountToken: { path: "t", expirationSeconds: 600 } }] } },
      ];
      pods.api.create("n", what.name, { spec: { volumes, containers: [{ name: "main", image: "i", env }] } });
      return;
    }
    case "remove":
      if (known?.metadata.deletionTimestamp === undefined && known !== undefined) pods.api.remove(what.name);
      return;
    case "label": {
      const labels = { tier: what.value };
      if (known !== undefined) pods.api.edit(what.name, (pod) => ({ ...pod, metadata: { ...pod.metadata, labels } }));
      return;
    }
    case "respec":
      if (known === undefined) return;
      pods.api.edit(what.name, (pod) => {
        const { spec = { containers: [] } } = pod;
        return { ...pod, spec: { ...spec, containers: spec.containers.map((each) => ({ ...each, image: "new" })) } };
      });
      return;
    case "put":
      objects.put(configMaps, { metadata: { name: what.object, namespace: "default" }, data: { key: what.value } });
      return;
    case "delete":
      objects.delete(configMaps, "default", what.object);
      return;
    case "secret":
      if (!what.there) objects.delete(secrets, "default", "s");
      else putSecret(bench);
      return;
    case "refuse":
      objects.fault = what.refuse ? () => new VirtualKubeletError("Forbidden", "no") : undefined;
      return;
    case "fail":
      bench.failures = what.next;
      return;
    case "restart":
      await bench.stop();
      for (const uid of bench.contents.keys()) if (bench.partly && !bench.complete.has(uid)) bench.forgotten.add(uid);
      await bench.start();
      return;
    case "wait":
      await pods.clock.advance(what.ms);
  }
}

function putSecret({ objects }: Bench): void {
  const data = { key: Buffer.from("hidden").toString("base64") };
  objects.put(secrets, { metadata: { name: "s", namespace: "default" }, data });
}

for (const partly of [false, true])
  test(`whatever happens, pods get what they refer to${partly ? ", some of it later" : ""}`, {
    timeout: 800_000,
  }, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps) => {
        await using bench = new Bench(partly);
        const { pods, objects } = bench;
        await bench.start();
        for (const what of steps) await take(bench, what);

        // Fair weather from here on.
        objects.fault = undefined;
        bench.failures = 0;
        putSecret(bench);
        for (const each of ["one", "two"])
          objects.put(configMaps, { metadata: { name: each, namespace: "default" }, data: { key: `last ${each}` } });
        await pods.clock.advance(6 * minute);
        const [begun, handed] = [objects.begun.length, bench.handed];
        for (const pod of pods.api.all()) {
          assert.equal(pod.status?.phase, "Running", pod.metadata.name);
          assert.ok(bench.complete.has(pod.metadata.uid), "all that it lacked is there");
          const contents = bench.contents.get(pod.metadata.uid);
          const source = pod.spec?.volumes?.[0]?.configMap?.name;
          assert.equal(contents?.get("v"), `key=last ${source}`);
          const tier = pod.metadata.labels?.["tier"];
          assert.equal(contents?.get("labels"), tier === undefined ? "l=" : `l=tier="${tier}"`);
          assert.match(contents?.get("token") ?? "", /^t=token \d+$/);
        }
        assert.deepEqual([bench.sins, pods.api.sins], [[], []]);
        // Tokens alone change now: each every eight minutes.
        const count = pods.api.all().length;
        await pods.clock.advance(24 * minute);
        assert.ok(bench.handed - handed <= 4 * count && bench.handed - handed >= 2 * count, "tokens");
        assert.ok(objects.begun.length - begun <= 20 * count, "watches are not begun again and again");

        for (const pod of pods.api.all()) pods.api.remove(pod.metadata.name);
        await pods.clock.advance(5 * minute);
        assert.deepEqual([...pods.api.all()], []);
        assert.equal(bench.resolver?.held, 0);
        await settle();
        assert.deepEqual(
          objects.open.filter((each) => each !== "services"),
          [],
        );
      }),
      { numRuns: partly ? 40 : 60 },
    );
  });
