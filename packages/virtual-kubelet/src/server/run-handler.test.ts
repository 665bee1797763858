import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import type { Provider } from "../provider.ts";
import { FakeNode, type KubeletFixture, startKubelet } from "../testing/kubelet-fixture.ts";

const exec = (run: NonNullable<Provider["runInContainer"]>): FakeNode =>
  new FakeNode("node-a", { runInContainer: run });

test("run: the output is the answer; an exit code is an error", async () => {
  const commands: unknown[] = [];
  const node = exec(async (_target, command, io) => {
    commands.push(command);
    io.stdout?.write("out");
    io.stderr?.write("err");
    return { exitCode: command[0] === "false" ? 1 : 0 };
  });
  await using kubelet = await startKubelet([node]);
  const run = (path: string): ReturnType<KubeletFixture["get"]> => kubelet.get(path, "admin", { method: "POST" });
  const good = await run("/run/default/web/app?cmd=echo%20a%20b");
  assert.deepEqual([good.status, good.body, commands[0]], [200, "outerr", ["echo", "a", "b"]]);
  const bad = await run("/run/default/web/uid-web/app?cmd=false%20--password=hunter2");
  assert.deepEqual([bad.status, bad.body], [500, "command 'false --password=hunter2' exited with 1: err"]);
  assert.doesNotMatch(JSON.stringify(kubelet.log.flat), /hunter2|err"/, "neither arguments nor output are logged");
  assert.equal((await run("/run/default/other/app?cmd=true")).body, "pod does not exist");
  assert.equal((await kubelet.get("/run/default/web/app?cmd=true", "admin")).headers.allow, "POST");
  const lines = kubelet.log.flat.filter((line) => line["action"] === "run");
  assert.deepEqual(
    lines.map((line) => line["outcome"]),
    [undefined, "ok", undefined, "exit 1"],
  );
});

test("run: a command that never stops writing is ended", async () => {
  const node = exec(async (_target, _command, io, { signal }) => {
    const chunk = Buffer.alloc(256 * 1024);
    while (!signal.aborted) {
      io.stdout?.write(chunk);
      await delay(0);
    }
    return { exitCode: 0 };
  });
  await using kubelet = await startKubelet([node]);
  const answer = await kubelet.get("/run/default/web/app?cmd=yes", "admin", { method: "POST" });
  assert.deepEqual([answer.status, answer.body], [500, "the output has more than 4194304 bytes"]);
});
