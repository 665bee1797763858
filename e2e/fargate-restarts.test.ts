// What kubectl shows of containers on Fargate that end again and again, also after the program was killed. Containers are simulated.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { Stored } from "../packages/virtual-kubelet/src/kube/resource.ts";
import type { ContainerStatus, Pod } from "../packages/virtual-kubelet/src/kube/types.gen.ts";
import { MemoryGroups } from "../packages/virtual-kubelet/src/testing/memory-groups.ts";
import { FargateWorld } from "./cloud/fargate-world.ts";
import { CloudBench } from "./cloud/world.ts";
import { podObject } from "./harness.ts";

const patience = 60_000;

describe("restarts on Fargate", () => {
  let bench: CloudBench;
  before(async () => {
    bench = await CloudBench.start(await FargateWorld.start(new MemoryGroups(), "app", ""));
  });
  after(async () => bench?.[Symbol.asyncDispose]());

  const run = (name: string, script: string): Promise<void> =>
    bench.harness.apply(
      podObject(name, { spec: { containers: [{ name: "main", image: "app", command: ["sh", "-c", script] }] } }),
    );
  const until = async (
    what: string,
    name: string,
    holds: (status: ContainerStatus) => boolean,
  ): Promise<ContainerStatus> => {
    const pod: Stored<Pod> = await bench.harness.untilPod(what, name, patience, ({ status }) => {
      const [main] = status?.containerStatuses ?? [];
      return main !== undefined && holds(main);
    });
    const [main] = pod.status?.containerStatuses ?? [];
    assert.ok(main !== undefined);
    return main;
  };

  it("are counted on after a SIGKILL, by those of ECS and by tasks that are run again", async () => {
    // ECS starts those again that ran for half a second here; the other's task is run again.
    await run("steady", "sleep 3; exit 3");
    await run("crashing", "exit 4");
    const before = await until("was restarted", "steady", ({ restartCount }) => restartCount >= 1);
    assert.ok(before.lastState?.terminated !== undefined);
    const crashed = await until("backs off", "crashing", ({ state }) => state?.waiting?.reason === "CrashLoopBackOff");
    assert.equal(crashed.lastState?.terminated?.exitCode, 4);
    await bench.program?.kill("SIGKILL");
    await bench.begin();
    const first = await until("goes on", "steady", ({ restartCount }) => restartCount > before.restartCount);
    assert.equal(first.restartCount, before.restartCount + 1);
    const again = await until("was run again", "crashing", ({ restartCount }) => restartCount >= 1);
    assert.equal(again.restartCount, 1);
    assert.equal(again.lastState?.terminated?.exitCode, 4);
    assert.equal(await bench.harness.kubectl("get", "pods", "--field-selector=status.phase=Failed", "-o", "name"), "");
    await bench.clean();
  });
});
