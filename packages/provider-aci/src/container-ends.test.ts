// A container that is to end or to start anew, on a cloud that does that to groups alone.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { silentLogger, VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import type { GroupContainer } from "@virtual-kubelet/virtual-kubelet/cloud";
import { FakeClock, settle } from "@virtual-kubelet/virtual-kubelet/testing";
import { restartContainer, terminateContainer } from "./container-ends.ts";
import type { ContainerGroup, Tags } from "./wire.ts";

const context = { signal: new AbortController().signal, log: silentLogger };
const target: GroupContainer = {
  group: {
    owner: { cluster: "c", node: "n", namespace: "ns", name: "p", uid: "u" },
    ...{ id: "/x/g", stage: "running" },
    containers: [{ name: "main", state: { running: {} }, restartCount: 2 }],
  },
  container: "main",
};

/** The cloud may count anew. */
const counted = 'g: {"virtual-kubelet.io.restarts":"3"}';

interface World {
  readonly done: string[];
  readonly restart: () => Promise<void>;
  readonly clock: FakeClock;
}

function world(
  answer: () => number,
  group: { names?: readonly string[]; policy?: "Always" | "Never"; restarts?: () => number },
): World {
  const { names = ["main"], policy = "Always", restarts = () => 2 } = group;
  const done: string[] = [];
  const clock = new FakeClock();
  const client = {
    get: async (): Promise<ContainerGroup> => ({
      properties: {
        ...{ osType: "Linux", restartPolicy: policy },
        containers: names.map((name) => ({
          name,
          properties: { instanceView: { restartCount: restarts(), currentState: { state: "Running" } } },
        })),
      },
    }),
    updateTags: async (name: string, tags: Tags): Promise<ContainerGroup> => {
      done.push(`${name}: ${JSON.stringify(tags)}`);
      return client.get();
    },
    restart: async (name: string) => void done.push(`restart ${name}`),
  };
  const run = async (_target: GroupContainer, command: readonly string[]): Promise<number> => {
    done.push(command.join(" "));
    return answer();
  };
  return {
    done,
    clock,
    restart: () => restartContainer({ client, clock, run, patienceMs: 6000 }, target, "g", context),
  };
}

const noShell = (): never => {
  throw new VirtualKubeletError("Unsupported", "no shell");
};

/** Time passes until it is settled. */
async function through(work: Promise<void>, clock: FakeClock): Promise<void> {
  let isOver = false;
  const over = (): void => {
    isOver = true;
  };
  work.then(over, over);
  for (let turn = 0; turn < 20; turn += 1) {
    await settle();
    if (isOver) break;
    await clock.advance(2000);
  }
  await work;
}

describe("a container that is to start anew", () => {
  it("is told to end, and the cloud starts it again", async () => {
    let restarts = 2;
    const { done, restart, clock } = world(
      () => {
        restarts = 3;
        return 0;
      },
      { restarts: () => restarts },
    );
    await through(restart(), clock);
    assert.deepEqual(done, ["/bin/sh -c kill -TERM 1"]);
  });

  it("that does not end is restarted with its group, where it is alone in it", async () => {
    const { done, restart, clock } = world(() => 0, {});
    await through(restart(), clock);
    assert.deepEqual(done, ["/bin/sh -c kill -TERM 1", counted, "restart g"]);
  });

  it("without a shell is restarted with its group at once", async () => {
    const { done, restart, clock } = world(noShell, {});
    await through(restart(), clock);
    assert.deepEqual(done, ["/bin/sh -c kill -TERM 1", counted, "restart g"]);
  });

  it("beside others, or never to be restarted, is left alone and told of", async () => {
    for (const group of [{ names: ["main", "side"] }, { policy: "Never" as const }]) {
      const { done, restart, clock } = world(noShell, group);
      await assert.rejects(through(restart(), clock), {
        kind: "Unavailable",
        message: /has no shell.*only as a whole/,
      });
      assert.equal(done.includes("restart g"), false);
    }
  });
});

it("TERM that cannot be sent is told", async () => {
  await assert.rejects(terminateContainer({ run: async () => 1 }, target, context), { kind: "Unavailable" });
});
