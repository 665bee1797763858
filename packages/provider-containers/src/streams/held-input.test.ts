// Whose standard input is written to, and whose is not.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import type { ContainerDetails } from "../engine/engine-client.ts";
import { holdInput } from "./held-input.ts";

test("a process that has got a container's pid is not written to", async (t) => {
  // Node's own pipes are sockets.
  const script = "sleep 100 | sh -c 'echo $$; exec cat >/dev/null'";
  const shell = spawn("sh", ["-c", script], { stdio: ["ignore", "pipe", "ignore"], detached: true });
  t.after(() => process.kill(-(shell.pid ?? 0), "SIGKILL"));
  const [said]: unknown[] = await once(shell.stdout, "data");
  const pid = Number(String(said));
  const container: ContainerDetails = {
    ...{ id: "f".repeat(64), name: "a", labels: {}, state: "running", createdAt: 0, running: true, exitCode: 0 },
    ...{ oomKilled: false, error: "", pid, image: "", imageID: "", addresses: [], logPath: "" },
    ...{ logDriver: "", tty: false, openStdin: true, cgroupPath: "", restartCount: 0 },
  };
  assert.ok(pid > 1);
  assert.equal(holdInput(container), undefined);
});
