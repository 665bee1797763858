// Pods in containers while all around them dies: the engine under thirty of them, our program at random moments, the host. In the
// end all is as a kubelet would have it, and what others have in the engine is as it was. Needs root on Linux and podman.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { pods, type Stored } from "../packages/virtual-kubelet/src/kube/resource.ts";
import type { Pod, PodSpec } from "../packages/virtual-kubelet/src/kube/types.gen.ts";
import { patience } from "../packages/virtual-kubelet/src/testing/semantics-bench.ts";
import { assertLawful } from "../packages/virtual-kubelet/src/testing/status-history.ts";
import { between, seededRandom } from "./chaos.ts";
import { type ContainersSemantics, startContainers } from "./containers.ts";
import { eventually, isReady, throughout } from "./harness.ts";
import type { PodmanBench } from "./podman.ts";

const random = seededRandom("containers");
let semantics: ContainersSemantics;
let podman: PodmanBench;
/** Of somebody else. */
let foreign: string;

before(async () => {
  semantics = await startContainers({}, ["--orphan-grace", "3s", "--full-resync-period", "10s"]);
  ({ podman } = semantics.subject);
  foreign = await podman.podman("run", "--detach", "--name", "theirs", semantics.subject.images[1], "sleep", "100000");
});
after(() => semantics?.[Symbol.asyncDispose]());

/** Writes down each start. */
function begin(name: string, spec: Partial<PodSpec> = {}): Promise<Stored<Pod>> {
  const script = "at up; trap 'exit 0' TERM; while :; do sleep 0.5; done";
  return semantics.run(name, { ...spec, containers: [semantics.container(name, "main", script)] });
}

const names = (prefix: string, count: number): readonly string[] =>
  Array.from({ length: count }, (_, index) => `${prefix}-${index}`);
const find = async (name: string): Promise<Stored<Pod>> =>
  (await semantics.harness.find(pods, name)) ?? assert.fail(`${name} is not there`);

async function running(all: readonly string[]): Promise<void> {
  let late: readonly Stored<Pod>[] = [];
  await eventually(`${all.length} pods are ready`, 2 * patience, async () => {
    late = (await Promise.all(all.map(find))).filter((pod) => !isReady(pod));
    return late.length === 0;
  }).catch(async (error: unknown) => {
    const told = await Promise.all(
      late.map(async ({ metadata: { name }, status }) => [JSON.stringify(status), ...(await semantics.events(name))]),
    );
    assert.fail(
      [String(error), ...told.flat(), await semantics.program.logTail(), podman.serviceLog().slice(-2000)].join("\n"),
    );
  });
}

/** What tells one run of a pod from another. */
async function runs(all: readonly string[]): Promise<Readonly<Record<string, string>>> {
  const entries = await Promise.all(
    all.map(async (name) => {
      const { status } = await find(name);
      const [main] = status?.containerStatuses ?? [];
      const parts = [status?.phase, main?.containerID, main?.restartCount, main?.state?.running?.startedAt];
      return [name, parts.join(" ")] as const;
    }),
  );
  return Object.fromEntries(entries);
}

const words = (name: string): readonly string[] =>
  existsSync(semantics.stampFile(name)) ? semantics.stamps(name).map(({ what }) => what) : [];
/** A container that runs may not have written anything yet. */
async function began(all: readonly string[], times: number): Promise<void> {
  for (const name of all) {
    await semantics.untilStamp(name, "up", times);
    assert.equal(words(name).length, times, `${name}: ${words(name).join(" ")}`);
  }
}
const theirs = (): Promise<string> =>
  podman.podman("inspect", "--format", "{{.Id}} {{.State.Status}} {{.State.Pid}} {{.RestartCount}}", foreign);

/** Each pod has an infra container and one that runs: nothing runs twice. */
async function runsOnce(all: readonly string[]): Promise<void> {
  const filters = ["--filter", "label=io.virtual-kubelet.containers.node", "--filter", "status=running"];
  const out = await podman.podman(
    "ps",
    ...filters,
    "--format",
    '{{index .Labels "io.virtual-kubelet.containers.pod-name"}}',
  );
  assert.deepEqual(out.split("\n").sort(), [...all, ...all].sort());
}

async function removed(all: readonly string[]): Promise<void> {
  await Promise.all(all.map((name) => semantics.remove(name, 1)));
  for (const name of all) assertLawful(semantics.history(name));
  let left: readonly string[] = [];
  await eventually("nothing of them is left", 60_000, async () => {
    left = await semantics.subject.leftovers();
    return left.length === 0;
  }).catch(() => assert.fail(left.join("\n")));
}

describe("pods in containers", { timeout: 1_150_000 }, () => {
  it("run on while their engine is killed, and those that ended meanwhile begin again", async () => {
    const all = names("under", 30);
    await Promise.all(all.map((name) => begin(name)));
    await running(all);
    const before = await runs(all);
    const untouched = await theirs();
    assert.equal((await semantics.subject.ownContainers()).length, 60);
    const [ended = "", ...others] = all;
    const [main = ""] = semantics.processesOf(ended).filter((one) => one.includes("at up"));

    await podman.stop();
    process.kill(Number.parseInt(main, 10), "SIGKILL");
    await throughout("nothing is told of pods that nobody can ask about", 8000, async () => {
      const { [ended]: _, ...now } = await runs(all);
      const { [ended]: __, ...then } = before;
      assert.deepEqual(now, then);
      return true;
    });
    await podman.resume();

    await semantics.untilLine(ended, "main:running+ready#1");
    await running(all);
    const { [ended]: again, ...now } = await runs(all);
    const { [ended]: first, ...then } = before;
    assert.deepEqual(now, then);
    assert.notEqual(again, first);
    await began([ended], 2);
    await began(others, 1);
    await runsOnce(all);
    assert.deepEqual(await theirs(), untouched);
    // The run that ended is kept for its log.
    assert.equal((await semantics.subject.ownContainers()).length, 61);
    await removed(all);
    assert.deepEqual(await theirs(), untouched);
  });

  it("begin once each, though their engine is killed while they begin", async () => {
    const all = names("beginning", 10);
    await Promise.all(all.map((name) => begin(name)));
    for (let kill = 0; kill < 3; kill += 1) {
      await sleep(between(random, 200, 2500));
      await podman.restart();
    }
    await running(all);
    for (const name of all) {
      const { status } = await find(name);
      const { restartCount = 0 } = status?.containerStatuses?.[0] ?? {};
      // A start that the engine was killed in may be one that has been, and failed.
      assert.ok(
        words(name).length <= restartCount + 1 && restartCount <= 3,
        `${words(name).join(" ")} ${restartCount}`,
      );
    }
    await runsOnce(all);
    await removed(all);
  });

  it("are taken up by the next program, whenever the one before was killed", async () => {
    const early = names("early", 6);
    await Promise.all(early.map((name) => begin(name)));
    await running(early);
    const before = await runs(early);
    const untouched = await theirs();
    const late: string[] = [];
    for (let kill = 0; kill < 5; kill += 1) {
      for (const name of names(`late-${kill}`, 2)) {
        late.push(name);
        await begin(name);
      }
      await sleep(between(random, 100, 2500));
      await semantics.program.kill("SIGKILL");
      await semantics.launch();
    }
    await running([...early, ...late]);
    assert.deepEqual(await runs(early), before);
    await began([...early, ...late], 1);
    for (const name of [...early, ...late]) {
      assert.equal((await find(name)).status?.containerStatuses?.[0]?.restartCount, 0, name);
    }
    assert.equal((await semantics.subject.ownContainers()).length, 2 * (early.length + late.length));
    assert.deepEqual(await theirs(), untouched);
    await removed([...early, ...late]);
  });

  it("go where the API server does not know them any more, and nobody else's do", async () => {
    await Promise.all(["stays", "forgotten"].map((name) => begin(name)));
    await running(["stays", "forgotten"]);
    const before = await runs(["stays"]);
    const untouched = await theirs();
    await semantics.program.kill("SIGKILL");
    await semantics.kubectl("delete", "pod", "forgotten", "--force", "--grace-period=0");
    await semantics.launch();
    const gone = async (): Promise<boolean> => (await semantics.subject.ownContainers()).length === 2;
    await eventually("containers of the pod that nobody knows are gone", patience, gone);
    await semantics.assertNothingRuns("forgotten");
    assert.deepEqual(await runs(["stays"]), before);
    await runsOnce(["stays"]);
    assert.deepEqual(await theirs(), untouched);
    await removed(["stays"]);
  });

  it("begin anew after the host went down, by their policies", async () => {
    const always = names("always", 5);
    await Promise.all([...always.map((name) => begin(name)), begin("never", { restartPolicy: "Never" })]);
    await running([...always, "never"]);
    const before = await runs(always);
    const uids = await Promise.all(always.map(async (name) => (await find(name)).metadata.uid));
    await semantics.program.kill("SIGKILL");
    await podman.crash();
    assert.deepEqual(podman.processes(), []);
    await podman.resume();
    await semantics.launch();
    for (const name of always) await semantics.untilLine(name, "main:running+ready#1");
    await semantics.untilLine("never", "Failed");
    await running(always);
    const now = await runs(always);
    for (const [index, name] of always.entries()) {
      const { metadata, status } = await find(name);
      assert.equal(metadata.uid, uids[index]);
      assert.notEqual(now[name], before[name]);
      const [main] = status?.containerStatuses ?? [];
      assert.equal(main?.restartCount, 1);
      assert.ok(main.lastState?.terminated !== undefined, JSON.stringify(main));
      // The address that it has now is where it is reached.
      assert.match(await semantics.kubectl("exec", name, "--", "ip", "-4", "addr"), new RegExp(`${status?.podIP}/`));
    }
    await began(always, 2);
    await began(["never"], 1);
    await runsOnce(always);
    assert.match(await theirs(), new RegExp(`^${foreign} (exited|created) 0 0$`));
    await removed([...always, "never"]);
    assert.match(await podman.podman("images", "--format", "{{.Repository}}:{{.Tag}}"), /registry\.example\/host:2/);
  });
});
