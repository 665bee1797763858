// The program killed with SIGKILL at random moments while it starts, probes, restarts and ends containers: they go on, the next
// one takes them up, and in the end all is as if nothing had happened. Needs root on Linux.
import assert from "node:assert/strict";
import { existsSync, globSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { isAlive } from "../packages/virtual-kubelet/src/host/process-table.ts";
import { jobs, pods, type Stored } from "../packages/virtual-kubelet/src/kube/resource.ts";
import type { Container, ContainerStatus, JobSpec, Pod } from "../packages/virtual-kubelet/src/kube/types.gen.ts";
import { patience } from "../packages/virtual-kubelet/src/testing/semantics-bench.ts";
import { assertLawful } from "../packages/virtual-kubelet/src/testing/status-history.ts";
import { between, seededRandom, together } from "./chaos.ts";
import { eventually, isReady, podTemplate } from "./harness.ts";
import { type ProcessSemantics, startProcesses } from "./semantics.ts";

const kills = 8;
/** Over which the pods are made. */
const durationMs = 40_000;
const random = seededRandom("program killed over processes");
let semantics: ProcessSemantics;

before(async () => {
  semantics = await startProcesses({}, ["--orphan-grace", "3s", "--full-resync-period", "10s"]);
});
after(() => semantics?.[Symbol.asyncDispose]());

const forever = "while :; do sleep 0.1; done";
const onTerm = (name: string, script = "exit 0"): string => `trap 'at $HOSTNAME/${name}/term; ${script}' TERM`;

/**
 * Writes down its start, with its pid and start time, and holds a lock for as long as anything of it lives: a second instance
 * would find it taken. `pod`: its name, or that of its Job.
 */
function container(pod: string, name: string, script: string, change: Partial<Container> = {}): Container {
  const lines = [
    `exec 9>>"${semantics.scratch}/$HOSTNAME.${name}.lock"`,
    `flock -n 9 || at "$HOSTNAME/${name}/twice"`,
    `at "$HOSTNAME/${name}/start/$$/$(cut -d' ' -f22 /proc/$$/stat)"`,
  ];
  return semantics.container(pod, name, [...lines, script].join("\n"), change);
}

const shell = (script: string): { readonly exec: { readonly command: readonly string[] } } => ({
  exec: { command: ["/bin/sh", "-c", script] },
});

/** All that was written down under this name, by pod and container: "start", "term" ... in their order. */
function course(name: string): ReadonlyMap<string, readonly { readonly what: string; readonly at: number }[]> {
  const found = new Map<string, { what: string; at: number }[]>();
  // One that was deleted early may never have begun.
  if (!existsSync(semantics.stampFile(name))) return found;
  for (const { at, what } of semantics.stamps(name)) {
    const [pod, container, word = ""] = what.split("/");
    const key = `${pod}/${container}`;
    found.set(key, [...(found.get(key) ?? []), { what: word, at }]);
  }
  return found;
}

const startsOf = (pod: string, name: string): readonly number[] =>
  (course(pod).get(`${pod}/${name}`) ?? []).filter(({ what }) => what === "start").map(({ at }) => at);

const statusesOf = ({ status }: Pod): readonly ContainerStatus[] => [
  ...(status?.initContainerStatuses ?? []),
  ...(status?.containerStatuses ?? []),
];
const restartsOf = (pod: Pod): Readonly<Record<string, number>> =>
  Object.fromEntries(statusesOf(pod).map(({ name, restartCount }) => [name, restartCount]));

/** Names of all pods that are not of Jobs, and of those that are meant to be gone in the end. */
const made: string[] = [];
const gone: string[] = [];
const jobNames: string[] = [];

const soon = (): Promise<void> => sleep(random() * durationMs);

/** An init container that fails twice, then the main one to its end. */
async function chain(name: string): Promise<void> {
  await soon();
  made.push(name);
  await semantics.run(name, {
    restartPolicy: "OnFailure",
    initContainers: [
      container(name, "one", "sleep 0.5"),
      container(name, "two", "sleep 0.3; [ $run -gt 2 ] || exit 3"),
    ],
    containers: [container(name, "main", "sleep 2")],
  });
}

async function steady(name: string): Promise<void> {
  await soon();
  made.push(name);
  const up = `test -e ${semantics.scratch}/${name}.up`;
  await semantics.run(name, {
    initContainers: [
      container(name, "side", `touch ${semantics.scratch}/${name}.up; ${onTerm("side")}; ${forever}`, {
        restartPolicy: "Always",
        startupProbe: { ...shell(up), periodSeconds: 1, timeoutSeconds: 20 },
      }),
    ],
    containers: [
      container(name, "main", `${onTerm("main")}; ${forever}`, {
        readinessProbe: { ...shell(up), periodSeconds: 1, timeoutSeconds: 20 },
        livenessProbe: { ...shell(up), periodSeconds: 1, timeoutSeconds: 20 },
      }),
    ],
  });
}

/** Its liveness probe fails in the first two runs. */
async function flaky(name: string): Promise<void> {
  await soon();
  made.push(name);
  const well = `${semantics.scratch}/${name}.well`;
  const script = `touch ${well}; ${onTerm("main")}; [ $run -gt 2 ] || { sleep 2; rm ${well}; }; ${forever}`;
  const livenessProbe = {
    ...shell(`test -e ${well}`),
    ...{ initialDelaySeconds: 4, periodSeconds: 1, failureThreshold: 2, timeoutSeconds: 20 },
  };
  await semantics.run(name, { containers: [container(name, "main", script, { livenessProbe })] });
}

async function crashing(name: string): Promise<void> {
  await soon();
  made.push(name);
  await semantics.run(name, { containers: [container(name, "main", "sleep 0.3; exit 1")] });
}

/** Deleted at any moment of its life, half of them by force. */
async function departing(name: string, gracePeriodSeconds: number | undefined): Promise<void> {
  await soon();
  gone.push(name);
  const preStop = shell(`echo "$(date +%s%N) $HOSTNAME/main/preStop" >>${semantics.stampFile(name)}; sleep 1.5`);
  await semantics.run(name, {
    terminationGracePeriodSeconds: 120,
    initContainers: [container(name, "side", `${onTerm("side")}; ${forever}`, { restartPolicy: "Always" })],
    containers: [
      container(name, "main", `${onTerm("main", "sleep 0.5; exit 0")}; ${forever}`, { lifecycle: { preStop } }),
    ],
  });
  await sleep(between(random, 0, 6000));
  await semantics.harness.client.delete(pods, { name, namespace: "default" }, { gracePeriodSeconds });
}

async function job(name: string, script: string, spec: Partial<JobSpec>): Promise<void> {
  await soon();
  jobNames.push(name);
  const side = container(name, "side", `${onTerm("side")}; ${forever}`, { restartPolicy: "Always" });
  const template = podTemplate({
    spec: { restartPolicy: "Never", initContainers: [side], containers: [container(name, "main", script)] },
  });
  await semantics.harness.client.create(jobs, {
    metadata: { name, namespace: "default" },
    spec: { ...spec, template },
  });
}

/** From within its start to some seconds of work. */
async function killing(): Promise<void> {
  for (let turn = 0; turn < kills; turn++) {
    await sleep(between(random, 500, 7000));
    await semantics.program.kill("SIGKILL");
    await sleep(between(random, 0, 2500));
    await semantics.launch();
  }
}

/** What runs on this machine, as "uid/container/attempt", by what is written down with each run. */
function running(): readonly string[] {
  const root = join(semantics.subject.bench.config.stateDirectory, semantics.subject.bench.node, "pods");
  return globSync("*/containers/*/*/pid", { cwd: root }).flatMap((path) => {
    const [uid, , name, attempt] = path.split("/");
    let text = "";
    try {
      text = readFileSync(join(root, path), "utf8");
    } catch {
      // Removed meanwhile: a run that has long ended.
    }
    const [pid, start = ""] = text.trim().split(" ");
    return isAlive({ pid: Number(pid), start }) ? [`${uid}/${name}/${attempt}`] : [];
  });
}

function runningByApi(all: readonly Stored<Pod>[]): readonly string[] {
  return all.flatMap((pod) =>
    statusesOf(pod)
      .filter(({ state }) => state?.running)
      .map(({ containerID = "" }) => containerID.slice("process://".length)),
  );
}

const find = async (name: string): Promise<Stored<Pod>> =>
  (await semantics.harness.find(pods, name)) ?? assert.fail(`${name} is gone`);

describe("the program killed over running processes", { timeout: 900_000 }, () => {
  it(`${kills} times: nothing is lost, doubled, left over or restarted for it`, async () => {
    await together(
      killing(),
      ...["chain-0", "chain-1", "chain-2"].map(chain),
      ...["steady-0", "steady-1", "steady-2"].map(steady),
      ...["flaky-0", "flaky-1"].map(flaky),
      ...["crashing-0", "crashing-1"].map(crashing),
      ...["leaving-0", "leaving-1", "leaving-2", "leaving-3"].map((name) => departing(name, undefined)),
      ...["forced-0", "forced-1", "forced-2"].map((name) => departing(name, 0)),
      job("pairs-0", "sleep 2", { completions: 4, parallelism: 2, backoffLimit: 0 }),
      job("pairs-1", "sleep 4", { completions: 3, parallelism: 2, backoffLimit: 0 }),
      job("again", "[ $run -gt 1 ] || exit 7; sleep 1", { completions: 1, backoffLimit: 1 }),
    );
    await semantics.harness.nodeIsReady(semantics.subject.bench.node, semantics.program, patience);
    await settled();
    await assertCourse();
  });

  it("once more, with nothing to do: all stays as it is", async () => {
    // Those that crash are due at any moment.
    for (const name of made.splice(0).filter((each) => each.startsWith("crashing")))
      await semantics.harness.client.delete(pods, { name, namespace: "default" });
    for (const name of ["crashing-0", "crashing-1"]) await semantics.harness.untilGone(pods, name, patience);
    const versions = async (): Promise<readonly string[]> =>
      (await semantics.harness.list(pods)).map(({ metadata }) => `${metadata.name} ${metadata.resourceVersion}`).sort();
    const before = { versions: await versions(), running: [...running()].sort() };
    assert.ok(before.running.length >= 8, before.running.join(" "));
    await semantics.program.kill("SIGKILL");
    await sleep(1000);
    assert.deepEqual([...running()].sort(), before.running);
    const again = await semantics.launch();
    await eventually("it works again", patience, async () => (await again.logTail()).includes("registered"));
    await sleep(5000);
    assert.deepEqual({ versions: await versions(), running: [...running()].sort() }, before);
  });

  it("ends all of it when it is deleted", async () => {
    await semantics.harness.kubectl("delete", "jobs", "--all");
    await semantics.harness.kubectl("delete", "pods", "--all");
    await eventually("all pods are gone", patience, async () => (await semantics.harness.list(pods)).length === 0);
    assert.deepEqual(running(), []);
    const root = join(semantics.subject.bench.config.stateDirectory, semantics.subject.bench.node, "pods");
    await eventually("nothing of them is kept", 20_000, () => readdirSync(root).length === 0);
    const left = (): readonly string[] =>
      semantics.subject.bench
        .processes()
        .map(({ command }) => command)
        .filter((command) => command.includes("/containers/"));
    await eventually("no process is left", 20_000, () => left().length === 0);
  });
});

/** All is as it would be had nobody been killed. */
async function settled(): Promise<void> {
  const { harness } = semantics;
  for (const name of ["pairs-0", "pairs-1", "again"])
    await harness.until("has ended", jobs, name, patience, ({ status }) => status?.completionTime !== undefined);
  for (const name of gone) await harness.untilGone(pods, name, patience);
  for (const name of made) {
    if (name.startsWith("chain")) await shown("has succeeded", name, ({ status }) => status?.phase === "Succeeded");
    if (name.startsWith("steady")) await shown("is ready", name, isReady);
    if (name.startsWith("flaky")) await shown("is well", name, (pod) => isReady(pod) && restartsOf(pod)["main"] === 2);
    if (name.startsWith("crashing")) await shown("backs off", name, (pod) => (restartsOf(pod)["main"] ?? 0) >= 2);
  }
  await eventually("what runs is what the API server says", patience, async () => {
    const told = [...runningByApi(await harness.list(pods))].sort();
    assert.deepEqual([...running()].sort(), told);
    return true;
  });
}

/** The newest state that was seen is as wanted; else all lines that were, and what was written down. */
async function shown(description: string, name: string, holds: (pod: Stored<Pod>) => boolean): Promise<void> {
  try {
    await eventually(`${name} ${description}`, patience, () => holds(semantics.last(name)));
  } catch (error) {
    const told = [...semantics.lines(name), ...(await semantics.events(name)), JSON.stringify([...course(name)])];
    throw new Error(`${String(error)}\n${told.join("\n")}`);
  }
}

async function assertCourse(): Promise<void> {
  const { harness } = semantics;
  for (const name of [...made, ...gone, ...jobNames]) {
    for (const [key, stamps] of course(name))
      assert.ok(!stamps.some(({ what }) => what === "twice"), `${key} ran twice at a time`);
  }
  for (const name of [...made, ...gone]) assertLawful(semantics.history(name));
  for (const name of made) {
    const pod = await find(name);
    const restarts = restartsOf(pod);
    // Each run but the first is a restart, and no other is counted.
    for (const [container, count] of Object.entries(restarts))
      await eventually(`runs of ${name}/${container}`, 5000, async () => {
        const [starts, now] = [startsOf(name, container).length, restartsOf(await find(name))[container]];
        assert.equal(starts, (now ?? 0) + 1, `${count} restarts`);
        return true;
      });
    if (name.startsWith("chain")) assert.deepEqual(restarts, { one: 0, two: 2, main: 0 });
    if (name.startsWith("steady")) {
      assert.deepEqual(restarts, { side: 0, main: 0 });
      assert.ok(![...course(name).values()].flat().some(({ what }) => what === "term"), `${name} was told to end`);
    }
    if (name.startsWith("flaky")) assert.deepEqual(restarts, { main: 2 });
    if (name.startsWith("crashing")) {
      const starts = startsOf(name, "main");
      // The first restart is at once; then 10 s, 20 s ... from the end of the run before.
      for (const [index, at] of starts.entries()) {
        const pause = at - (starts[index - 1] ?? at);
        if (index >= 2) assert.ok(pause >= 10_000 * 2 ** (index - 2), `${name}: run ${index} after ${pause} ms`);
      }
    }
  }
  for (const name of gone.filter((each) => each.startsWith("leaving"))) {
    const main = [...course(name)].find(([key]) => key.endsWith("/main"))?.[1].map(({ what }) => what) ?? [];
    // Its hook, whole or again, and then the signal, once. It may have been deleted before it began.
    if (main.length > 0) assert.match(main.join(" "), /^start( preStop)+ term$/, name);
  }
  for (const [name, failed, succeeded] of [
    ["pairs-0", 0, 4],
    ["pairs-1", 0, 3],
    ["again", 1, 1],
  ] as const) {
    const { status } = (await harness.find(jobs, name)) ?? {};
    assert.deepEqual([status?.failed ?? 0, status?.succeeded], [failed, succeeded], name);
    const mains = [...course(name)].filter(([key]) => key.endsWith("/main"));
    assert.equal(mains.length, failed + succeeded, "pods");
    for (const [key, stamps] of mains)
      assert.deepEqual(
        stamps.map(({ what }) => what),
        ["start"],
        key,
      );
  }
}
