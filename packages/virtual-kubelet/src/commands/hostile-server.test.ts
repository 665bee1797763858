// What a server may not do to the terminal and the memory of who asks it.
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type RequestListener } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { VirtualKubeletError } from "../errors.ts";
import { program } from "../program/program.ts";
import { readTrialOptions } from "../trial/options.ts";
import { runTrial } from "../trial/trial.ts";
import { ExecClient } from "./exec-client.ts";

/** Its host:port. */
async function serve(t: TestContext, listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  assert.ok(typeof address === "object" && address !== null);
  return `127.0.0.1:${address.port}`;
}

function kubeconfigFor(t: TestContext, address: string): string {
  const directory = mkdtempSync(join(tmpdir(), "hostile-server-"));
  t.after(() => rmSync(directory, { recursive: true }));
  const kubeconfig = join(directory, "kubeconfig");
  const config = {
    clusters: [{ name: "c", cluster: { server: `http://${address}` } }],
    contexts: [{ name: "c", context: { cluster: "c", user: "u" } }],
    users: [{ name: "u", user: {} }],
    "current-context": "c",
  };
  writeFileSync(kubeconfig, JSON.stringify(config));
  return kubeconfig;
}

for (const [output, expected] of [
  ["name", "pod/a\\u001b[2J\\u009bH\n"],
  ["json", '"name": "a\\u001b[2J\\u009bH"'],
] as const) {
  test(`get -o ${output} shows what would steer the terminal`, async (t) => {
    const pod = { metadata: { name: "a\u001b[2J\u009bH" } };
    const address = await serve(t, (_request, response) => {
      response.setHeader("content-type", "application/json");
      response.end(JSON.stringify({ apiVersion: "v1", kind: "PodList", items: [pod] }));
    });
    const kubeconfig = kubeconfigFor(t, address);
    let stdout = "";
    const write = process.stdout.write.bind(process.stdout);
    // Bytes are the reports of this test itself.
    t.mock.method(process.stdout, "write", (chunk: string | Uint8Array) => {
      if (typeof chunk !== "string") return write(chunk);
      stdout += chunk;
      return true;
    });
    let stderr = "";
    const code = await program({
      argv: ["get", "pods", "-o", output, "--kubeconfig", kubeconfig],
      env: {},
      cwd: "/",
      stdout: { write: () => assert.fail("printed something") },
      stderr: { write: (text: string) => (stderr += text) },
      run: () => assert.fail("ran"),
    });
    t.mock.restoreAll();
    assert.equal(code, 0, stderr);
    assert.ok(stdout.includes(expected), stdout);
    assert.ok(!stdout.includes("\u001b") && !stdout.includes("\u009b"));
  });
}

test("nor does what why, plan and doctor tell", async (t) => {
  const address = await serve(t, (_request, response) => {
    response.writeHead(403, { "content-type": "application/json" });
    response.end(JSON.stringify({ kind: "Status", reason: "Forbidden", code: 403, message: "no\u001b[2J\u009bH" }));
  });
  let told = "";
  const code = await program({
    argv: ["why", "pod/x", "--kubeconfig", kubeconfigFor(t, address)],
    env: {},
    cwd: "/",
    stdout: { write: (text: string) => (told += text) },
    stderr: { write: (text: string) => (told += text) },
    run: () => assert.fail("ran"),
  });
  assert.equal(code, 1, told);
  assert.ok(told.includes("no\\u001b[2J\\u009bH"), JSON.stringify(told));
});

test("errors of trial do not steer the terminal; their lines stay", async (t) => {
  const told = t.mock.method(process.stderr, "write", () => true);
  const prepare = (): Promise<never> =>
    Promise.reject(new VirtualKubeletError("Internal", "of the log:\n  a\u001b[2J\u009bH"));
  const code = await runTrial({ options: readTrialOptions([], "/"), env: {}, cwd: "/", prepare });
  t.mock.restoreAll();
  assert.equal(code, 1);
  const text = told.mock.calls.map((call) => String(call.arguments[0])).join("");
  assert.ok(text.includes("of the log:\n  a\\u001b[2J\\u009bH\n"), JSON.stringify(text));
});

test("a refusal of exec that has no end is told by its beginning", { timeout: 120_000 }, async (t) => {
  const address = await serve(t, (_request, response) => {
    response.writeHead(403);
    const more = (): void => {
      while (response.writable && response.write("no ".repeat(4096)));
    };
    response.on("drain", more);
    more();
  });
  const connecting = ExecClient.connect({
    url: `ws://${address}/`,
    credential: {
      headers: {},
      tls: { ca: undefined, cert: undefined, key: undefined, serverName: undefined, insecure: false },
    },
    write: () => Promise.resolve(),
  });
  await assert.rejects(connecting, /no no no/);
});
