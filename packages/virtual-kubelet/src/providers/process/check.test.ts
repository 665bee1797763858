// What `doctor` is told of the host by the process provider; nothing is made.
import assert from "node:assert/strict";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { silentLogger } from "../../log.ts";
import { cgroupsCheck } from "./check.ts";
import { checkProvider } from "./process-provider.ts";

async function checks(directory: string, more: object): Promise<Map<string, string>> {
  const config = { stateDirectory: join(directory, "state"), isolation: "none", cgroups: "off", ...more };
  const init = {
    ...{ node: "vk", operatingSystem: "linux", cluster: "test", clusterDomain: "cluster.local" },
    ...{ daemonEndpointPort: 0, config, log: silentLogger },
  };
  const found = await checkProvider(init, { signal: AbortSignal.timeout(60_000), log: silentLogger });
  return new Map(found.map(({ name, status, message }) => [name, `${status}: ${message}`]));
}

test("state, images and room", async () => {
  const directory = await mkdtemp(join(tmpdir(), "process-check-"));
  try {
    const good = await checks(directory, { images: { "a:1": "host", "b:1": { root: directory } } });
    assert.equal(good.get("state directory"), `ok: ${directory}/state/vk can be made`);
    assert.equal(good.get("images"), "ok: 2 named, and there");
    assert.match(good.get("room") ?? "", /^(ok|warn): /);
    const bad = await checks(directory, { images: { "b:1": { root: `${directory}/none` } } });
    assert.equal(bad.get("images"), `fail: roots that are not there: b:1 (${directory}/none)`);
    assert.match((await checks(directory, {})).get("images") ?? "", /^warn: none is named/);
    const full = await checks(directory, { pressure: { diskAvailable: "100%" } });
    assert.match(full.get("room") ?? "", /^warn: the node would start with DiskPressure/);
    assert.deepEqual(await readdir(directory), []);
    await writeFile(join(directory, "file"), "");
    const barred = (await checks(join(directory, "file"), {})).get("state directory") ?? "";
    assert.match(barred, /^fail: \S+\/file may not be written: EACCES/);
  } finally {
    await rm(directory, { recursive: true });
  }
});

test("control groups", () => {
  assert.equal(cgroupsCheck("off", false).status, "ok");
  assert.equal(cgroupsCheck("auto", true).status, "ok");
  assert.equal(cgroupsCheck("auto", false).status, "warn");
  assert.equal(cgroupsCheck("required", false).status, "fail");
});
