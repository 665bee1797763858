import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { ExecuteCommandCommandInput } from "@aws-sdk/client-ecs";
import { type CallContext, isErrorKind, silentLogger, VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import { FakeClock } from "@virtual-kubelet/virtual-kubelet/testing";
import type { SsmSession } from "./ssm/ssm-session.ts";
import { openShell } from "./task-exec.ts";

const context: CallContext = { signal: new AbortController().signal, log: silentLogger };
const group = {
  owner: { cluster: "c", node: "n", namespace: "ns", name: "web", uid: "u" },
  id: "task-1",
  stage: "running" as const,
  containers: [],
};
const session: SsmSession = {
  write: async () => {},
  output: (async function* () {})(),
  stderr: (async function* () {})(),
  resize: async () => {},
  close: async () => {},
  ended: Promise.resolve({ message: "" }),
};

/** The agent comes after so many calls. */
function bench(refusals: number) {
  const clock = new FakeClock();
  const asked: ExecuteCommandCommandInput[] = [];
  const executeCommand = async (input: ExecuteCommandCommandInput) => {
    asked.push(input);
    if (asked.length <= refusals) {
      const cause = Object.assign(new Error("not there"), { name: "TargetNotConnectedException" });
      throw new VirtualKubeletError("Unavailable", "not there", { cause });
    }
    return { session: { streamUrl: "wss://x", tokenValue: "opensesame" } };
  };
  const opened: string[] = [];
  const open = async ({ streamUrl }: { readonly streamUrl: string }): Promise<SsmSession> => {
    opened.push(streamUrl);
    return session;
  };
  const shell = openShell(
    { aws: { executeCommand }, cluster: "pods", clock, open },
    { group, container: "web" },
    context,
  );
  return { clock, asked, opened, shell };
}

describe("a shell in a container", () => {
  it("is asked for until the agent is there", async () => {
    const { clock, asked, opened, shell } = bench(2);
    await clock.advance(10_000);
    assert.equal(await shell, session);
    assert.deepEqual(opened, ["wss://x"]);
    assert.equal(asked.length, 3);
    assert.deepEqual(asked[0], {
      cluster: "pods",
      task: "task-1",
      container: "web",
      command: "/bin/sh",
      interactive: true,
    });
  });

  it("is given up when it does not come", async () => {
    const { clock, shell } = bench(1000);
    const refused = assert.rejects(shell, (error) => isErrorKind(error, "Unavailable"));
    for (let second = 0; second < 40; second++) await clock.advance(1000);
    await refused;
  });
});
