// What `doctor` says of a kubeconfig before anything is asked by it.
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { loadConfig } from "../program/load-config.ts";
import { createAuthority } from "../testing/pki.ts";
import { findCluster } from "./doctor-cluster.ts";

let directory = "";
before(async () => {
  directory = await mkdtemp(join(tmpdir(), "doctor-cluster-"));
});
after(() => rm(directory, { recursive: true }));

async function found(cluster: object, user: object, ...flags: readonly string[]) {
  const file = join(directory, "kubeconfig");
  const config = {
    clusters: [{ name: "c", cluster: { server: "https://127.0.0.1:1", ...cluster } }],
    users: [{ name: "u", user }],
    contexts: [{ name: "c", context: { cluster: "c", user: "u" } }],
    "current-context": "c",
  };
  await writeFile(file, JSON.stringify(config));
  const argv = ["--provider=mock", "--nodename=vk", ...(flags.length > 0 ? flags : [`--kubeconfig=${file}`])];
  return findCluster((await loadConfig({ argv, env: {}, cwd: directory })).config, {});
}

test("a certificate that has expired, or soon will", async (context) => {
  const { certificate, key } = createAuthority("ca").issue({ commonName: "u" });
  const base64 = (pem: string): string => Buffer.from(pem).toString("base64");
  const user = { "client-certificate-data": base64(certificate), "client-key-data": base64(key) };
  assert.equal((await found({}, user)).kubeconfig.status, "ok");
  const year = 365 * 86_400_000;
  context.mock.timers.enable({ apis: ["Date"], now: Date.now() + year - 3_600_000 });
  const soon = (await found({}, user)).kubeconfig;
  assert.equal(soon.status, "warn");
  assert.match(soon.message, /kubeconfig expires in (1h|59m|\d+m)/);
  context.mock.timers.setTime(Date.now() + 2 * 3_600_000);
  const { status, message, fix = "" } = (await found({}, user)).kubeconfig;
  assert.equal(status, "fail");
  assert.match(message, /the client certificate of \S+kubeconfig has expired at 20/);
  assert.match(fix, /have a new one issued/);
});

test("a server that is not checked", async () => {
  const { kubeconfig } = await found({ "insecure-skip-tls-verify": true }, { token: "t" });
  assert.match(`${kubeconfig.status} ${kubeconfig.message}`, /^warn .* is not to be checked/);
});

test("no kubeconfig, and none yet: the bootstrap's is looked at", async () => {
  const none = await found({}, {}, `--kubeconfig=${directory}/none`);
  assert.match(`${none.kubeconfig.status} ${none.kubeconfig.message}`, /^fail .*none cannot be read/);
  assert.equal(none.server.status, "skip");
  const own = [`--kubeconfig=${directory}/own`, `--cert-dir=${directory}`];
  const { kubeconfig, server, bootstraps } = await found(
    {},
    { token: "t" },
    ...own,
    `--bootstrap-kubeconfig=${directory}/kubeconfig`,
  );
  assert.equal(bootstraps, true);
  assert.match(
    kubeconfig.message,
    /own is made at the first start; until then \S+kubeconfig names https:\/\/127\.0\.0\.1:1$/,
  );
  assert.match(`${server.status} ${server.fix}`, /^fail nothing listens there/);
});
