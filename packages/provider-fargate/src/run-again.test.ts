// Containers that are run again, by ECS or with their task: which run's log is shown, and what has ended well stays so. Over a fake
// region whose tasks run in memory, where a minute takes three seconds.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import {
  type CallContext,
  type Clock,
  type ContainerLogOptions,
  type PodReport,
  type PodRequest,
  type Provider,
  silentLogger,
  systemClock,
} from "@virtual-kubelet/virtual-kubelet";
import { CloudProvider } from "@virtual-kubelet/virtual-kubelet/cloud";
import { eventually, MemoryGroups } from "@virtual-kubelet/virtual-kubelet/testing";
import { awsSdk } from "./aws-sdk.ts";
import { FargateBackend } from "./fargate-backend.ts";
import { capabilitiesOf } from "./fargate-provider.ts";
import { FakeEcs } from "./testing/fake-ecs.ts";
import { configOn } from "./testing/fargate-bench.ts";
import { podRequest } from "./testing/golden-pods.ts";

const context: CallContext = { signal: new AbortController().signal, log: silentLogger };
const patience = 40_000;
const begin = Date.now();
const faster = 20;
const clock: Clock = {
  now: () => begin + (Date.now() - begin) * faster,
  schedule: (delayMs, callback) => systemClock.schedule(delayMs / faster, callback),
};

describe("containers that are run again", { concurrency: true }, () => {
  let fake: FakeEcs;
  const providers: Provider[] = [];
  before(async () => {
    fake = await FakeEcs.start({ runner: new MemoryGroups({ clock }), clock, logGroups: ["/pods"], paceMs: 200 });
  });
  after(async () => {
    for (const provider of providers) await provider[Symbol.asyncDispose]?.();
    await fake[Symbol.asyncDispose]();
    assert.deepEqual(fake.misuse, []);
  });

  /** A node of its own. */
  function started(node: string): Provider {
    const config = configOn(fake);
    const credentials = async () => fake.clientConfig.credentials;
    const aws = awsSdk({ config, clock, log: silentLogger, credentials });
    const backend = new FargateBackend({ aws, config, cluster: "c1", node, clock, log: silentLogger });
    const capabilities = capabilitiesOf(config);
    const provider = new CloudProvider({ backend, node, log: silentLogger, capabilities, clock, consistencyMs: 1000 });
    providers.push(provider);
    return provider;
  }

  function podOn(node: string, restartPolicy: string, scripts: Readonly<Record<string, string>>): PodRequest {
    const containers = Object.entries(scripts).map(([name, script]) => {
      return { name, image: name, command: ["sh", "-c", script] };
    });
    const request = podRequest({ name: node, uid: `uid-${node}`, spec: { restartPolicy, containers } });
    return { ...request, owner: { ...request.owner, node, cluster: "c1" } };
  }

  async function report(
    what: string,
    provider: Provider,
    { owner }: PodRequest,
    holds: (found: PodReport) => boolean,
  ): Promise<PodReport> {
    return eventually(what, patience, async () => {
      const found = await provider.getPodStatus(owner, context);
      return holds(found) && found;
    });
  }

  async function logs(
    provider: Provider,
    { owner, pod }: PodRequest,
    container: string,
    options: ContainerLogOptions,
  ): Promise<readonly string[]> {
    assert.ok(provider.getContainerLogs !== undefined);
    const { data } = await provider.getContainerLogs({ owner, pod, container }, options, context);
    let text = "";
    for await (const chunk of data) text += new TextDecoder().decode(chunk);
    // What a container in memory says before its script.
    const lines = text.split("\n").filter((line) => line !== "" && !/ env=\d+$/.test(line));
    return lines.map((line) => line.slice(25));
  }

  const of = ({ containers }: PodReport, name: string) => containers.find((each) => each.name === name);
  const restarts = (found: PodReport, name: string): number => of(found, name)?.restartCount ?? 0;
  const tasksOf = ({ owner }: PodRequest) =>
    [...fake.tasks.all.values()].filter(({ fixed }) => fixed.startedBy === owner.uid);

  it("by ECS: each run has its log, from the last look before it began", async () => {
    const provider = started("by-ecs");
    const request = podOn("by-ecs", "Always", { web: "echo begun; sleep 90; echo failed; exit 3" });
    await provider.createPod(request, context);
    await report("it runs", provider, request, (found) => of(found, "web")?.state.running !== undefined);
    await assert.rejects(logs(provider, request, "web", { previous: true }), { kind: "NotFound" });
    const followed = logs(provider, request, "web", { follow: true });
    await report("it was restarted", provider, request, (found) => restarts(found, "web") === 1);
    // Lines between two looks are in both, as it is not known whose they are.
    const previous = await logs(provider, request, "web", { previous: true });
    assert.deepEqual(previous.slice(0, 2), ["begun", "failed"]);
    assert.deepEqual((await logs(provider, request, "web", { previous: true, follow: true })).slice(0, 2), [
      "begun",
      "failed",
    ]);
    assert.deepEqual(await logs(provider, request, "web", { previous: true, tailLines: 1 }), previous.slice(-1));
    const shown = await logs(provider, request, "web", {});
    assert.equal(shown.filter((line) => line === "begun").length, 1, "that of the first is of another run");
    assert.equal(shown.at(-1), "begun");
    assert.deepEqual((await followed).slice(0, 2), ["begun", "failed"], "it ends with its run");
    await eventually("it is kept", patience, () => (fake.counts["TagResource"] ?? 0) >= 1);
    const other = started("by-ecs");
    await other.getPods(context);
    assert.deepEqual((await logs(other, request, "web", { previous: true })).slice(0, 2), ["begun", "failed"]);
  });

  it("with their task: what had ended well is not, and stays as it is, also for a program that starts later", async () => {
    const provider = started("with-task");
    const request = podOn("with-task", "OnFailure", { work: "echo worked; exit 0", flaky: "echo tried; exit 3" });
    await provider.createPod(request, context);
    const waits = await report(
      "it backs off",
      provider,
      request,
      (found) => of(found, "flaky")?.state.waiting?.reason === "CrashLoopBackOff",
    );
    assert.equal(waits.failure, undefined);
    assert.deepEqual(await logs(provider, request, "flaky", { previous: true }), ["tried"]);
    const again = await report("it was run again", provider, request, (found) => restarts(found, "flaky") === 1);
    assert.equal(of(again, "flaky")?.lastState?.terminated?.exitCode, 3);
    const end = of(again, "work")?.state.terminated;
    assert.deepEqual([end?.exitCode, end?.reason, restarts(again, "work")], [0, "Completed", 0]);
    assert.ok(end?.startedAt !== undefined && end?.finishedAt !== undefined);
    const names = tasksOf(request).map(({ containers }) => [...containers.keys()]);
    assert.deepEqual(names.slice(0, 2), [
      ["work", "flaky", "vk_keeper"],
      ["flaky", "vk_keeper"],
    ]);
    const other = started("with-task");
    await other.getPods(context);
    await other.updatePod?.(request, context);
    const later = await report(
      "the next program runs it again",
      other,
      request,
      (found) => restarts(found, "flaky") >= 2,
    );
    assert.deepEqual(of(later, "work")?.state.terminated, end);
    assert.deepEqual(await logs(other, request, "work", {}), ["worked"]);
    assert.deepEqual(await logs(other, request, "flaky", { previous: true }), ["tried"]);
    assert.ok(tasksOf(request).length >= 3);
    assert.equal(tasksOf(request).filter(({ containers }) => containers.has("work")).length, 1);
  });

  it("with their task: who still works for its end has some time for it, and is left out once it has ended", async () => {
    const provider = started("at-work");
    const request = podOn("at-work", "OnFailure", { work: "sleep 30; echo worked; exit 0", flaky: "exit 3" });
    await provider.createPod(request, context);
    const done = await report(
      "it has ended",
      provider,
      request,
      (found) =>
        of(found, "work")?.state.terminated !== undefined && restarts(found, "flaky") > restarts(found, "work"),
    );
    assert.equal(of(done, "work")?.state.terminated?.exitCode, 0);
    assert.equal(done.failure, undefined);
    // However often it was begun, it was stopped for the other one before its last run alone.
    const stops = tasksOf(request).flatMap(({ containers, stop }) => (containers.has("work") ? [stop?.reason] : []));
    const anew = stops.slice(0, -1).map((_, tried) => {
      return `virtual-kubelet: a container is to start anew, tried before: ${tried}`;
    });
    assert.deepEqual(stops.slice(0, -1), anew);
    assert.match(stops.at(-1) ?? "", /have ended$|ended: work$|to start anew, tried before: \d+$/);
    assert.deepEqual(await logs(provider, request, "work", {}), ["worked"]);
    const last = tasksOf(request).at(-1);
    assert.deepEqual([...(last?.containers.keys() ?? [])], ["flaky", "vk_keeper"]);
  });
});
