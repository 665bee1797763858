import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { startDevCluster } from "./dev-cluster.ts";
import { storeFrom } from "./journal.ts";
import { list, text } from "./json.ts";
import { ApiCaller } from "./testing/api-caller.ts";

const scratch = mkdtempSync(join(tmpdir(), "dev-cluster-journal-"));
after(() => rmSync(scratch, { recursive: true }));

const object = (name: string): { readonly metadata: { readonly name: string } } => ({ metadata: { name } });

test("what was not written to its end is not there, all before it is, and the file goes on", () => {
  const file = join(scratch, "torn.jsonl");
  const first = storeFrom(file);
  for (const name of ["a", "b"]) first.store.write("configmaps", object(name));
  first.close();
  const whole = readFileSync(file, "utf8");
  const last = whole.trimEnd().split("\n").at(-1) ?? "";
  // Every place where a write may have ended.
  for (let length = 0; length < last.length; length += 7) {
    writeFileSync(file, whole.slice(0, whole.length - last.length - 1 + length));
    const { store, close } = storeFrom(file);
    assert.ok(store.get("configmaps", "", "a") !== undefined);
    assert.equal(store.get("configmaps", "", "b"), undefined);
    store.write("configmaps", object("c"));
    close();
    const next = storeFrom(file);
    assert.ok(next.store.get("configmaps", "", "c") !== undefined);
    next.close();
  }
});

test("a file that has grown is made short again, with all that there is", () => {
  const file = join(scratch, "grown.jsonl");
  const { store, close } = storeFrom(file, 10_000);
  for (let count = 0; count < 200; count++) store.write("leases", { ...object("l"), spec: `${count}`.padEnd(1_000) });
  store.write("configmaps", object("kept"));
  store.remove("leases", "", "l");
  close();
  assert.ok(statSync(file).size < 25_000);
  const again = storeFrom(file);
  assert.equal(again.store.revision, store.revision);
  assert.equal(again.store.get("leases", "", "l"), undefined);
  assert.ok(again.store.get("configmaps", "", "kept") !== undefined);
  again.close();
});

test("a cluster that is killed while it writes has all that it had answered", { timeout: 240_000 }, async () => {
  const directory = join(scratch, "killed");
  const main = join(import.meta.dirname, "testing/kept-cluster.ts");
  const child = spawn(process.execPath, ["--conditions=source", main, directory], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = once(child, "exit");
  const [said]: unknown[] = await once(child.stdout, "data");
  const running = {
    server: String(said).trim(),
    kubeconfig: join(directory, "admin.kubeconfig"),
    ca: readFileSync(join(directory, "ca.crt"), "utf8"),
  };
  const path = "/api/v1/namespaces/default/configmaps";
  const caller = new ApiCaller(running);
  const answered: string[] = [];
  let revision = 0;
  const write = async (writer: number): Promise<void> => {
    for (let count = 0; ; count++) {
      const name = `w${writer}-${count}`;
      const { body } = await caller.post(path, { metadata: { name }, data: { large: "x".repeat(20_000) } });
      answered.push(name);
      revision = Math.max(revision, Number(text(body, "metadata", "resourceVersion")));
      if (answered.length === 30) child.kill("SIGKILL");
    }
  };
  await Promise.allSettled([0, 1, 2, 3].map(write));
  await ended;
  assert.ok(answered.length >= 30);
  appendFileSync(join(directory, "state.jsonl"), '{"revision":1000000,"resource":"configm');
  await using again = await startDevCluster({ directory });
  const next = new ApiCaller(again);
  const kept = new Set(list((await next.get(path)).body, "items").map((each) => text(each, "metadata", "name")));
  assert.deepEqual(
    answered.filter((name) => !kept.has(name)),
    [],
  );
  const { body } = await next.post(path, { metadata: { name: "next" } });
  const version = Number(text(body, "metadata", "resourceVersion"));
  assert.ok(version > revision && version < 1_000_000);
  assert.equal(again.ca, running.ca);
});

test("what was open to others is closed to them, what is for all users is not taken", async () => {
  const directory = join(scratch, "open");
  const modes = (): Record<string, string> =>
    Object.fromEntries(
      ["", "admin.kubeconfig", "ca.key", "service-accounts.key", "state.jsonl"].map((name) => [
        name,
        (statSync(join(directory, name)).mode & 0o777).toString(8),
      ]),
    );
  await (await startDevCluster({ directory, controllers: false })).stop();
  const expected = modes();
  assert.deepEqual(new Set(Object.values(expected)), new Set(["700", "600"]));
  writeFileSync(join(directory, "state.jsonl.new"), "");
  for (const name of readdirSync(directory)) chmodSync(join(directory, name), 0o666);
  chmodSync(directory, 0o777);
  await (await startDevCluster({ directory, controllers: false })).stop();
  assert.deepEqual(modes(), expected);

  const shared = join(scratch, "shared");
  mkdirSync(shared);
  chmodSync(shared, 0o1777);
  await assert.rejects(startDevCluster({ directory: shared }), /directory: .* is shared by all users/);
});
