// What the API server's nodes/proxy gives of a node. It refuses addresses of the loopback, so all of it runs in a network namespace of
// its own that has another address: see nodes-proxy-inside.ts.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { nodeAddress } from "./nodes-proxy-address.ts";

test("nodes/proxy, in a network namespace of its own", { timeout: 900_000 }, async (context) => {
  const inside = join(import.meta.dirname, "nodes-proxy-inside.ts");
  const network = `ip link set lo up && ip address add ${nodeAddress}/32 dev lo && exec "$@"`;
  const program = [process.execPath, "--conditions=source", "--test-reporter=spec", inside];
  // Without the variable the tests inside would report in a form that is for the runner of this file.
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const child = spawn("unshare", ["--map-root-user", "--net", "sh", "-ec", network, "sh", ...program], {
    env,
    stdio: ["ignore", "pipe", "pipe"],
    signal: context.signal,
  });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once("error", reject).once("close", resolve);
  });
  const [code, output, errors] = await Promise.all([ended, text(child.stdout), text(child.stderr)]);
  assert.equal(code, 0, `${output}${errors}`);
  // It is the tests that ended well, not an empty file.
  assert.match(output, /^ℹ pass [1-9]/m);
  assert.match(output, /^ℹ skipped 0$/m);
});
